"""A draft, delivered: asked about, signed, handed in, and watched to its end."""

import sys
import time
from collections.abc import Sequence

import click

from edge.ctl import follow, live, outcome, plan_text, render, terminal, watch
from edge.ctl.drafting import Draft
from edge.ctl.exits import Ended, Exit
from edge.ctl.fleet import Fleet
from edge.ctl.shapes import Status
from edge.documents import Deployment, Document

SENTENCES_MAX = 5  # of an error
TIMEOUT = 120.0
"""Seconds a deploy without a rollout is watched; a rollout has its own deadline."""


def refuse_hopeless(draft: Draft, *, allow_unplaced: bool) -> None:
    """Refuse, before a number is used up, what would run nowhere at all."""
    if draft.plan.hopeless and not allow_unplaced:
        reasons = _few(draft.plan.unplaced) or "no device is free for it"
        names = ", ".join(draft.plan.hopeless)
        problem = f"cannot deploy {draft.plan.name}: {names} would run nowhere"
        raise Ended(Exit.ROLLOUT_FAILED, f"{problem}: {reasons}; nothing was signed")


def confirm(draft: Draft, *, is_yes: bool, is_shown: bool = False) -> None:
    """Show a person who is there the plan, and ask; say to others what is weak.

    With ``is_shown`` everyone sees the whole plan: nobody has a manifest to look at.
    """
    is_asked = draft.plan.is_new_version and not is_yes and sys.stdin.isatty()
    if is_asked or is_shown:
        for line in plan_text.plan(draft.plan).splitlines():
            terminal.tell(line)
    else:
        _remark(draft)
    if not is_asked:
        return
    is_weaker = bool(draft.plan.new_weakenings)
    question = "Deploy it all the same?" if is_weaker else "Deploy it?"
    click.confirm(question, abort=True, err=True)


def _remark(draft: Draft) -> None:
    for each in draft.plan.unplaced:
        terminal.tell(f"  {each}")
    for each in render.outlook(draft.plan) if draft.plan.is_new_version else ():
        terminal.tell(each)
    for each in draft.plan.new_weakenings:
        terminal.tell(f"  weaker than usual: {each}")


def hand_in(opened: Fleet, draft: Draft) -> None:
    """Sign what has to be signed and hand it in, all of it at once."""
    documents: list[Document] = [*draft.handout.documents, *draft.voters]
    deployment = draft.deployment
    if draft.plan.is_new_version:
        documents.append(deployment)
    began = time.monotonic()
    if documents:
        opened.submit(*documents)
    took = time.monotonic() - began
    what = f"{deployment.name} {deployment.version}"
    if draft.plan.is_new_version:
        terminal.tell(f"{what}: the hub took it in {took * 1000:.0f} ms")
    else:
        terminal.tell(f"{what}: nothing to change")


def until_there(
    opened: Fleet,
    deployment: Deployment,
    timeout: float | None,
    *,
    allow_unplaced: bool,
) -> Status:
    """Watch until the version works everywhere; raise `Ended` for another end."""
    if not is_staged(deployment):
        watched = follow.Watched(
            name=deployment.name,
            version=deployment.version,
            workloads=deployment.workloads,
            allow_unplaced=allow_unplaced,
        )
        patience = TIMEOUT if timeout is None else timeout
        return follow.until_works(opened.hub, watched, patience)
    began = time.monotonic()
    name, version = deployment.name, deployment.version
    shown = live.view()
    last = watch.until_over(opened.hub, name, version, shown, timeout=timeout)
    status, _ = opened.hub.status(name)
    assert status is not None  # noqa: S101 - only a question with an ETag has no answer
    if status.unplaced and not allow_unplaced:
        problem = _few([each.problem or each.slot for each in status.unplaced])
        raise Ended(Exit.ROLLOUT_FAILED, f"cannot place all of {name}: {problem}")
    terminal.tell(outcome.ending(last, f"{time.monotonic() - began:.1f} s"))
    return status


def _few(sentences: Sequence[str]) -> str:
    """Return the first sentences; a thousand replicas have a thousand."""
    more = len(sentences) - SENTENCES_MAX
    rest = [f"and {more} more replicas have no place"] if more > 0 else []
    return "; ".join([*sentences[:SENTENCES_MAX], *rest])


def is_staged(deployment: Deployment) -> bool:
    """Return whether it goes through waves: without a way back it is all at once."""
    return deployment.rollout is not None and deployment.fallback > 0
