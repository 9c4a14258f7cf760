"""A fleet in virtual time for `hub.rollout`: devices switch, prove, fail and go away.

Everything follows from a seed. `World.play` steps the hub's side until there is a
verdict, lets it lose its memory now and then, and notes which laws were broken.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from edge.documents import Control
from edge.staging.shapes import Limit, Rollout, Wave
from edge.staging.waves import allowed, wave_of
from hub import rollout
from hub.stage import Fleet, Memory, Stage, Unit
from tests.support import builders

NAME, OLD, NEW = "web", 1, 2
TICK = 2.0  # seconds between reports
START = 1_000.0
QUIET = 200
"""Ticks without any change after which a world without a verdict has none."""
OVER = frozenset({"done", "failed", "aborted", "paused"})


@dataclass(slots=True)
class Box:
    """One device with its replica."""

    node: str
    site: str
    wave: int
    is_broken: bool = False
    """Fails with every version."""
    is_allergic: bool = False
    """Fails with the new version only."""
    starts_in: float = 4.0
    returns_at: float = 0.0
    """When it is online again."""
    runs: int = OLD
    assigned: int = OLD
    begun_at: float = 0.0
    well_since: float = 0.0
    """0.0 while it is not healthy."""
    proved: bool = False
    bad: bool = False
    is_hurt: bool = False
    """Whether it serves no more because of the rollout, and was here all the time."""
    _shown: tuple[Any, Any] = (None, None)

    def act(self, now: float, healthy_for: float) -> None:
        """Let time pass until ``now``."""
        if now < self.returns_at:
            self.is_hurt = False
            return
        if self.assigned != self._chosen and self.assigned:
            self._switch(self.assigned, now)
        is_ill = self.is_broken or (self.is_allergic and self.runs == NEW)
        if now < self.begun_at + self.starts_in:
            return
        if is_ill:
            self.well_since = 0.0
            if self.runs == NEW:
                self.bad = True
                self._switch(OLD, now)
            return
        self.is_hurt = False
        self.well_since = self.well_since or now
        if self.runs == NEW and now >= self.well_since + healthy_for:
            self.proved = True

    @property
    def _chosen(self) -> int:
        """The version it was told last; what is bad here runs the old one."""
        return NEW if self.bad and self.assigned == NEW else self.runs

    def _switch(self, version: int, now: float) -> None:
        self.is_hurt = self.is_hurt or bool(self.well_since)
        self.runs, self.begun_at, self.well_since = version, now, 0.0
        self.proved = False

    def unit(self, now: float) -> Unit:
        """What the hub sees of it."""
        is_well, is_here = bool(self.well_since), now >= self.returns_at
        shown = (self.runs, self.assigned, is_well, self.proved, self.bad, is_here)
        if self._shown[0] != shown:
            self._shown = (shown, self._unit(is_well, is_here))
        return self._shown[1]

    def _unit(self, is_well: bool, is_here: bool) -> Unit:
        return Unit(
            slot=f"{NAME}/{NAME}@{self.node}",
            node=self.node,
            site=self.site,
            wave=self.wave,
            has=self.runs,
            assigned=self.assigned,
            state="running" if is_well else "starting",
            healthy=is_well,
            is_failing=self.is_broken and not is_well,
            proved=self.proved,
            bad=self.bad,
            online=is_here,
            reason="" if is_well else "it does not answer",
        )


@dataclass(slots=True)
class World:
    """A rollout over boxes; ``problems`` are the laws that were broken."""

    rollout: Rollout
    boxes: list[Box]
    rng: Random
    forgets: float = 0.0
    """How likely the hub loses its memory after a step, a few times at most."""
    losses: int = 5
    leaves: float = 0.0
    """How likely a device goes offline in a tick, for a while."""
    now: float = START
    memory: Memory | None = None
    control: Control | None = None
    is_aborted: bool = False
    problems: list[str] = field(default_factory=list)
    steps: int = 0

    @property
    def limit(self) -> int:
        """How many may be hurt at once."""
        count = len(self.boxes)
        if self.rollout.strategy == "all-at-once":
            return count
        return max(1, allowed(self.rollout.max_unavailable, count))

    def fleet(self) -> Fleet:
        """What a step is made from."""
        return Fleet(
            deployment=NAME,
            version=NEW,
            fallback=OLD,
            units=tuple(box.unit(self.now) for box in self.boxes),
            control=self.control,
            is_aborted=self.is_aborted,
        )

    def say(self, action: str, wave: int = 0) -> None:
        """Let the operator speak."""
        version = self.control.version + 1 if self.control else 1
        self.control = builders.control(
            NAME, version, target=NEW, action=action, wave=wave
        )
        self.is_aborted = self.is_aborted or action == "abort"

    def step(self) -> Stage:
        """Let the hub look once, and the devices hear of it."""
        fleet, before = self.fleet(), self.memory
        stage = rollout.step(self.rollout, before, fleet, self.now)
        self.steps += 1
        self._check(before, stage, fleet)
        for box, unit in zip(self.boxes, fleet.units, strict=True):
            box.assigned = stage.versions[unit.slot]
        self.memory = stage.memory
        if self.losses and self.forgets and self.rng.random() < self.forgets:
            self.memory, self.losses = None, self.losses - 1
            return self.step()  # it starts again, and sees what it saw before
        return stage

    def tick(self, seconds: float = TICK) -> None:
        """Let time pass."""
        self.now += seconds
        for box in self.boxes:
            if self.leaves and self.rng.random() < self.leaves:
                box.returns_at = self.now + self.rng.uniform(10, 300)
            box.act(self.now, self.rollout.healthy_for)
        self._check_harm()

    def play(self, ticks: int = 5_000) -> Stage:
        """Go on until there is a verdict, and nothing moves any more."""
        stage = self.step()
        for _ in range(ticks):
            if stage.memory.phase in OVER:
                return stage
            self.tick()
            stage = self.step()
        self.problems.append(f"no verdict: {stage.memory.phase} {stage.memory.reason}")
        return stage

    def settle(self, ticks: int = 200) -> Stage:
        """Go on for a while after the verdict: everybody comes back."""
        for _ in range(ticks):
            self.tick()
            stage = self.step()
        return stage

    def _check_harm(self) -> None:
        hurt = [box for box in self.boxes if box.is_hurt]
        if len(hurt) > self.limit:
            self.problems.append(f"{len(hurt)} hurt at {self.now}, not {self.limit}")
        sites = [box.site for box in hurt]
        if self.rollout.group_by == "site" and len(set(sites)) < len(sites):
            self.problems.append(f"two of one site hurt at {self.now}")

    def _check(self, before: Memory | None, stage: Stage, fleet: Fleet) -> None:
        memory, excused = stage.memory, stage.memory.excused
        is_promoted = self.control is not None and self.control.action == "promote"
        if before and memory.wave > before.wave and not is_promoted:
            late = [
                unit.node
                for unit in fleet.units
                if unit.wave < memory.wave and unit.online and not unit.proved
                if unit.slot not in excused
            ]
            if late:
                self.problems.append(f"wave {memory.wave} opened before {late}")
        for unit in fleet.units:
            is_new = stage.versions[unit.slot] == NEW
            was = NEW in {unit.assigned, unit.has}
            if is_new and not was and memory.is_back:
                self.problems.append(f"{unit.node} got the new version after the end")
            if is_new and not was and unit.wave > memory.wave:
                self.problems.append(f"{unit.node} of wave {unit.wave} before its turn")
            if is_new and not was and not unit.online:
                self.problems.append(f"{unit.node} was sent ahead while away")


def ten_waves(**changes: object) -> Rollout:
    """Ten waves by share, 5 % at once."""
    shares = (100, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 7_000, 9_000, 10_000)
    made = Rollout(
        strategy="canary",
        waves=tuple(Wave(share=share) for share in shares),
        max_unavailable=Limit(share=500),
        healthy_for=10.0,
        progress_deadline=600.0,
    )
    return msgspec.structs.replace(made, **changes)


def large(seed: int, count: int = 1_000, **changes: object) -> World:
    """A thousand devices: 5 % offline for a while, 2 % broken before.

    Of every two seeds one has a few devices that only the new version breaks.
    """
    rng = Random(seed)
    limits = ten_waves(**changes)
    boxes = []
    for number in range(count):
        node = f"n{number}"
        boxes.append(
            Box(
                node=node,
                site=f"s{number // 10}",
                wave=wave_of(NAME, limits, node),
                is_broken=rng.random() < 0.02,
                is_allergic=seed % 2 == 1 and rng.random() < 0.02,
                starts_in=rng.uniform(1, 8),
                returns_at=START + rng.uniform(0, 400) if rng.random() < 0.05 else 0.0,
                well_since=1.0,
            )
        )
    for box in boxes:
        if box.is_broken:
            box.well_since = 0.0
    return World(rollout=limits, boxes=boxes, rng=rng, forgets=0.02)


def right_verdict(world: World) -> str:
    """How a rollout that takes everything back has to end."""
    guilty = [box for box in world.boxes if box.bad and not box.is_broken]
    return "failed" if guilty else "done"


def small(seed: int) -> World:
    """A few devices under any limits; some are away, broken or allergic."""
    rng = Random(seed)
    names = [f"n{number}" for number in range(rng.randint(1, 12))]
    limits = _any_rollout(rng, names)
    broken, allergic = rng.choice((0.0, 0.3)), rng.choice((0.0, 0.0, 0.3))
    boxes = [
        Box(
            node=node,
            site=rng.choice(("a", "b", "c")),
            wave=wave_of(NAME, limits, node),
            is_broken=rng.random() < broken,
            is_allergic=rng.random() < allergic,
            starts_in=rng.uniform(1, 10),
            returns_at=START + rng.uniform(0, 900) if rng.random() < 0.2 else 0.0,
            well_since=1.0,
        )
        for node in names
    ]
    for box in boxes:
        box.well_since = 0.0 if box.is_broken else 1.0
    return World(rollout=limits, boxes=boxes, rng=rng)


def _any_rollout(rng: Random, names: list[str]) -> Rollout:
    named = [
        Wave(nodes=tuple(sorted(rng.sample(names, min(len(names), count)))))
        for count in (1, 3)
    ]
    choices = ((), named[:1], named, [Wave(share=3_000)], [*named[:1], Wave(share=500)])
    limits = (Limit(count=1), Limit(count=3), Limit(share=5_000), Limit())
    return Rollout(
        strategy=rng.choice(("canary", "rolling", "all-at-once")),
        waves=(*rng.choice(choices), Wave(share=10_000)),
        max_unavailable=rng.choice(limits),
        group_by=rng.choice(("", "site")),
        healthy_for=rng.choice((2.0, 10.0)),
        progress_deadline=rng.choice((60.0, 300.0)),
        on_failure=rng.choice(("rollback", "pause")),
    )
