"""What devices took over from each other: the higher term wins, the hub's included.

- A device that reports a movable slot in a higher term than the hub knows of holds it.
  A lower or equal one changes nothing, and neither does a replica that stops, or that
  only waits: for a lease, or for what its neighbours say.
- Not believed: a slot that does not move or that no deployment has, a device that is
  revoked or not approved, one of another site than the slot's, a term that is ahead of
  the hub's by more than a jump.
- Of two that report the same term the same one is believed as on the devices
  (`node.contest`): the one with the larger id.
"""

from collections.abc import Iterable, Iterator, Mapping

from edge.documents import Report
from edge.model import ReplicaPlace, ReplicaStatus, Workload
from edge.names import NodeName, Slot
from edge.trust import Ledger
from edge.trust.versions import JUMP_MAX
from hub import moves
from hub.assignments import Holding
from hub.moves import Ground

IDLE = frozenset({"waiting", "stopping"})
Taken = Mapping[Slot, tuple[NodeName, ReplicaPlace]]
"""Who took over which slot, as it reports it."""


def learn(
    ledger: Ledger,
    holdings: Mapping[Slot, Holding],
    reports: Iterable[Report],
    ground: Ground,
) -> Taken:
    """Return the slots whose holder or term is another than the hub knows."""
    found: dict[Slot, tuple[tuple[int, str], NodeName, ReplicaPlace]] = {}
    for report in reports:
        for each in claimed(ledger, holdings, report, ground):
            slot, rank = Slot(each.slot), (each.term, report.device)
            if slot not in found or rank > found[slot][0]:
                found[slot] = (rank, NodeName(report.node), _place(each))
    return {slot: (node, place) for slot, (_, node, place) in sorted(found.items())}


def claimed(
    ledger: Ledger,
    holdings: Mapping[Slot, Holding],
    report: Report,
    ground: Ground,
) -> Iterator[ReplicaStatus]:
    """Yield what a device holds in a higher term than the hub knows, if it may."""
    for each in report.replicas:
        held = holdings.get(Slot(each.slot))
        known = held.term if held else 0
        is_news = known < each.term <= known + JUMP_MAX
        if not is_news or each.state in IDLE:
            continue
        asked = ground.asked(Slot(each.slot))
        if asked is not None and _may_hold(ledger, held, report, (each.slot, asked[1])):
            yield each


def highest(reports: Iterable[Report]) -> dict[Slot, int]:
    """Return the highest term each slot is reported in, believed or not.

    The hub's own next term for a slot is beyond it.
    """
    found: dict[Slot, int] = {}
    for report in reports:
        for each in report.replicas:
            slot = Slot(each.slot)
            found[slot] = max(each.term, found.get(slot, 0))
    return found


def _may_hold(
    ledger: Ledger, held: Holding | None, report: Report, of: tuple[str, Workload]
) -> bool:
    slot, workload = of
    if not moves.can_move(workload, slot):
        return False
    device = report.device
    if ledger.is_revoked(device) or not _is_approved(ledger, device):
        return False
    site = ledger.site_of(device)
    if held is None:
        return not workload.sites or site in workload.sites
    return site in _sites(ledger, held, Slot(slot))


def _sites(ledger: Ledger, held: Holding, slot: Slot) -> set[str]:
    """Return where a slot is at home: at its holder's, and where a plan names it."""
    planned = {
        site
        for site, plan in ledger.plans.items()
        if any(each.slot == slot for each in plan.slots)
    }
    return planned | {ledger.site_of(ledger.names.get(held.node, ""))}


def _is_approved(ledger: Ledger, device: str) -> bool:
    enrolled = ledger.members.get(device)
    if enrolled is None or device in ledger.nodes:
        return enrolled is not None
    voucher = ledger.vouchers.get(enrolled.member.voucher)
    return voucher is not None and not voucher.approve


def _place(status: ReplicaStatus) -> ReplicaPlace:
    return ReplicaPlace(
        slot=status.slot,
        deployment=status.deployment,
        workload=status.workload,
        version=status.version,
        term=status.term,
    )
