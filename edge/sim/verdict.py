"""Play a world and say which laws it broke, one sentence each."""

from dataclasses import dataclass

from edge.sim import laws
from edge.sim.kernel import Line
from edge.sim.scenario import Scenario
from edge.sim.world import World

FALSE = frozenset({"dead", "takeover"})
"""Kinds of events that must not happen while every device is well."""

PATIENCE, MORE = 3, 10.0
"""How often, and for how many seconds more, a world may go on that has not settled: a
lease may get lost on a bad network, a copy may be between two runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one world."""

    seed: int
    digest: str
    problems: tuple[str, ...]
    lines: tuple[Line, ...]
    events: int

    @property
    def is_good(self) -> bool:
        """Return whether every law held."""
        return not self.problems


def play(scenario: Scenario) -> Verdict:
    """Play to the end, and judge."""
    world = World(scenario).run()
    for _ in range(PATIENCE):
        if is_settled(world):
            break
        world.run(world.kernel.now + MORE)
    return _verdict(world, judge(world))


def play_quiet(scenario: Scenario) -> Verdict:
    """Play a world in which nothing is wrong with any device."""
    world = World(scenario).run()
    return _verdict(world, judge(world) + false_alarms(world))


def is_settled(world: World) -> bool:
    """Return whether everything runs exactly once."""
    return not laws.once(world.record, world.slots, is_down=frozenset())


def judge(world: World) -> list[str]:
    """Return what was broken."""
    now = world.kernel.now
    found = [str(each) for each in laws.overlaps(world.record, now)]
    found += laws.unsigned(world.record, world.watch.signed)
    found += world.watch.broken
    return found + laws.once(world.record, world.slots, is_down=frozenset())


def false_alarms(world: World) -> list[str]:
    """Return deaths and takeovers of devices that were well."""
    return [
        f"{each.node} at {each.at:.1f} s: {each.kind} {each.slot or ''} {each.text}"
        for each in world.trace.lines
        if each.kind in FALSE
    ]


def _verdict(world: World, problems: list[str]) -> Verdict:
    return Verdict(
        seed=world.scenario.seed,
        digest=world.trace.digest,
        problems=tuple(problems),
        lines=tuple(world.trace.lines),
        events=world.kernel.events,
    )
