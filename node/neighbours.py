"""What the ledger and the site plan say of this site, as mesh and placement need it.

The hub's plan names who is there and where; who they are and what they may run is the
operators' and the devices' own word, from documents this device judged itself.
"""

from collections.abc import Iterable, Mapping

import msgspec

from edge.documents import Plan, SiteMember
from edge.model import Workload
from edge.names import SLOT, NodeName, SiteName, Slot
from edge.placement import NodeView, facts_labels
from edge.trust import Ledger
from netmesh.view import Roster, RosterEntry
from node.succession import Movable


def members(ledger: Ledger, plan: Plan | None) -> tuple[SiteMember, ...]:
    """Return the plan's devices that are members by their own chain, not revoked."""
    found = plan.members if plan else ()
    return tuple(
        each
        for each in found
        if each.device in ledger.members and not ledger.is_revoked(each.device)
    )


def roster(ledger: Ledger, plan: Plan | None, site: str, port: int) -> Roster:
    """Return who belongs to the mesh of a site; ``port`` is everybody's UDP port."""
    found: dict[str, RosterEntry] = {}
    for each in members(ledger, plan):
        member = ledger.members[each.device].member
        found[each.device] = RosterEntry(
            device=each.device,
            name=member.name,
            mesh=member.keys.mesh,
            sign=member.keys.sign,
            addresses=((each.address, port),) if each.address else (),
        )
    return Roster(site=site, members=dict(sorted(found.items())))


def nodes(ledger: Ledger, plan: Plan | None) -> dict[str, NodeView]:
    """Return the site's devices as placement sees them, by device id."""
    return {each.device: _view(ledger, each) for each in members(ledger, plan)}


def movable(ledger: Ledger, slots: Iterable[str]) -> dict[Slot, Movable]:
    """Return what is in each of these slots, for those that may move."""
    found: dict[Slot, Movable] = {}
    for slot in sorted(set(slots)):
        match = SLOT.fullmatch(slot)
        if match is None or match["index"] is None:
            continue
        deployment = ledger.deployments.get(match["deployment"])
        for workload in deployment.workloads if deployment else ():
            is_it = workload.name == match["workload"]
            if deployment and is_it and _moves(workload, int(match["index"])):
                found[Slot(slot)] = Movable(
                    slot=Slot(slot),
                    deployment=deployment.name,
                    version=deployment.version,
                    workload=workload,
                )
    return found


def planned(plan: Plan | None) -> Mapping[Slot, tuple[str, int]]:
    """Return who holds each slot by the hub's plan, and in which term."""
    slots = plan.slots if plan else ()
    return {Slot(each.slot): (each.device, each.term) for each in slots}


def versions(plan: Plan | None) -> Mapping[Slot, int]:
    """Return the revision of each slot by the hub's plan."""
    slots = plan.slots if plan else ()
    return {Slot(each.slot): each.version for each in slots}


def _moves(workload: Workload, index: int) -> bool:
    return workload.failover != "none" and index <= workload.replicas


def _view(ledger: Ledger, member: SiteMember) -> NodeView:
    node = ledger.nodes.get(member.device)
    enrolled = ledger.members[member.device].member
    voucher = ledger.vouchers.get(enrolled.voucher)
    labels = node.labels if node else (voucher.labels if voucher else {})
    site = node.site if node else (voucher.site if voucher else "")
    view = NodeView(
        name=NodeName(member.name),
        site=SiteName(site),
        labels=dict(labels),
        scheduling=node.scheduling if node else "active",
        ready=node is not None or not (voucher and voucher.approve),
        sealed=frozenset(member.sealed),
    )
    if member.facts is None:
        return view
    return msgspec.structs.replace(
        view,
        labels={**labels, **facts_labels(member.facts)},
        architecture=member.facts.architecture,
        memory=member.facts.memory - member.reserved,
        cpus=member.facts.cpus,
        devices=member.facts.devices,
        ports=member.facts.ports,
    )
