"""All rollouts under way, between placing and assigning.

- While a rollout is on its way, places follow its newest version, and what only the
  version before asked for stays. Once it went back, that one is what places follow.
- A deployment without a rollout, or without a version to go back to, is not staged.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from edge.documents import Assignment, Control, Deployment, Report
from edge.names import NodeName, Slot
from hub import rollout, units
from hub.lineage import Lineage
from hub.moves import Ground
from hub.stage import Fleet, Memory, Stage
from hub.units import Scene, Terms

FINAL = frozenset({"done", "failed", "aborted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The memory of one version's rollout, as the database keeps it."""

    version: int
    memory: Memory


Memories = Mapping[str, Kept]
"""By deployment: only the newest version's counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A rollout at its last step."""

    terms: Terms
    fleet: Fleet
    stage: Stage
    kept: Mapping[Slot, int] = field(default_factory=dict)
    """Slots that are no units of it, and the version they keep."""

    @property
    def is_under_way(self) -> bool:
        """Return whether reports decide how it goes on."""
        memory = self.stage.memory
        return memory.phase not in FINAL or bool(memory.changing)

    @property
    def aim(self) -> int:
        """Return the version that everything ends at, as things are."""
        is_back = self.stage.memory.is_back
        return self.fleet.fallback if is_back else self.fleet.version

    @property
    def versions(self) -> dict[Slot, int]:
        """Return the version of each slot."""
        staged = {Slot(slot): each for slot, each in self.stage.versions.items()}
        return {**self.kept, **staged}


def terms(
    deployments: Mapping[str, Deployment],
    lineage: Lineage,
    controls: Mapping[str, Control],
    aborted: Mapping[str, int],
) -> dict[str, Terms]:
    """Return the deployments that are staged, with what was signed around them."""
    return {
        name: Terms(
            newest=newest,
            rollout=newest.rollout,
            before=lineage.deployment(name, newest.fallback),
            control=controls.get(name),
            aborted=aborted.get(name, 0),
        )
        for name, newest in sorted(deployments.items())
        if newest.rollout is not None and newest.fallback
    }


def ground(
    deployments: Mapping[str, Deployment], staged: Mapping[str, Terms], held: Memories
) -> Ground:
    """Return what places follow, by what is remembered."""
    followed, before = dict(deployments), {}
    for name, each in staged.items():
        memory = _memory(held, name, each.newest.version)
        if each.before is None:
            continue
        if memory is not None and memory.is_back:
            followed[name] = each.before
        elif memory is None or memory.verdict != "done":
            before[name] = each.before
    return Ground(deployments=followed, before=before, staged=frozenset(staged))


def step(
    staged: Mapping[str, Terms],
    held: Memories,
    scene: Scene,
    places: Mapping[Slot, NodeName],
    now: float,
) -> dict[str, Course]:
    """Return every rollout one step further, by deployment."""
    by_owner: dict[str, dict[Slot, NodeName]] = {name: {} for name in staged}
    for slot, node in places.items():
        owned = by_owner.get(slot.partition("/")[0])
        if owned is not None:
            owned[slot] = node
    courses: dict[str, Course] = {}
    for name, each in staged.items():
        folded = units.fold(each, scene, by_owner[name])
        memory = _memory(held, name, each.newest.version)
        stage = rollout.step(each.rollout, memory, folded.fleet, now)
        courses[name] = Course(
            terms=each, fleet=folded.fleet, stage=stage, kept=folded.kept
        )
    return courses


def memories(courses: Mapping[str, Course]) -> dict[str, Kept]:
    """Return what has to be remembered of rollouts."""
    return {
        name: Kept(version=each.fleet.version, memory=each.stage.memory)
        for name, each in courses.items()
    }


def versions(courses: Iterable[Course]) -> dict[Slot, int]:
    """Return the version of every slot under a rollout."""
    return {slot: each for course in courses for slot, each in course.versions.items()}


def is_news(
    courses: Mapping[str, Course], before: Report | None, after: Report
) -> bool:
    """Return whether a report says anything new to a rollout under way.

    Ten thousand devices report all the time; few of these reports decide anything.
    """
    moving = {name for name, each in courses.items() if each.is_under_way}
    if not moving:
        return False
    return _told(moving, after) != (_told(moving, before) if before else set())


def concerns(courses: Mapping[str, Course], assigned: Assignment | None) -> bool:
    """Return whether a device runs something of a rollout under way."""
    places = assigned.replicas if assigned else ()
    found = (courses.get(each.deployment) for each in places)
    return any(each is not None and each.is_under_way for each in found)


def is_behind(courses: Mapping[str, Course], assigned: Assignment | None) -> bool:
    """Return whether a device has to change still, though the rollout is over."""
    for place in assigned.replicas if assigned else ():
        course = courses.get(place.deployment)
        if course is not None and place.version != course.aim:
            return True
    return False


def lagging(courses: Iterable[Course]) -> list[str]:
    """Return the devices that are to run another version than they report."""
    return sorted(
        {
            unit.node
            for course in courses
            for unit in course.fleet.units
            if course.stage.versions.get(unit.slot) not in {unit.has, 0}
        }
    )


def wake_at(courses: Iterable[Course]) -> float | None:
    """Return when to look again though nothing is reported."""
    times = [each.stage.wake_at for each in courses]
    return min((each for each in times if each is not None), default=None)


def _told(names: Collection[str], report: Report) -> set[tuple[object, ...]]:
    """Return what a report says of these deployments that may decide something."""
    replicas = [each for each in report.replicas if each.deployment in names]
    failures = {
        (each.slot, each.version)
        for each in report.failures
        if each.deployment in names
    }
    return units.told(replicas) | failures


def _memory(held: Memories, name: str, version: int) -> Memory | None:
    kept = held.get(name)
    return kept.memory if kept and kept.version == version else None
