"""This node's share: which replicas it runs, by the operator's word and the hub's.

Rules (DESIGN §4):

- The operator says what may run, the hub says where; only both together start one.
- A place outside what the operator signed (labels, sites, replica count, revision) is
  refused and changes nothing.
- A replica is given up only for a cause the operator signed: a newer deployment, a
  tombstone, this node drained or relabelled, this device revoked. An assignment that
  merely forgets one is refused for that replica: the hub cannot take away.
- Which version of a deployment may run is `node.versions`.
- A device whose voucher waits for approval runs nothing before its node document.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from edge import placement
from edge.documents import Assignment, Deployment, Scheduling
from edge.model import ReplicaPlace, Workload
from edge.names import SLOT, SiteName
from edge.trust import Refused
from node import versions
from node.versions import Revisions, Staging

Places = Mapping[str, ReplicaPlace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Whose the slots that move are, as the site has settled it (`node.failover`)."""

    ours: Mapping[str, int] = field(default_factory=dict)
    """Slots of this device, with their terms."""
    others: frozenset[str] = frozenset()
    """Slots of other devices."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """The version each slot had where it ran before, as far as this device knows."""

    @property
    def slots(self) -> frozenset[str]:
        """Return all of them."""
        return self.others | self.ours.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What operators said of this device; ``labels`` include its own facts."""

    name: str
    site: str
    labels: Mapping[str, str]
    scheduling: Scheduling = "active"
    is_ready: bool = True
    is_revoked: bool = False
    settled: Settled = field(default_factory=Settled)
    staging: Staging = field(default_factory=Staging)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What to run from now on, and what was refused on the way."""

    places: Places
    refused: tuple[Refused, ...] = ()
    later: Places = field(default_factory=dict)
    """What these slots change to as soon as its window is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Law:
    """What was signed, and whom it is applied to."""

    deployments: Mapping[str, Deployment]
    """The newest of each, by name."""
    standing: Standing
    revisions: Revisions

    def signed(self, place: ReplicaPlace) -> Deployment | None:
        """Return the document of a place's very version, None if it is not held."""
        newest = self.deployments.get(place.deployment)
        if newest is not None and newest.version == place.version:
            return newest
        return self.revisions.get((place.deployment, place.version))


def share(
    held: Places,
    assignment: Assignment | None,
    deployments: Mapping[str, Deployment],
    standing: Standing,
    revisions: Revisions = MappingProxyType({}),
) -> Share:
    """Return the new share; ``deployments`` holds the newest of each, by name.

    That an assignment knows less than the site has settled is no attempt to take
    something away.
    """
    if standing.is_revoked or not standing.is_ready:
        return Share(places={})
    law = _Law(deployments=deployments, standing=standing, revisions=revisions)
    lasting = _kept(held, law)
    if assignment is None:
        return Share(places=lasting)
    offered = {place.slot: place for place in assignment.replicas}
    taken = _taken(lasting, offered, law)
    kept = {
        slot: place
        for slot, place in lasting.items()
        if slot not in offered and not _has_cause(place, law)
    }
    refused = tuple(
        _takes_away(place)
        for slot, place in kept.items()
        if slot not in standing.settled.slots
    )
    return Share(
        places={**kept, **taken.places},
        refused=(*taken.refused, *refused),
        later=taken.later,
    )


def moved(
    share: Share,
    before: Places,
    deployments: Mapping[str, Deployment],
    standing: Standing,
    revisions: Revisions = MappingProxyType({}),
) -> Share:
    """Return the share after failover had its word on the slots that move.

    What is taken over is held to the operator's limits like everything else. A slot
    that was here and that the share has dropped had a cause to go: it stays away.
    """
    settled = standing.settled
    law = _Law(deployments=deployments, standing=standing, revisions=revisions)
    places = {
        slot: each for slot, each in share.places.items() if slot not in settled.others
    }
    refused = list(share.refused)
    for slot, term in sorted(settled.ours.items()):
        if slot in places:
            places[slot] = msgspec.structs.replace(places[slot], term=term)
        elif slot not in before:
            place = _taken_over(slot, term, law)
            problem = _beyond(place, law)
            if problem is None:
                places[slot] = place
            else:
                refused.append(problem)
    later = {slot: each for slot, each in share.later.items() if slot in places}
    return Share(places=places, refused=tuple(refused), later=later)


def taken_over(
    slots: Iterable[str],
    deployments: Mapping[str, Deployment],
    standing: Standing,
    revisions: Revisions = MappingProxyType({}),
) -> tuple[ReplicaPlace, ...]:
    """Return these slots of others as places in which they would be taken over."""
    law = _Law(deployments=deployments, standing=standing, revisions=revisions)
    return tuple(_taken_over(slot, 0, law) for slot in slots)


