"""How work leaves drained devices: what to expect of each replica, and what is left.

The hub and the devices do it (`hub.moves`, `node.failover`); this only tells of it.
"""

from collections.abc import Iterable, Mapping

from edge.ctl.shapes import ReplicaRow
from edge.documents import Deployment
from edge.model import Failover

WAYS: Mapping[Failover, str] = {
    "available": "stays until a copy elsewhere is healthy",
    "strict": "stops here before it starts elsewhere",
    "none": "ends here and starts where the hub finds a place",
}
EVERYWHERE = "ends here: there is one on each device that is not drained"


def expectations(
    rows: Iterable[ReplicaRow],
    names: frozenset[str],
    deployments: Mapping[str, Deployment],
) -> tuple[str, ...]:
    """Return a sentence for each replica on the devices that are drained."""
    return tuple(
        f"{row.deployment}/{row.replica} on {row.node} {_way(row, deployments)}"
        for row in rows
        if row.node in names and row.wanted
    )


def left(rows: Iterable[ReplicaRow], names: frozenset[str]) -> tuple[ReplicaRow, ...]:
    """Return what still is, or may be, on the devices; what is offline hears later."""
    return tuple(
        row
        for row in rows
        if row.node in names and (row.wanted or row.state != "unknown")
    )


def about(rows: Iterable[ReplicaRow], slots: Iterable[str]) -> tuple[ReplicaRow, ...]:
    """Return the rows of these slots, wherever they are: the copies to come as well."""
    wanted = set(slots)
    return tuple(row for row in rows if row.slot in wanted)


def _way(row: ReplicaRow, deployments: Mapping[str, Deployment]) -> str:
    if "@" in row.slot:
        return EVERYWHERE
    deployment = deployments.get(row.deployment)
    for workload in deployment.workloads if deployment else ():
        if workload.name == row.workload:
            return WAYS[workload.failover]
    return "ends here: its deployment is gone"
