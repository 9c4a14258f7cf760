"""An invented container runtime, and the guard beside it.

Starting takes a drawn time; a container outlives its daemon and dies with its machine.
The guard is a process of its own: it looks at the lease files twice a second, and ends
what runs without a lease, whether the daemon is well or not. While the whole machine
sleeps, nothing runs and nothing is ended; what the container does after the machine
woke and before the guard did is `Interval.woke_at`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from edge.sim.kernel import Kernel, Line, Trace

START = (0.2, 0.8)
"""Seconds until the program runs: measured 0.17 to 0.4, and a loaded board."""
ANSWERS = (0.05, 0.3)
"""Seconds from the start of the program to its first answer."""
STOP = (0.05, 0.6)
"""Seconds a container takes to end when asked to."""
STUBBORN = (2.0, 10.0)
"""Seconds of one that ignores SIGTERM until SIGKILL comes."""
STUBBORN_SHARE = 0.1
KILL = (0.0, 0.1)
"""Seconds from the guard's SIGKILL to the end of the process."""
GUARD_EVERY = 0.5
"""Seconds between two looks of the guard."""
NEVER = float("inf")
PULL = (1.0, 6.0)
"""Seconds to fetch an image from a registry on the LAN."""


@dataclass(slots=True, kw_only=True)
class Interval:
    """One run of one container, in the time of the world."""

    slot: str
    node: str
    term: int
    version: int
    is_strict: bool
    began_at: float
    ended_at: float | None = None
    lease_until: float = NEVER
    """The guard's moment in its newest lease, in the time of the world."""
    sleeps: list[tuple[float, float]] = field(default_factory=list)
    """When the machine slept, and the container with it."""
    answers_at: float = 0.0
    ended_by_itself: bool = False

    @property
    def is_running(self) -> bool:
        """Return whether it runs now."""
        return self.ended_at is None


