"""What a workload's failover mode means on the sites at hand, in a sentence or two.

The same rules as on the devices (`node.succession`, `node.lease`), told ahead of time:
who would take a replica (`edge.ctl.ways`), how many must be reached, what a majority
is. Tests hold this module and those together.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from edge.ctl.voters import majority
from edge.ctl.ways import Site, Way, ways
from edge.documents import Deployment
from edge.model import Workload
from edge.names import NodeName, Slot
from edge.placement import Held, NodeView

PAIR = 2
NAMED_MAX = 4
NOWHERE = "nowhere to move"
LOST_MAX = 50  # devices of a site that are lost in turn; all of 1,000 take minutes
SITES_MAX = 3  # told of; a fleet of a thousand alike sites needs no thousand lines


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet as a deploy will leave it."""

    deployment: Deployment
    nodes: tuple[NodeView, ...]
    places: Mapping[Slot, NodeName]
    """Where its slots will be."""
    others: Mapping[Slot, Held] = {}
    """What runs besides it."""
    ids: Mapping[NodeName, str] = {}
    """Device ids, by which devices draw lots."""
    voters: Mapping[str, tuple[str, ...]] = {}
    """Site → names of its voters, those that are about to be signed included."""


def sentences(outlook: Outlook) -> tuple[str, ...]:
    """Return what each workload that has a place may expect, in the order of names."""
    sites = _sites(outlook)
    return tuple(
        f"{workload.name}: {said}"
        for workload in outlook.deployment.workloads
        for said in _prospect(outlook, workload, sites)
    )


def strict_sites(outlook: Outlook) -> frozenset[str]:
    """Return the sites where a ``strict`` replica will be: voters must be there."""
    strict = [w for w in outlook.deployment.workloads if w.failover == "strict"]
    if not strict:
        return frozenset()
    return frozenset(
        site.name
        for site in _sites(outlook)
        if any(_slots(site, outlook.deployment.name, each.name) for each in strict)
    )


def least(site: int) -> int:
    """Return how many of a site must reach each other for work to move at all.

    Half is enough, after one hold more; with less a device is likely alone.
    """
    return (site + 1) // 2


def _prospect(
    outlook: Outlook, workload: Workload, sites: tuple[Site, ...]
) -> Iterator[str]:
    name = outlook.deployment.name
    here = [
        (site, found) for site in sites if (found := _slots(site, name, workload.name))
    ]
    if here and workload.every:
        yield "one on each device: nothing moves when a device is lost"
    elif here and workload.failover == "none":
        yield "failover none: when its device is lost, it stays down until that is back"
    else:
        for site, slots in here[:SITES_MAX]:
            at = f"at {site.name}, " if len(here) > 1 else ""
            yield at + _on_site(site, slots, workload)
        if len(here) > SITES_MAX:
            yield f"and so on at {len(here) - SITES_MAX} more sites"


def _on_site(site: Site, slots: tuple[Slot, ...], workload: Workload) -> str:
    if workload.failover == "strict":
        return _strict(site, slots)
    moves = _moves(site, slots)
    return moves if moves.startswith(NOWHERE) else moves + _available(len(site.nodes))


def _strict(site: Site, slots: tuple[Slot, ...]) -> str:
    """Tell what the voters allow: without them nothing runs."""
    voters, count, need = site.voters, len(site.voters), majority(len(site.voters))
    if not count:
        return f"does not run: {site.name} has no voters; see `edgectl site voters`"
    if count == 1:
        return (
            f"{voters[0]} alone grants leases: while it is lost, this runs nowhere;"
            f" otherwise {_moves(site, slots)}"
        )
    if count == PAIR:
        return (
            f"if {voters[0]} or {voters[1]} is lost, it stops and does not move: a"
            f" majority of 2 is 2; a third voter (a witness) at {site.name} mends that"
        )
    half = least(len(site.nodes))
    moves = _moves(site, slots)
    is_braked = half > need and not moves.startswith(NOWHERE)
    also = f"; moves only where {half} of {len(site.nodes)} devices are"
    return (
        f"{moves}; runs only where {need} of {count} voters"
        f" ({_named(voters)}) are reached, never twice{also if is_braked else ''}"
    )


