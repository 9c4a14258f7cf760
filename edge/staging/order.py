"""Start-first or stop-first: whether a new container may run beside the old one.

Start-first serves without a gap and keeps the old one running until the new one is
healthy. Two copies must not be in each other's way, so it is stop-first where they
would share what only one can have. The same on a device and in the operator's plan.
A blue-green rollout has both for longer, so its new version publishes other host ports:
`edgectl` sees to that when it signs.
"""

from edge.model import Workload
from edge.staging.shapes import Order, Rollout


def clash(workload: Workload, rollout: Rollout) -> str:
    """Return why the old container must stop first under these limits, "" if not."""
    if rollout.strategy == "blue-green":
        return never_beside(workload, rollout.order)
    return stops_first(workload, rollout.order)


def never_beside(workload: Workload, order: Order = "auto") -> str:
    """Return why two copies cannot run side by side, whatever ports they publish."""
    if workload.failover == "strict":
        return "strict work never runs twice"
    if order == "stop-first":
        return "the manifest says so"
    return "" if order == "start-first" else _shared(workload)


def stops_first(workload: Workload, order: Order = "auto") -> str:
    """Return why the old container must stop first, "" where the new one starts first.

    An operator who signed ``start-first`` vouches for volumes and devices, and for a
    program on the host's network; ports and ``strict`` leave nobody a choice.
    """
    is_held = workload.network == "bridge" and workload.ports
    if is_held and workload.failover != "strict":
        return f"host port {workload.ports[0].host} is held by the one that runs"
    return never_beside(workload, order)


def _shared(workload: Workload) -> str:
    if workload.network == "host":
        return "both would listen on the host's network"
    written = [each.source for each in workload.volumes if not each.read_only]
    if written:
        return f"both would write to volume {written[0]}"
    if workload.devices:
        return f"both would use {workload.devices[0]}"
    return ""
