"""The voters a deploy names along with it, and what a lost device means with them."""

import msgspec

from edge.ctl import prospects, voters, voting
from edge.ctl.fleet import Fleet
from edge.ctl.prospects import Outlook
from edge.documents import Voters


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """First voters to hand in, and the sentences a plan has for them."""

    documents: tuple[Voters, ...]
    voters: tuple[str, ...]
    prospects: tuple[str, ...]


def foresee(opened: Fleet, outlook: Outlook) -> Foreseen:
    """Return whom to name where ``strict`` work comes, and what then may be expected.

    Documents of devices and voters must have been fetched if there is such work.
    """
    sites = prospects.strict_sites(outlook)
    begun = voting.first(opened.ledger, opened.me, sites) if sites else {}
    names = voting.names(opened.ledger, sites, begun)
    return Foreseen(
        documents=tuple(document(opened, site, begun[site]) for site in begun),
        voters=tuple(_said(opened, site, names[site]) for site in begun),
        prospects=prospects.sentences(msgspec.structs.replace(outlook, voters=names)),
    )


def _said(opened: Fleet, site: str, names: tuple[str, ...]) -> str:
    """Return who votes from now on, and what would be better where something would."""
    devices = len(voters.members(opened.ledger, site))
    said = f"{', '.join(names)} vote at {site} from now on"
    return "; ".join((said, *voters.remarks(len(names), devices)[1:]))


def document(opened: Fleet, site: str, devices: tuple[str, ...]) -> Voters:
    """Return the next version of a site's voters, not signed yet."""
    return Voters(
        fleet=opened.context.fleet,
        site=site,
        version=opened.memory.next_version(f"voters/{site}"),
        voters=devices,
        issued_at=opened.now(),
        scope=opened.me.scope.name,
    )