def _available(site: int) -> str:
    """Return what a partition means, by how many devices the site has."""
    if site == PAIR:
        return (
            "; two devices cannot tell a lost one from a cut line: the other waits one"
            " hold more, and both may run it while the line is cut"
        )
    return (
        f"; moves only where {least(site)} of {site} devices reach each other, and may"
        " run twice while the site is divided"
    )


def _moves(site: Site, slots: tuple[Slot, ...]) -> str:
    """Return where the replicas would go, or why nowhere."""
    if len(site.nodes) == 1:
        return f"{NOWHERE}: its device is alone at its site"
    holders = sorted({site.running[slot].node for slot in slots})
    lost = holders[:LOST_MAX]
    found = {way.slot: way for name in lost for way in ways(site, name)}
    judged = [found[slot] for slot in slots if slot in found]
    gone = [way for way in judged if way.taker]
    stuck = [way for way in judged if not way.taker]
    if not gone:
        return f"{NOWHERE}: {_why(stuck[0].reasons)}"
    moves = f"if its device is lost, {_gone(gone, is_one=len(slots) == 1)}"
    if len(holders) > LOST_MAX:
        moves = f"{moves}, by {LOST_MAX} of {len(holders)} devices that were tried"
    if not stuck:
        return moves
    replicas = _named(_replica(way.slot) for way in stuck)
    return f"{moves}; {NOWHERE} for {replicas}: {_why(stuck[0].reasons)}"


def _gone(gone: list[Way], *, is_one: bool) -> str:
    if is_one:
        return f"it moves to {gone[0].taker}"
    return f"it moves ({_named(f'{_replica(w.slot)} → {w.taker}' for w in gone)})"


def _sites(outlook: Outlook) -> tuple[Site, ...]:
    """Return the sites, each with the devices that count when it is divided."""
    running: dict[Slot, Held] = dict(outlook.others)
    works = {each.name: each for each in outlook.deployment.workloads}
    for slot, name in outlook.places.items():
        running[slot] = Held(node=name, workload=works[_workload(slot)])
    nodes: dict[str, list[NodeView]] = {}
    for node in outlook.nodes:
        nodes.setdefault(node.site, []).extend([node] if node.ready else [])
    site_of = {node.name: node.site for node in outlook.nodes}
    held: dict[str, dict[Slot, Held]] = {}
    for slot, each in sorted(running.items()):
        held.setdefault(site_of.get(each.node, ""), {})[slot] = each
    return tuple(
        Site(
            name=site,
            nodes=tuple(found),
            running=held.get(site, {}),
            ids=outlook.ids,
            voters=outlook.voters.get(site, ()),
        )
        for site, found in sorted(nodes.items())
    )


def _slots(site: Site, deployment: str, workload: str) -> tuple[Slot, ...]:
    return tuple(
        slot
        for slot in sorted(site.running, key=lambda slot: (len(slot), slot))
        if slot.partition("/")[0] == deployment and _workload(slot) == workload
    )


def _workload(slot: Slot) -> str:
    return _replica(slot).partition("@")[0].partition(".")[0]


def _replica(slot: Slot) -> str:
    return slot.partition("/")[2]


def _why(reasons: Mapping[NodeName, str]) -> str:
    """Return reasons with the devices they are about."""
    by_reason: dict[str, list[str]] = {}
    for name, why in sorted(reasons.items()):
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{why} ({_named(found)})" for why, found in by_reason.items())


def _named(names: Iterable[str]) -> str:
    found = list(names)
    if len(found) > NAMED_MAX:
        return f"{', '.join(found[:NAMED_MAX])} and {len(found) - NAMED_MAX} more"
    return ", ".join(found)
