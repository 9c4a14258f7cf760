"""When a replica may leave its node, and when it may not leave yet.

- A slot leaves a node only for a cause the operator signed: it is no longer asked for,
  a newer version, other labels or sites, drained, revoked. The node would not give it
  up for anything else, so moving it would make two.
- A drained node keeps an ``available`` replica until the new holder reports its own
  healthy: draining is no outage. Everything else moves at once, because two copies may
  be worse than none.
"""

from collections.abc import Mapping

from edge.documents import Deployment
from edge.model import ReplicaPlace, Workload
from edge.names import FACT_PREFIX, Slot
from edge.placement import eligible
from hub.fleet import Standing

Asked = tuple[Deployment, Workload]


def workload_of(deployments: Mapping[str, Deployment], slot: Slot) -> Asked | None:
    """Return what a slot belongs to, None when it is asked for no longer."""
    owner, _, replica = slot.partition("/")
    deployment = deployments.get(owner)
    name, _, index = replica.partition("@")[0].partition(".")
    for workload in deployment.workloads if deployment else ():
        if workload.name == name and int(index or 0) <= workload.replicas:
            return (deployment, workload) if deployment else None
    return None


def has_cause(asked: Asked | None, place: ReplicaPlace, node: Standing | None) -> bool:
    """Return whether ``place`` may leave ``node``."""
    if node is None or node.is_revoked or node.scheduling == "drained":
        return True
    if asked is None:
        return True
    deployment, workload = asked
    if deployment.version > place.version or bool(workload.every) != (
        "@" in place.slot
    ):
        return True
    labels = {**_unknown_facts(workload, node), **node.all_labels}
    return eligible(workload, site=node.site, labels=labels) is not None


def is_kept(
    asked: Asked | None,
    place: ReplicaPlace,
    node: Standing | None,
    taker: Standing | None,
) -> bool:
    """Return whether a drained ``node`` holds on until ``taker`` is healthy."""
    if node is None or node.is_revoked or node.scheduling != "drained":
        return False
    if asked is None or "@" in place.slot:
        return False
    deployment, workload = asked
    if workload.failover != "available" or deployment.version != place.version:
        return False
    return taker is None or not _is_healthy(taker, place)


def _unknown_facts(workload: Workload, node: Standing) -> dict[str, str]:
    """Return facts taken for granted: not having heard of them is no cause."""
    if node.facts_labels:
        return {}
    return {
        key: value
        for key, value in workload.require.items()
        if key.startswith(FACT_PREFIX)
    }


def _is_healthy(taker: Standing, place: ReplicaPlace) -> bool:
    if taker.heard is None or not taker.is_reporting:
        return False
    return any(
        each.slot == place.slot and each.version >= place.version and each.healthy
        for each in taker.heard.report.replicas
    )
