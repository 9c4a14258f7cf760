"""Plans for tests: two versions of a deployment meet a fleet of devices by name."""

from typing import Any

from edge.ctl import impact
from edge.ctl import plan as plans
from edge.ctl.impact import Ground
from edge.ctl.plan import Plan
from edge.documents import Deployment
from edge.model import MIB, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import NodeView, Placement
from tests.support import builders as a


def version(number: int, *workloads: Workload, **changes: Any) -> Deployment:
    """Return a version of ``web``; without workloads the one of the builders."""
    made = workloads or (a.workload("web"),)
    return a.deployment("web", number, workloads=made, **changes)


def next_version(*workloads: Workload, **limits: Any) -> Deployment:
    """Return version 2 under the limits of a rollout, with version 1 as way back."""
    return version(2, *workloads, rollout=a.rollout(**limits), fallback=1)


def view(name: str, **changes: Any) -> NodeView:
    """Return a device with 1 GiB of memory."""
    parts: dict[str, Any] = {"architecture": "amd64", "memory": 1024 * MIB, "cpus": 4}
    site = SiteName("home")
    return NodeView(name=NodeName(name), site=site, **{**parts, **changes})


def ground(
    before: Deployment | None, after: Deployment, *nodes: NodeView, **changes: Any
) -> Ground:
    """Return what the versions meet."""
    named = {node.name: node for node in nodes}
    return Ground(before=before, after=after, nodes=named, **changes)


def planned(found: Ground, places: dict[str, str], where: dict[str, str]) -> Plan:
    """Return the plan; ``where`` is slot → device now, ``places`` afterwards."""
    placed = Placement(places=_named(places))
    made = plans.make(found.before, found.after, placed, _named(where))
    return impact.told(made, found)


def stays(found: Ground, count: int) -> Plan:
    """Return the plan for ``web.1`` on n1, ``web.2`` on n2 and so on, all in place."""
    places = {f"web/web.{number}": f"n{number}" for number in range(1, count + 1)}
    return planned(found, places, places)


def _named(places: dict[str, str]) -> dict[Slot, NodeName]:
    return {Slot(slot): NodeName(node) for slot, node in places.items()}
