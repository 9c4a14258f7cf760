"""This node's share: which replicas it runs, by the operator's word and the hub's.

Rules (DESIGN §4):

- The operator says what may run, the hub says where; only both together start one.
- A place outside what the operator signed (labels, sites, replica count, revision) is
  refused and changes nothing.
- A replica is given up only for a cause the operator signed: a newer deployment, a
  tombstone, this node drained or relabelled, this device revoked. An assignment that
  merely forgets one is refused for that replica: the hub cannot take away.
- A device whose voucher waits for approval runs nothing before its node document.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge import placement
from edge.documents import Assignment, Deployment, Scheduling
from edge.model import ReplicaPlace, Workload
from edge.names import SLOT, SiteName
from edge.trust import Refused

Places = Mapping[str, ReplicaPlace]
Revisions = Mapping[tuple[str, int], Deployment]
"""Signed deployments by name and version: those that still run, and the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What operators said of this device; ``labels`` include its own facts."""

    name: str
    site: str
    labels: Mapping[str, str]
    scheduling: Scheduling = "active"
    is_ready: bool = True
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What to run from now on, and what was refused on the way."""

    places: Places
    refused: tuple[Refused, ...] = ()


def share(
    held: Places,
    assignment: Assignment | None,
    deployments: Mapping[str, Deployment],
    standing: Standing,
    revisions: Revisions = MappingProxyType({}),
) -> Share:
    """Return the new share; ``deployments`` holds the newest of each, by name."""
    if standing.is_revoked or not standing.is_ready:
        return Share(places={})
    if assignment is None:
        return Share(places=_kept(held, deployments, standing, revisions))
    offered = {place.slot: place for place in assignment.replicas}
    lasting = _kept(held, deployments, standing, revisions)
    taken, refused = _taken(lasting, offered, deployments, standing)
    kept = {
        slot: place
        for slot, place in lasting.items()
        if slot not in offered and not _has_cause(place, deployments, standing)
    }
    refused += tuple(_takes_away(place) for place in kept.values())
    return Share(places={**kept, **taken}, refused=refused)


def workload_of(place: ReplicaPlace, deployment: Deployment) -> Workload | None:
    """Return the workload a place means."""
    for workload in deployment.workloads:
        if workload.name == place.workload:
            return workload
    return None


def _taken(
    lasting: Places,
    offered: Places,
    deployments: Mapping[str, Deployment],
    standing: Standing,
) -> tuple[dict[str, ReplicaPlace], tuple[Refused, ...]]:
    """Return the offered places that are within limits; a refused one stays as held."""
    taken: dict[str, ReplicaPlace] = {}
    refused: list[Refused] = []
    for slot, place in sorted(offered.items()):
        problem = _beyond(place, deployments.get(place.deployment), standing)
        if problem is None:
            taken[slot] = place
            continue
        refused.append(problem)
        if slot in lasting:
            taken[slot] = lasting[slot]
    return taken, tuple(refused)


def _beyond(
    place: ReplicaPlace, deployment: Deployment | None, standing: Standing
) -> Refused | None:
    """Return how a place goes beyond what the operator signed."""
    if deployment is None:
        return _limit(place, f"no operator's deployment {place.deployment!r} is held")
    if place.version != deployment.version:
        problem = f"revision {place.version} of it, {deployment.version} is held"
        return _limit(place, problem)
    workload = workload_of(place, deployment)
    if workload is None:
        return _limit(place, f"the deployment has no workload {place.workload!r}")
    problem_with_slot = _slot_problem(place, workload, standing)
    if problem_with_slot:
        return _limit(place, problem_with_slot)
    return _unsuitable(place, workload, standing)


def _slot_problem(place: ReplicaPlace, workload: Workload, standing: Standing) -> str:
    match = SLOT.fullmatch(place.slot)
    if match is None or (match["deployment"], match["workload"]) != (
        place.deployment,
        place.workload,
    ):
        return "the slot is another workload's"
    if match["node"] is not None:
        owns = workload.every and match["node"] == standing.name
        return "" if owns else "the slot is another node's"
    if int(match["index"]) > workload.replicas:
        return f"the operator signed {workload.replicas} replicas"
    return ""


def _unsuitable(
    place: ReplicaPlace, workload: Workload, standing: Standing
) -> Refused | None:
    problem = placement.eligible(
        workload, site=SiteName(standing.site), labels=dict(standing.labels)
    )
    return _limit(place, problem) if problem else None


def _kept(
    held: Places,
    deployments: Mapping[str, Deployment],
    standing: Standing,
    revisions: Revisions,
) -> dict[str, ReplicaPlace]:
    """Return the replicas that nothing the operator signed ends by itself."""
    return {
        slot: place
        for slot, place in sorted(held.items())
        if place.deployment in deployments  # no tombstone
        and _is_within(place, deployments[place.deployment], standing, revisions)
    }


def _is_within(
    place: ReplicaPlace, newest: Deployment, standing: Standing, revisions: Revisions
) -> bool:
    """Return whether a replica that runs is still within what was signed for it.

    One of an older revision stays until the hub says where the newer one goes, but
    only inside its own limits: relabelling a node does not wait for the hub.
    """
    is_newest = newest.version == place.version
    own = revisions.get((place.deployment, place.version))
    signed = newest if is_newest else own
    return signed is None or _beyond(place, signed, standing) is None


def _has_cause(
    place: ReplicaPlace, deployments: Mapping[str, Deployment], standing: Standing
) -> bool:
    """Return whether the hub may move this replica away."""
    newest = deployments[place.deployment].version
    return newest > place.version or standing.scheduling == "drained"


def _limit(place: ReplicaPlace, problem: str) -> Refused:
    sentence = f"cannot run {place.slot} as assigned: {problem}"
    return Refused(reason="out-of-limits", problem=sentence, kind="assignment")


def _takes_away(place: ReplicaPlace) -> Refused:
    sentence = f"cannot give up {place.slot}: the hub's assignment names no cause"
    return Refused(reason="takes-away", problem=sentence, kind="assignment")
