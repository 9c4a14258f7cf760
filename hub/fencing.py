"""When a ``strict`` slot may be given to the next node: never two copies.

The voters of a site keep two of its own devices apart. Nobody but the hub keeps two
sites apart, so between two nodes such a slot belongs to nobody, until:

- the node before has confirmed the assignment that took it away, and no device but the
  next one reports more of it than that it waits;
- and, where the next node is at another site, most voters of the site before hold a
  plan without the slot: they promise it to none of theirs any more (`node.lease`).

A device that was revoked is not waited for: that it runs nothing any more is the
operator's word. The voters' silence ends what it runs, within one lease.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.documents import Assignment, Document, Plan, Voters
from edge.names import NodeName, Slot
from hub.fleet import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the hub signed last, and what devices said since."""

    standings: Mapping[NodeName, Standing]
    last: Mapping[str, Assignment]
    """Device id → the last assignment signed for it."""
    plans: Mapping[str, Plan]
    """Site → the last plan signed for it."""
    voters: Mapping[str, Voters]
    """Site → whose grants make a lease there."""


def waits_for(known: Known, slot: Slot, before: NodeName, after: NodeName) -> str:
    """Return why a slot may not go from one node to the next yet, "" when it may."""
    standings = known.standings
    holder, taker = standings.get(before), standings.get(after)
    if holder is not None and not _has_let_go(known, slot, holder):
        return f"waits until {before} confirms that it stopped"
    for each in standings.values():
        if each.name != after and not each.is_revoked and _has_copy(slot, each):
            return f"waits until {each.name} stops its copy"
    if holder is None or taker is None or holder.site == taker.site:
        return ""
    return _voters_problem(known, slot, holder.site)


def _has_let_go(known: Known, slot: Slot, holder: Standing) -> bool:
    """Return whether a node has taken up an assignment that lacks the slot."""
    last = known.last.get(holder.device)
    if holder.is_revoked or last is None:
        return True
    is_taken_away = all(each.slot != slot for each in last.replicas)
    return is_taken_away and _holds(holder, last)


def _has_copy(slot: Slot, standing: Standing) -> bool:
    """Return whether a node reports more of a slot than that it waits."""
    replicas = standing.heard.report.replicas if standing.heard else ()
    return any(each.slot == slot and each.state != "waiting" for each in replicas)


def _voters_problem(known: Known, slot: Slot, site: str) -> str:
    voters, plan = known.voters.get(site), known.plans.get(site)
    if voters is None or plan is None:
        return ""  # without voters nothing strict runs there
    told = _told(known.standings.values(), voters, plan)
    is_listed = any(each.slot == slot for each in plan.slots)
    if not is_listed and 2 * told > len(voters.voters):
        return ""
    return f"waits until most voters of site {site} know that it goes elsewhere"


def _told(standings: Iterable[Standing], voters: Voters, plan: Plan) -> int:
    return sum(
        each.device in voters.voters and _holds(each, plan) for each in standings
    )


def _holds(standing: Standing, document: Document) -> bool:
    """Return whether a device reports this document, or a newer one of its stream."""
    held = standing.heard.report.held if standing.heard else ()
    return any(
        each.stream == document.stream and each.version >= document.counter[-1]
        for each in held
    )
