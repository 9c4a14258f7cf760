"""When a replica may leave its node, and when it may not leave yet.

- A slot leaves a node only for a cause the operator signed: it is no longer asked for,
  a newer version, other labels or sites, drained, revoked. The node would not give it
  up for anything else, so moving it would make two. Under a rollout a newer version
  alone is none: what serves stays where it is.
- A drained node keeps an ``available`` replica until the new holder reports its own
  healthy: draining is no outage. Everything else moves at once, because two copies may
  be worse than none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.documents import Deployment
from edge.model import ReplicaPlace, Workload
from edge.names import FACT_PREFIX, Slot
from edge.placement import eligible
from hub.fleet import Standing

Asked = tuple[Deployment, Workload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is asked for: deployments, and what else counts while they are staged."""

    deployments: Mapping[str, Deployment]
    """What places follow: the newest of each, or the one that its rollout went back
    to."""
    before: Mapping[str, Deployment] = field(default_factory=dict)
    """What staged ones come from, until they are there."""
    staged: frozenset[str] = frozenset()
    """Deployments under a rollout."""

    def asked(self, slot: Slot) -> Asked | None:
        """Return what a slot belongs to, None when it is asked for no longer."""
        newest = workload_of(self.deployments, slot)
        return newest or workload_of(self.before, slot)


def workload_of(deployments: Mapping[str, Deployment], slot: Slot) -> Asked | None:
    """Return what a slot belongs to, None when it is asked for no longer."""
    owner, _, replica = slot.partition("/")
    deployment = deployments.get(owner)
    name, _, index = replica.partition("@")[0].partition(".")
    for workload in deployment.workloads if deployment else ():
        # Numbered slots are none of a workload of every device, and the reverse.
        is_same = workload.name == name and bool(workload.every) == ("@" in replica)
        if is_same and int(index or 0) <= workload.replicas:
            return (deployment, workload) if deployment else None
    return None


def can_move(workload: Workload, slot: str) -> bool:
    """Return whether a slot may change hands without the hub."""
    return workload.failover != "none" and "@" not in slot


def has_cause(
    asked: Asked | None,
    place: ReplicaPlace,
    node: Standing | None,
    *,
    is_staged: bool = False,
) -> bool:
    """Return whether ``place`` may leave ``node``; ``is_staged``: under a rollout."""
    if node is None or must_leave(node) or asked is None:
        return True
    deployment, workload = asked
    is_older = deployment.version > place.version and not is_staged
    if is_older or bool(workload.every) != ("@" in place.slot):
        return True
    return not fits(workload, node)


def must_leave(node: Standing) -> bool:
    """Return whether nothing may stay on a node: the operator said so."""
    return node.is_revoked or node.scheduling == "drained"


def fits(workload: Workload, node: Standing) -> bool:
    """Return whether the operator allows a workload on a node, as far as is known."""
    labels = {**_unknown_facts(workload, node), **node.all_labels}
    return eligible(workload, site=node.site, labels=labels) is None


def is_kept(
    asked: Asked | None,
    place: ReplicaPlace,
    node: Standing | None,
    taker: Standing | None,
    *,
    is_staged: bool = False,
) -> bool:
    """Return whether a drained ``node`` holds on until ``taker`` is healthy.

    ``asked`` is in the version that the taker gets. Under a rollout that may be another
    than here, older or newer, and what serves stays all the same.
    """
    if node is None or node.is_revoked or node.scheduling != "drained":
        return False
    if asked is None or "@" in place.slot:
        return False
    deployment, workload = asked
    is_same = deployment.version == place.version
    if workload.failover != "available" or not (is_same or is_staged):
        return False
    return taker is None or not _is_healthy(taker, place.slot, deployment.version)


def _unknown_facts(workload: Workload, node: Standing) -> dict[str, str]:
    """Return facts taken for granted: not having heard of them is no cause."""
    if node.facts_labels:
        return {}
    return {
        key: value
        for key, value in workload.require.items()
        if key.startswith(FACT_PREFIX)
    }


def _is_healthy(taker: Standing, slot: str, version: int) -> bool:
    if taker.heard is None or not taker.is_reporting:
        return False
    return any(
        each.slot == slot and each.version >= version and each.healthy
        for each in taker.heard.report.replicas
    )
