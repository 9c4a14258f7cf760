"""The fleet as placement sees it, from signed words and the hub's figures.

Site, labels, scheduling and what is sealed come from documents this machine judged;
memory, ports, presence and where replicas are come from the hub, which may be wrong
about them and then is surprised by its own devices, not trusted by them.
"""

from collections.abc import Iterable, Mapping

from edge import placement
from edge.ctl import approval
from edge.ctl.shapes import NodeRow, ReplicaRow
from edge.documents import Deployment
from edge.model import Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import Held, NodeView
from edge.trust import Ledger


def nodes(rows: Iterable[NodeRow], ledger: Ledger) -> tuple[NodeView, ...]:
    """Return the devices of the fleet that were not revoked, by name."""
    known = {device.name: device for device in approval.devices(ledger)}
    views = (
        _view(row, known.get(row.name), ledger)
        for row in rows
        if row.state != "revoked"
    )
    return tuple(sorted(views, key=lambda view: view.name))


def current(
    rows: Iterable[ReplicaRow], deployments: Iterable[Deployment]
) -> dict[Slot, Held]:
    """Return where slots are, as placement takes it."""
    places = {
        Slot(row.slot): NodeName(row.node) for row in rows if row.node and row.wanted
    }
    return placement.held(deployments, places)


def places(rows: Iterable[ReplicaRow], deployment: str) -> Mapping[Slot, NodeName]:
    """Return where the slots of one deployment are or are about to be."""
    return {
        Slot(row.slot): NodeName(row.node)
        for row in rows
        if row.deployment == deployment and row.node and row.wanted
    }


def running(
    rows: Iterable[ReplicaRow], versions: Iterable[Deployment]
) -> Mapping[Slot, Workload]:
    """Return what slots run that are at one of these versions of a deployment."""
    known = {
        (each.name, each.version, workload.name): workload
        for each in versions
        for workload in each.workloads
    }
    found = (
        (row.slot, known.get((row.deployment, row.revision, row.workload)))
        for row in rows
    )
    return {Slot(slot): workload for slot, workload in found if workload is not None}


def disks(rows: Iterable[NodeRow]) -> Mapping[NodeName, int]:
    """Return the bytes free where images go, of devices that said so."""
    return {
        NodeName(row.name): row.facts.disk
        for row in rows
        if row.facts is not None and row.facts.disk
    }


def _view(row: NodeRow, device: approval.Device | None, ledger: Ledger) -> NodeView:
    node = device.node if device else None
    labels = dict(device.labels if device else row.labels)
    facts = row.facts
    if facts is not None:
        labels |= placement.facts_labels(facts)
    return NodeView(
        name=NodeName(row.name),
        site=SiteName(device.site if device else row.site),
        labels=labels,
        scheduling=node.scheduling if node else "active",
        ready=row.approved,
        reporting=row.reporting,
        architecture=facts.architecture if facts else "",
        memory=facts.memory if facts else 0,
        cpus=facts.cpus if facts else 0,
        devices=facts.devices if facts else (),
        ports=facts.ports if facts else (),
        sealed=_sealed(row, ledger),
    )


def _sealed(row: NodeRow, ledger: Ledger) -> frozenset[str]:
    """Return the secrets sealed to a device, by the documents, or by the hub's word."""
    seen = (name for name, held in ledger.secrets.items() if row.id in held)
    return frozenset((*seen, *row.sealed))
