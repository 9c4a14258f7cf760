"""`edgectl rollout`: look at a change under way, hold it, push it on, take it back."""

import sys
import time
from collections.abc import Callable

import click
import msgspec

from edge.ctl import (
    control,
    delivery,
    drafting,
    live,
    outcome,
    past,
    render,
    stage_text,
    terminal,
    undo,
    watch,
)
from edge.ctl.control import Action
from edge.ctl.drafting import Content, Draft
from edge.ctl.exits import Ended, Exit, not_found
from edge.ctl.fleet import Fleet, open_fleet
from edge.ctl.options import DURATION, Chosen, shared
from edge.ctl.shapes import Stage
from edge.documents import Control, Deployment

NAME = click.argument("name")
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def rollout() -> None:
    """Watch, hold, take back a rollout."""


@rollout.command()
@NAME
@shared
def status(chosen: Chosen, name: str) -> None:
    """Show where the rollout of NAME stands."""
    with open_fleet(chosen.context) as opened:
        stage = _stage(opened, name)
    if chosen.is_json:
        terminal.show(render.to_json(stage))
        return
    lines = (*stage_text.picture(stage, time.time()), *stage_text.trouble(stage))
    terminal.show("\n".join(lines))


@rollout.command("watch")
@NAME
@click.option("--timeout", type=DURATION, help="How long; for ever by default.")
@shared
def watch_it(chosen: Chosen, name: str, timeout: float | None) -> None:
    """Watch the rollout of NAME until it is over; Ctrl-C only stops watching.

    Ends with 0 when it is done or waits for its promote, 6 when it was taken back or
    stands still, 7 when the time is up, 8 when a newer version was signed. With -o
    json, a line each change.
    """
    with open_fleet(chosen.context) as opened:
        newest = _newest(opened, name)
        stage = _stage(opened, name)
        if stage.phase == "idle" and stage.version == newest.version:
            problem = f"cannot watch {name} {newest.version}: no rollout is under way"
            raise Ended(Exit.FAILURE, f"{problem}; `edgectl ps {name}` shows what runs")
        last = watch.until_over(
            opened.hub,
            name,
            newest.version,
            live.view(),
            timeout=timeout,
            tell=_telling(chosen),
        )
    terminal.tell(outcome.ending(last))


@rollout.command()
@NAME
@YES
@shared
def pause(chosen: Chosen, name: str, *, yes: bool) -> None:
    """Let no further device change to the new version of NAME."""
    _say(chosen, name, "pause", is_yes=yes)


@rollout.command()
@NAME
@YES
@shared
def resume(chosen: Chosen, name: str, *, yes: bool) -> None:
    """Let the paused rollout of NAME go on."""
    _say(chosen, name, "resume", is_yes=yes)


@rollout.command()
@NAME
@YES
@shared
def promote(chosen: Chosen, name: str, *, yes: bool) -> None:
    """Begin with the next wave of NAME, or switch to its new set.

    A wave begins without waiting for proof of the one before. A blue-green rollout
    has one switch, when its new set is up: then the old one leaves after a while.
    """
    _say(chosen, name, "promote", is_yes=yes)


@rollout.command()
@NAME
@YES
@shared
def abort(chosen: Chosen, name: str, *, yes: bool) -> None:
    """Give the new version of NAME up: every device goes back."""
    _say(chosen, name, "abort", is_yes=yes)


@rollout.command("undo")
@NAME
@click.option("--to", type=click.IntRange(1), metavar="N", help="Which version.")
@click.option("--timeout", type=DURATION, help="How long to watch.")
@YES
@shared
def take_back(
    chosen: Chosen, name: str, *, to: int | None, timeout: float | None, yes: bool
) -> None:
    """Run what an earlier version of NAME said, as the next version.

    Ends as `edgectl deploy` does. Without --to it is the version before.
    """
    with open_fleet(chosen.context) as opened:
        draft = _drafted(opened, name, to, is_yes=yes)
        delivery.refuse_hopeless(draft, allow_unplaced=False)
        delivery.confirm(draft, is_yes=yes, is_shown=True)
        delivery.hand_in(opened, draft)
        made = draft.deployment
        delivery.until_there(opened, made, timeout, allow_unplaced=False)
    if chosen.is_json:
        terminal.show(render.to_json({"name": name, "version": made.version}))


