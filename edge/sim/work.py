"""What the daemon does to containers, with the paces of life and few of its details.

`node.reconcile` has its own laws and tests; here only what failover decides matters:
what is wanted is started when it may be, what is not is stopped, and a copy with
another revision, or of a ``strict`` replica another term, is replaced.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.model import ReplicaState, ReplicaStatus
from edge.sim.runtime import Containers, Interval, Job
from edge.sim.site import SimSite
from node import container_spec
from node.agent import Agent
from node.replica import Container, Replica
from node.trial import Look

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
GOOD_RUN = 60.0


@dataclass(slots=True, kw_only=True)
class Failures:
    """How the runs of a version in a slot ended lately."""

    count: int = 0
    again_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Work:
    """Implements `node.site.Running`, and does what the share says."""

    agent: Agent
    site: SimSite
    box: Containers
    later: Callable[[float, Callable[[], None]], None]
    """Do something after so many seconds, if this daemon still lives."""
    look: Callable[[], None]
    _failures: dict[tuple[str, int], Failures] = field(default_factory=dict)
    """By slot and version: a next version has not failed yet."""
    _seen: dict[str, Interval] = field(default_factory=dict)
    _pulling: set[str] = field(default_factory=set)

    def arrange(self) -> None:
        """Begin what is due; what happened then brings us back."""
        wanted = {str(each.slot): each for each in self.agent.replicas()}
        self._count_ends(wanted)
        for slot in sorted(self.box.running.keys() - wanted.keys()):
            if slot not in self.agent.untouchable():
                self.box.stop(slot)
        for slot, replica in sorted(wanted.items()):
            self._keep(slot, replica)
        self._judge()
        if not self._pulling and not self.box.jobs:
            for replica in self.agent.standbys():
                self._fetch(_image(replica))

    def _judge(self) -> None:
        """Look at what is on trial, and give up what failed."""
        trials = self.agent.staged.trials
        if not trials.is_watching:
            return
        looks = [self._look_at(each) for each in self.statuses()]
        found = self.agent.watch(looks, self.now)
        for slot, reason in found.failing.items():
            self.agent.condemn(slot, reason, "")
        if found.proved or found.failing:
            self.look()
        verdict_at = trials.wake_at()
        if verdict_at is not None:
            self.later(max(0.0, verdict_at - self.now), self.look)

    def _look_at(self, status: ReplicaStatus) -> Look:
        failures = self._failed(status.slot, status.version).count
        return Look(
            slot=status.slot,
            version=status.version,
            has_begun=status.state == "running" or failures > 0,
            is_healthy=status.healthy,
            is_unhealthy=False,
            failures=failures,
            reason="ended by itself" if failures else "",
        )

    def statuses(self) -> tuple[ReplicaStatus, ...]:
        """Return every replica as a report tells it."""
        return tuple(self._status(each) for each in self.agent.replicas())

    def is_prepared(self, slot: str) -> bool:
        """Return whether a slot of ours could start at once."""
        return any(
            each.slot == slot and _image(each) in self.box.images
            for each in self.agent.replicas()
        )

    @property
    def now(self) -> float:
        """Return the world's time: only differences of it count."""
        return self.box.kernel.now

    def _keep(self, slot: str, replica: Replica) -> None:
        held = self.box.running.get(slot)
        if slot in self.box.jobs:
            return
        if held is not None:
            if not _is_same(held, replica):
                self.box.stop(slot)
            return
        if _image(replica) not in self.box.images:
            self._fetch(_image(replica))
            return
        pause = self._failed(slot, replica.version).again_at - self.now
        if replica.waits_for or pause > 0:
            if pause > 0:
                self.later(pause, self.look)
            return
        self._start(slot, replica)

    def _start(self, slot: str, replica: Replica) -> None:
        if not self.site.may_start(replica.slot):
            self.later(FIRST_PAUSE, self.look)
            return
        job = Job(
            slot=slot,
            term=replica.term,
            version=replica.version,
            is_strict=replica.is_strict,
        )
        self.agent.staged.begin(slot, replica.version)
        self.box.start(job)

    def _fetch(self, image: str) -> None:
        if image in self._pulling or image in self.box.images:
            return
        self._pulling.add(image)

        def done() -> None:
            self._pulling.discard(image)
            self.look()

        self.box.pull(image, done)

    def _count_ends(self, wanted: dict[str, Replica]) -> None:
        """A wanted copy that ended by itself is started anew, each time later."""
        for slot, held in list(self._seen.items()):
            if held.is_running:
                continue
            del self._seen[slot]
            if slot in wanted and held.ended_by_itself:
                self._count(slot, held)
        self._seen.update(self.box.running)

    def _count(self, slot: str, held: Interval) -> None:
        failures = self._failures.setdefault((slot, held.version), Failures())
        if (held.ended_at or self.now) - held.began_at >= GOOD_RUN:
            failures.count = 0
        doubled = FIRST_PAUSE * 2 ** (failures.count - 1) if failures.count else 0.0
        failures.again_at = self.now + min(LONGEST_PAUSE, doubled)
        failures.count += 1

    def _failed(self, slot: str, version: int) -> Failures:
        return self._failures.get((slot, version), Failures())

    def _status(self, replica: Replica) -> ReplicaStatus:
        held = self.box.running.get(replica.slot)
        state: ReplicaState = "running" if held else "waiting"
        if held is None and replica.slot in self.box.jobs:
            state = "starting"
        version = held.version if held else replica.version
        return ReplicaStatus(
            slot=replica.slot,
            deployment=replica.deployment,
            workload=replica.workload.name,
            version=version,
            state=state,
            term=replica.term,
            healthy=held is not None and self.now >= held.answers_at,
            proved=replica.is_proved and version == replica.version,
            reason="" if held else replica.waits_for,
        )

    def is_busy(self, slot: str) -> bool:
        """Return whether a chain of this slot is in flight."""
        return slot in self.box.jobs

    def is_healthy(self, slot: str) -> bool:
        """Return whether the slot's copy answers."""
        held = self.box.running.get(slot)
        return held is not None and self.now >= held.answers_at

    def serves(self, slot: str) -> int:
        """Return the version of the copy that answers, 0 for none."""
        held = self.box.running.get(slot)
        return held.version if held is not None and self.is_healthy(slot) else 0

    def is_ready(self, slot: str, version: int) -> bool:
        """Return whether the image of what a slot changes to is here."""
        return all(
            _image(each) in self.box.images and not each.waits_for
            for each in self.agent.standbys()
            if (each.slot, each.version) == (slot, version)
        )

    @property
    def containers(self) -> tuple[Container, ...]:
        """Return nothing: `SimSite` looks at the containers itself."""
        return ()


def _is_same(held: Interval, replica: Replica) -> bool:
    is_same_term = not replica.is_strict or held.term == replica.term
    return held.version == replica.version and is_same_term


def _image(replica: Replica) -> str:
    return container_spec.image_id(replica, "amd64")
