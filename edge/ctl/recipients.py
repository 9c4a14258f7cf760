"""Who a secret is sealed to: devices that run a workload or would take it over.

Signed words decide, never what a device or the hub says alone: site and labels are the
operator's (its `node` document, or before there is one the voucher), and ``fact.``
labels count as absent, because a device could claim any. The hub's figures (memory,
ports, where replicas are) only choose among devices that are allowed anyway.

``every`` workloads: each matching device. ``replicas``: those placement chooses, then
``takers`` stand-ins in its order, those that hold the secret already first.
"""

from collections.abc import Iterable, Mapping

import msgspec

from edge import placement
from edge.documents import Deployment
from edge.model import Workload
from edge.names import FACT_PREFIX, NodeName, Slot
from edge.placement import Held, NodeView


class Sites(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet as far as sealing goes: devices that may hold secrets, and places."""

    nodes: tuple[NodeView, ...]
    """Verified devices only; labels are the operator's."""
    current: Mapping[Slot, Held]


def recipients(deployment: Deployment, name: str, sites: Sites) -> tuple[NodeName, ...]:
    """Return the devices that secret ``name`` (its short name) is sealed to, sorted."""
    found: set[NodeName] = set()
    for workload in deployment.workloads:
        if name in workload.secrets:
            found |= _of_workload(deployment, workload, name, sites)
    return tuple(sorted(found))


def obstacles(deployment: Deployment) -> tuple[str, ...]:
    """Return a sentence for each workload that no device can hold secrets for."""
    return tuple(
        f"{workload.name}: cannot hold secrets, because it asks for {key}; "
        "what a device says of itself selects no secrets, label the devices instead"
        for workload in deployment.workloads
        if workload.secrets
        for key in sorted(_facts(workload))
    )


def wanted(deployment: Deployment) -> tuple[str, ...]:
    """Return the short names of all secrets a deployment uses, sorted."""
    names = {name for workload in deployment.workloads for name in workload.secrets}
    return tuple(sorted(names))


def _of_workload(
    deployment: Deployment, workload: Workload, name: str, sites: Sites
) -> set[NodeName]:
    secret = f"{deployment.name}/{name}"
    holders = {node.name for node in sites.nodes if secret in node.sealed}
    open_to_all = tuple(_sealed(node, deployment) for node in sites.nodes)
    if workload.every:
        return {
            node.name
            for node in open_to_all
            if not placement.eligible(workload, site=node.site, labels=node.labels)
        }
    places = set(_places(deployment, workload, open_to_all, sites.current))
    rest = [node for node in open_to_all if node.name not in places]
    known = [node for node in rest if node.name in holders]
    stand_ins = _chosen(deployment, workload, known, workload.takers)
    fresh = [node for node in rest if node.name not in stand_ins]
    missing = workload.takers - len(stand_ins)
    return places | stand_ins | _chosen(deployment, workload, fresh, missing)


def _places(
    deployment: Deployment,
    workload: Workload,
    nodes: Iterable[NodeView],
    current: Mapping[Slot, Held],
) -> Iterable[NodeName]:
    """Return where placement puts the workload, beside all others."""
    found = placement.assign([deployment], nodes, current)
    prefix = f"{deployment.name}/{workload.name}."
    return [name for slot, name in found.places.items() if slot.startswith(prefix)]


def _chosen(
    deployment: Deployment, workload: Workload, nodes: list[NodeView], count: int
) -> set[NodeName]:
    """Return up to ``count`` devices in placement's order, each once.

    Ports and memory in use are not looked at: a stand-in is for another day.
    """
    chosen: set[NodeName] = set()
    one = msgspec.structs.replace(workload, replicas=1)
    asked = msgspec.structs.replace(deployment, workloads=(one,))
    for _ in range(count):
        rest = [node for node in nodes if node.name not in chosen]
        found = placement.assign([asked], rest, {})
        if not found.places:
            break
        chosen |= set(found.places.values())
    return chosen


def _sealed(node: NodeView, deployment: Deployment) -> NodeView:
    """Return the device as if it had the secrets: they are about to be sealed."""
    secrets = {f"{deployment.name}/{name}" for name in wanted(deployment)}
    labels = {
        key: value
        for key, value in node.labels.items()
        if not key.startswith(FACT_PREFIX)
    }
    return msgspec.structs.replace(
        node, sealed=node.sealed | secrets, labels=labels, ready=True
    )


def _facts(workload: Workload) -> set[str]:
    every = workload.every.partition("=")[0]
    keys = {*workload.require, every}
    return {key for key in keys if key.startswith(FACT_PREFIX)}