def is_within(
    place: ReplicaPlace,
    deployments: Mapping[str, Deployment],
    standing: Standing,
    revisions: Revisions,
) -> bool:
    """Return whether the document of its very version is here and allows a place."""
    law = _Law(deployments=deployments, standing=standing, revisions=revisions)
    return _beyond(place, law) is None


def _taken_over(slot: str, term: int, law: _Law) -> ReplicaPlace:
    name, _, replica = slot.partition("/")
    newest, standing = law.deployments.get(name), law.standing
    version = 0
    if newest is not None:
        had = standing.settled.versions.get(slot, 0)
        version = versions.taken_up(
            newest, had, law.revisions, standing.staging, standing.name
        )
    return ReplicaPlace(
        slot=slot,
        deployment=name,
        workload=replica.partition(".")[0],
        version=version,
        term=term,
    )


def workload_of(place: ReplicaPlace, deployment: Deployment) -> Workload | None:
    """Return the workload a place means."""
    for workload in deployment.workloads:
        if workload.name == place.workload:
            return workload
    return None


def _taken(lasting: Places, offered: Places, law: _Law) -> Share:
    """Return the offered places that are within limits; a refused one stays as held."""
    taken: dict[str, ReplicaPlace] = {}
    later: dict[str, ReplicaPlace] = {}
    refused: list[Refused] = []
    for slot, place in sorted(offered.items()):
        held = lasting.get(slot)
        ruling = _ruling(place, held, law)
        if isinstance(ruling, Refused):
            refused.append(ruling)
        elif ruling.is_later:
            later[slot] = place
        else:
            taken[slot] = place
        if held is not None:
            taken.setdefault(slot, held)
    return Share(places=taken, refused=tuple(refused), later=later)


def _ruling(
    place: ReplicaPlace, held: ReplicaPlace | None, law: _Law
) -> Refused | versions.Ruling:
    """Return whether the hub may put a version into a slot."""
    newest, standing = law.deployments.get(place.deployment), law.standing
    if newest is None:
        return _limit(place, f"no operator's deployment {place.deployment!r} is held")
    ruling = versions.rule(place, held, newest, standing.staging, standing.name)
    if ruling.problem:
        return _limit(place, ruling.problem)
    if held is not None and held.version == place.version and not law.signed(place):
        return ruling  # its document was lost: what runs is let be
    return _beyond(place, law) or ruling


def _beyond(place: ReplicaPlace, law: _Law) -> Refused | None:
    """Return how a place goes beyond what the operator signed for its version."""
    signed = law.signed(place)
    if signed is None:
        about = f"revision {place.version} of deployment {place.deployment!r}"
        return _limit(place, f"no operator's {about} is held")
    workload = workload_of(place, signed)
    if workload is None:
        return _limit(place, f"the deployment has no workload {place.workload!r}")
    problem_with_slot = _slot_problem(place, workload, law.standing)
    if problem_with_slot:
        return _limit(place, problem_with_slot)
    return _unsuitable(place, workload, law.standing)


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
    if workload.every:
        return "the operator signed one for every device"
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


def _kept(held: Places, law: _Law) -> dict[str, ReplicaPlace]:
    """Return the replicas that nothing the operator signed ends by itself."""
    return {
        slot: place
        for slot, place in sorted(held.items())
        if place.deployment in law.deployments  # no tombstone
        and _is_within(place, law)
    }


def _is_within(place: ReplicaPlace, law: _Law) -> bool:
    """Return whether a replica that runs is still within what was signed for it.

    One of an older revision stays until the hub says where the newer one goes, but
    only inside its own limits: relabelling a node does not wait for the hub.
    """
    return law.signed(place) is None or _beyond(place, law) is None


def _has_cause(place: ReplicaPlace, law: _Law) -> bool:
    """Return whether the hub may move this replica away."""
    newest = law.deployments[place.deployment]
    is_old = newest.version > place.version
    is_drained = law.standing.scheduling == "drained"
    return is_old or is_drained or _is_undone(place, newest, law)


def _is_undone(place: ReplicaPlace, newest: Deployment, law: _Law) -> bool:
    """Return whether the version before, to which all go back, has no such slot here.

    It may ask for other sites or labels, too: then the slot goes where those are.
    """
    back = msgspec.structs.replace(place, version=newest.fallback)
    signed = law.signed(back) if newest.fallback else None
    if signed is None or not law.standing.staging.has_failed(newest):
        return False
    workload = workload_of(back, signed)
    if workload is None or _slot_problem(back, workload, law.standing):
        return True
    return _unsuitable(back, workload, law.standing) is not None


def _limit(place: ReplicaPlace, problem: str) -> Refused:
    sentence = f"cannot run {place.slot} as assigned: {problem}"
    return Refused(reason="out-of-limits", problem=sentence, kind="assignment")


def _takes_away(place: ReplicaPlace) -> Refused:
    sentence = f"cannot give up {place.slot}: the hub's assignment names no cause"
    return Refused(reason="takes-away", problem=sentence, kind="assignment")