@rollout.command()
@NAME
@shared
def history(chosen: Chosen, name: str) -> None:
    """List the versions of NAME that the hub keeps, newest first."""
    with open_fleet(chosen.context) as opened:
        rows = opened.hub.revisions(name)
    if chosen.is_json:
        terminal.show(render.to_json(rows))
    else:
        terminal.show(stage_text.history(rows))


def _say(chosen: Chosen, name: str, action: Action, *, is_yes: bool) -> None:
    """Sign a word on the rollout of the newest version, if it changes anything."""
    with open_fleet(chosen.context) as opened:
        newest = _newest(opened, name)
        opened.fetch(f"control/{name}")
        opened.warn()
        stage = _stage(opened, name)
        is_kept = control.is_kept(stage, newest, opened.now())
        refused = control.refusal(stage, action, newest.version, is_kept=is_kept)
        if refused:
            raise Ended(Exit.FAILURE, refused)
        terminal.tell(control.intent(stage, action))
        if not is_yes and sys.stdin.isatty():
            click.confirm(f"Sign this {action}?", abort=True, err=True)
        word = _word(opened, stage, action)
        opened.submit(word)
    terminal.tell(control.outcome(stage, action))
    if chosen.is_json:
        fields = ("name", "version", "target", "action", "wave")
        terminal.show(render.to_json(render.picked(word, fields)))


def _drafted(opened: Fleet, name: str, to: int | None, *, is_yes: bool) -> Draft:
    """Return the next version with the content of an old one."""
    newest = _newest(opened, name)
    rows = opened.hub.revisions(name)
    number = undo.target(newest, rows, to)
    old = past.version(opened, newest, number, rows)
    terminal.tell(f"{name} {newest.version}: back to what version {number} said")
    content = Content(
        name=name,
        workloads=old.workloads,
        stage=lambda made, fleet, back: undo.staged(
            msgspec.structs.replace(made, rollout=newest.rollout), fleet, back
        ),
        is_forced=number == newest.version,
    )
    figures = drafting.learn(opened, name, old.workloads)
    return drafting.draft(opened, content, figures, is_dry=False, is_yes=is_yes)


def _word(opened: Fleet, stage: Stage, action: Action) -> Control:
    """Return the next word on a rollout."""
    return Control(
        fleet=opened.context.fleet,
        name=stage.name,
        version=opened.memory.next_version(f"control/{stage.name}"),
        target=stage.version,
        action=action,
        issued_at=opened.now(),
        wave=control.wave(stage, action, opened.ledger.controls.get(stage.name)),
        scope=opened.scope_of(stage.name),
    )


def _newest(opened: Fleet, name: str) -> Deployment:
    """Return the newest version of a deployment, as this machine judged it."""
    opened.sync_trust()
    opened.fetch(f"deployment/{name}")
    opened.warn()
    found = opened.ledger.deployments.get(name)
    if found is None:
        problem = f"cannot find deployment {name!r}"
        raise not_found(f"{problem}; see `edgectl get deployments`")
    return found


def _stage(opened: Fleet, name: str) -> Stage:
    stage, _ = opened.hub.stage(name)
    assert stage is not None  # noqa: S101 - only a question with an ETag has no answer
    return stage


def _telling(chosen: Chosen) -> Callable[[Stage], None]:
    """Return what prints each change for programs, and nothing for people."""
    if not chosen.is_json:
        return lambda _: None
    return lambda stage: terminal.show(render.to_line(stage))
