"""What the hub leaves to the devices while one of them is drained.

- A slot that moves is handed over inside its site, without a gap: a neighbour takes it
  in the next term, and the drained device stops when that one is healthy. The hub then
  follows the higher term (`hub.takeovers`).
- It moves the slot itself where no neighbour can take it: none of those that hold the
  plan which names the slot, and that the hub hears, passes the filters. So it does when
  the devices have not done it after a while.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge import placement
from edge.documents import Deployment, Plan
from edge.names import NodeName, Slot
from edge.placement import Ask, Load
from hub import fleet, moves
from hub.fleet import Standing

PATIENCE = 120.0
"""Seconds after the operator's word: a taker raises the term within a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is looked at: who has what, and what else there is to know of devices."""

    standings: Mapping[NodeName, Standing]
    deployments: Mapping[str, Deployment]
    holders: Mapping[Slot, NodeName]
    sealed: Mapping[str, frozenset[str]]
    """Device id → names of the secrets sealed to it."""
    plans: Mapping[str, Plan]
    """Site → the newest plan for it."""
    drained_at: Mapping[str, float]
    """Device id → when the operator signed its newest word, seconds since the epoch."""


def left(known: Known, now: float) -> frozenset[Slot]:
    """Return the slots of drained devices that the hub does not move now."""
    going = {
        name for name, each in known.standings.items() if _is_going(known, each, now)
    }
    if not going:
        return frozenset()
    loads = _loads(known)
    return frozenset(
        slot
        for slot, name in known.holders.items()
        if name in going and _has_taker(known, loads, slot, known.standings[name])
    )


def _is_going(known: Known, standing: Standing, now: float) -> bool:
    """Return whether its neighbours were told lately to do its work."""
    if standing.scheduling != "drained" or standing.is_revoked:
        return False
    since = known.drained_at.get(standing.device, 0.0)
    return standing.is_reporting and now < since + PATIENCE


def _has_taker(
    known: Known, loads: Mapping[NodeName, Load], slot: Slot, holder: Standing
) -> bool:
    asked = moves.workload_of(known.deployments, slot)
    plan = known.plans.get(holder.site)
    is_planned = plan is not None and any(each.slot == slot for each in plan.slots)
    if not is_planned or asked is None or not moves.can_move(asked[1], slot):
        return False
    ask = Ask(deployment=asked[0].name, workload=asked[1])
    for each in _neighbours(known, holder):
        view = fleet.view(each, known.sealed.get(each.device, frozenset()))
        if placement.reason(ask, view, loads.get(each.name, Load())) is None:
            return True
    return False


def _neighbours(known: Known, holder: Standing) -> Iterator[Standing]:
    """Yield the others of a site that are heard and have its plan."""
    stream = f"plan/{holder.site}"
    for each in known.standings.values():
        if each.site != holder.site or each.device == holder.device:
            continue
        held = each.heard.report.held if each.heard else ()
        is_here = each.is_reporting and not each.is_revoked
        if is_here and any(one.stream == stream for one in held):
            yield each


def _loads(known: Known) -> dict[NodeName, Load]:
    loads: dict[NodeName, Load] = {}
    for slot, name in known.holders.items():
        asked = moves.workload_of(known.deployments, slot)
        if asked is not None:
            loads.setdefault(name, Load()).add(slot, asked[1])
    return loads