@dataclass(slots=True, kw_only=True)
class Job:
    """A container that is being started, or one that is being stopped."""

    slot: str
    term: int
    version: int
    is_strict: bool
    kind: str = "start"
    begun_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Containers:
    """The containers of one machine."""

    node: str
    kernel: Kernel
    trace: Trace
    rng: Random
    told: Callable[[], None]
    """Called when a container began, answered or ended: the daemon should look."""
    record: list[Interval]
    running: dict[str, Interval] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    leases: dict[str, float] = field(default_factory=dict)
    """Lease files: slot → the guard's moment, in the time of the world."""
    slept_at: float | None = None
    woke_at: float = 0.0
    epoch: int = 0
    """Rises with every power cut: what was under way before is stale."""

    def start(self, job: Job) -> None:
        """Begin to start a container; the guard may end it before anyone looks."""
        job.begun_at = self.kernel.now
        self.jobs[job.slot] = job
        self._later(job, self.rng.uniform(*START), self._started)

    def stop(self, slot: str, *, at_once: bool = False) -> None:
        """Ask a container to end."""
        held = self.running.get(slot)
        if held is None or slot in self.jobs:
            return
        job = Job(
            slot=slot,
            term=held.term,
            version=held.version,
            is_strict=held.is_strict,
            kind="stop",
        )
        self.jobs[slot] = job
        self._later(job, self._patience(at_once=at_once), self._stopped)

    def crash(self, slot: str) -> None:
        """The program inside ends by itself."""
        held = self.running.get(slot)
        if self.slept_at is None and held is not None:
            held.ended_by_itself = True
            self._end(slot, "by itself")

    def pull(self, image: str, done: Callable[[], None]) -> None:
        """Fetch an image."""
        epoch = self.epoch

        def fetched() -> None:
            if self.epoch == epoch:
                self.images.add(image)
                done()

        self.kernel.after(self.rng.uniform(*PULL), fetched)

    def lease(self, slot: str, kill_at: float | None) -> None:
        """Write or remove a lease file."""
        if kill_at is None:
            self.leases.pop(slot, None)
        else:
            self.leases[slot] = kill_at
        held = self.running.get(slot)
        if held is not None and kill_at is not None:
            held.lease_until = kill_at

    def guard(self) -> None:
        """Look at the lease files, and come again; runs from boot to power cut."""
        epoch = self.epoch

        def look() -> None:
            if self.epoch != epoch:
                return
            if self.slept_at is None:
                self._strike()
            self.kernel.after(GUARD_EVERY, look)

        self.kernel.after(self.rng.random() * GUARD_EVERY, look)

    def power_cut(self) -> None:
        """Everything that ran is gone; images stay on the disk."""
        self.epoch += 1
        self.wake()
        self.jobs.clear()
        self.leases.clear()
        for slot in sorted(self.running):
            self._end(slot, "with its machine")

    def sleep(self) -> None:
        """Suspend the machine."""
        self.slept_at = self.kernel.now

    def wake(self) -> None:
        """Let the machine go on; its containers ran on until they are ended."""
        if self.slept_at is None:
            return
        for each in self.running.values():
            each.sleeps.append((self.slept_at, self.kernel.now))
        self.slept_at, self.woke_at = None, self.kernel.now

    def _patience(self, *, at_once: bool) -> float:
        if at_once:
            return self.rng.uniform(*KILL)
        is_stubborn = self.rng.random() < STUBBORN_SHARE
        return self.rng.uniform(*(STUBBORN if is_stubborn else STOP))

    def _strike(self) -> None:
        for slot, held in sorted(self.running.items()):
            if held.is_strict and self.kernel.now >= self.leases.get(slot, NEVER):
                self._kill(slot, held)

    def _kill(self, slot: str, held: Interval) -> None:
        def killed() -> None:
            if self.slept_at is not None:  # it dies when the machine goes on
                self.kernel.after(0.1, killed)
            elif self.running.get(slot) is held:
                self._end(slot, "by the guard: its lease is over")

        self.kernel.after(self.rng.uniform(*KILL), killed)

    def _later(self, job: Job, seconds: float, done: Callable[[Job], None]) -> None:
        epoch = self.epoch

        def finish() -> None:
            if self.epoch != epoch or self.jobs.get(job.slot) is not job:
                return
            if self.slept_at is not None:  # it goes on when the machine does
                self.kernel.after(0.1, finish)
                return
            del self.jobs[job.slot]
            done(job)

        self.kernel.after(seconds, finish)

    def _started(self, job: Job) -> None:
        held = Interval(
            slot=job.slot,
            node=self.node,
            term=job.term,
            version=job.version,
            is_strict=job.is_strict,
            began_at=self.kernel.now,
            answers_at=self.kernel.now + self.rng.uniform(*ANSWERS),
        )
        if job.is_strict:
            held.lease_until = self.leases.get(job.slot, NEVER)
        if job.begun_at < self.woke_at:  # its start slept as well
            held.sleeps.append((self.woke_at, self.woke_at))
        self.running[job.slot] = held
        self.record.append(held)
        self._say("started", held, f"version {held.version}")
        self.told()
        self.kernel.at(held.answers_at, lambda: self._answers(held))

    def _answers(self, held: Interval) -> None:
        if held.is_running:
            took = held.answers_at - held.began_at
            self._say("answers", held, f"{took:.2f} s after its start")
            self.told()

    def _stopped(self, job: Job) -> None:
        self._end(job.slot, "as it was told to")

    def _end(self, slot: str, why: str) -> None:
        held = self.running.pop(slot, None)
        if held is not None:
            held.ended_at = self.kernel.now
            self._say("ended", held, why)
            self.told()

    def _say(self, kind: str, held: Interval, text: str) -> None:
        self.trace.add(
            Line(
                at=self.kernel.now,
                kind=kind,
                node=self.node,
                slot=held.slot,
                term=held.term,
                text=text,
            )
        )
