"""`edgectl site`: what an operator says of a whole site."""

import click

from edge.ctl import approval, ballot, render, terminal, voters, voting
from edge.ctl.exits import Ended, Exit, not_found
from edge.ctl.fleet import DEVICES, Fleet, open_fleet
from edge.ctl.options import Chosen, shared
from edge.ctl.voters import Wish
from edge.ctl.voting import Standing
from edge.documents import Voters

TOO_EARLY = "wait, or --force once nobody can hold a lease by the version before"


@click.group()
def site() -> None:
    """Show and name the voters of a site."""


@site.command("voters")
@click.argument("site_name", metavar="SITE")
@click.option("--set", "named", metavar="N1,N2,…", help="Exactly these devices.")
@click.option("--add", metavar="NODE", help="One device more.")
@click.option("--remove", metavar="NODE", help="One device less.")
@click.option("--force", is_flag=True, help="Do not wait for the version before.")
@shared
def voters_of(
    chosen: Chosen, /, *, site_name: str, force: bool, **changes: str | None
) -> None:
    """Show whose grants let strict replicas run at SITE, or change them by one."""
    wish = _wish(changes)
    with open_fleet(chosen.context) as opened:
        now = _learn(opened, site_name)
        if wish is not None:
            now = _change(opened, now, wish, is_forced=force)
    shown = render.to_json(now) if chosen.is_json else _shown(now)
    terminal.show(shown)


def _wish(changes: dict[str, str | None]) -> Wish | None:
    """Return what was asked for, None to look only."""
    given = {key: value for key, value in changes.items() if value is not None}
    if len(given) > 1:
        raise click.UsageError("--set, --add and --remove exclude each other")
    named = tuple(each for each in given.get("named", "").split(",") if each)
    if given and not any((named, given.get("add"), given.get("remove"))):
        raise click.UsageError("no device is named; see `edgectl get nodes`")
    return (
        Wish(named=named, added=given.get("add", ""), removed=given.get("remove", ""))
        if given
        else None
    )


def _learn(opened: Fleet, site_name: str) -> Standing:
    opened.sync_trust()
    rows = opened.hub.nodes()
    opened.fetch(*DEVICES, "voters/")
    opened.warn()
    found = voting.standing(opened.ledger, site_name, rows)
    if not found.version and not voters.members(opened.ledger, site_name):
        problem = f"cannot find site {site_name!r}: no approved device is there"
        raise not_found(f"{problem}; see `edgectl get nodes`")
    return found


def _change(opened: Fleet, now: Standing, wish: Wish, *, is_forced: bool) -> Standing:
    """Sign the next version, unless it says the same or comes too early."""
    made = _document(opened, now, wish)
    before = opened.ledger.voters.get(now.site)
    if before is not None and set(before.voters) == set(made.voters):
        terminal.tell(f"site {now.site} has these voters already")
        return now
    why = voting.unfinished(now)
    if why and not is_forced:
        problem = f"cannot change the voters of site {now.site!r} yet: {why}"
        raise Ended(Exit.FAILURE, f"{problem}; {TOO_EARLY}")
    opened.submit(made)
    after = voting.standing(opened.ledger, now.site)
    terminal.tell(f"{voting.difference(now, after)} (version {made.version})")
    return after


def _document(opened: Fleet, now: Standing, wish: Wish) -> Voters:
    ledger = opened.ledger
    names = {each.name: each.id for each in approval.devices(ledger)}
    found = voters.members(ledger, now.site)
    before = ledger.voters.get(now.site)
    wanted = voters.chosen(before, wish, now.site, found, names)
    return ballot.document(opened, now.site, wanted)


def _shown(now: Standing) -> str:
    """Return the voters for people: who, who knows of it, what it means."""
    if not now.version:
        return voting.meaning(now)
    rows = [(name, _state(name, now)) for name in now.voters]
    listed = render.table(("VOTER", f"VERSION {now.version}"), rows)
    return "\n".join((listed, voting.meaning(now), *_even(now)))


def _even(now: Standing) -> tuple[str, ...]:
    """Return what there is to say of an even number; of two it is said already."""
    count = len(now.voters)
    return voters.remarks(count, count)[1:] if count > 2 else ()  # noqa: PLR2004


def _state(name: str, now: Standing) -> str:
    if name in now.gone:
        return "no approved device of the site: replace it"
    return "held" if name in now.held_by else "not there yet"
