"""`edgectl plan` and `diff`: what a manifest would change, before anyone signs it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge.ctl import plan_text, pulls, registry, render, terminal
from edge.ctl.commands.deploy import drafted
from edge.ctl.drafting import Draft
from edge.ctl.exits import Ended, Exit
from edge.ctl.fleet import Fleet, open_fleet
from edge.ctl.options import Chosen, shared
from edge.ctl.plan import Plan
from edge.errors import EdgeError

CHANGES = 2
"""What ``--exit-code`` ends with where a deploy would sign something."""
FILE = click.argument("file", type=click.Path(path_type=Path))
EXIT_CODE = click.option(
    "--exit-code",
    "is_test",
    is_flag=True,
    help="End with 0 for no changes, 2 for changes, 1 for an error.",
)


@click.command()
@FILE
@EXIT_CODE
@shared
def plan(chosen: Chosen, file: Path, *, is_test: bool) -> None:
    """Show what deploying FILE would change, and what stands in the way."""
    with _tested(is_test=is_test), open_fleet(chosen.context) as opened:
        draft = drafted(opened, file, is_dry=True)
        found = _priced(opened, draft)
    _show(chosen, found, plan_text.plan, plan_text.plan_json)
    _end(found, is_test=is_test)


@click.command()
@FILE
@EXIT_CODE
@shared
def diff(chosen: Chosen, file: Path, *, is_test: bool) -> None:
    """Show in what FILE differs from what is signed now, field by field."""
    with _tested(is_test=is_test), open_fleet(chosen.context) as opened:
        found = drafted(opened, file, is_dry=True).plan
    _show(chosen, found, plan_text.diff, plan_text.diff_json)
    _end(found, is_test=is_test)


def _priced(opened: Fleet, draft: Draft) -> Plan:
    """Ask the registries how much is to be fetched; a first version fetches all."""
    if draft.before is None:
        return draft.plan
    wanted = pulls.images(draft.plan, draft.ground)
    sizes = registry.layers(wanted, opened.context.insecure_registries)
    return pulls.priced(draft.plan, draft.ground, sizes)


def _show(
    chosen: Chosen,
    found: Plan,
    text: Callable[[Plan], str],
    data: Callable[[Plan], object],
) -> None:
    terminal.show(render.to_json(data(found)) if chosen.is_json else text(found))


@contextmanager
def _tested(*, is_test: bool) -> Iterator[None]:
    """Have every error end with 1, so that 2 means changes and nothing else."""
    try:
        yield
    except EdgeError as error:
        if is_test:
            raise Ended(Exit.FAILURE, str(error)) from error
        raise


def _end(found: Plan, *, is_test: bool) -> None:
    if is_test and (found.is_new_version or found.voters):
        click.get_current_context().exit(CHANGES)
