"""Plays one rollout over a thousand devices, and says whether a law was broken.

    python -m tests.sim.rollouts SEED

Ten waves, 5 % of the devices away, 2 % broken before; with every odd seed some that
the new version breaks; in some worlds devices go away at any time. The hub loses its
memory now and then. `just sim-rollouts` plays many of them.
"""

import sys
from dataclasses import dataclass
from random import Random

from edge.staging.shapes import Limit
from hub.stage import Stage
from tests.support import virtual_fleet
from tests.support.virtual_fleet import World

DEVICES = 1_000
LEAVES = (0.0, 0.0, 0.0002)
"""How likely a device goes away in two seconds: never, or one in five in an hour."""


@dataclass(frozen=True)
class Ending:
    """How a world ended."""

    seed: int
    phase: str
    reason: str
    lasted: float
    problems: tuple[str, ...]


def world_of(seed: int) -> World:
    """The world that belongs to a seed."""
    chance = Random(f"rollout {seed}")
    limit = Limit(share=chance.choice((100, 500, 2_000)))
    site = chance.choice(("", "", "site"))
    world = virtual_fleet.large(seed, DEVICES, max_unavailable=limit, group_by=site)
    world.leaves = chance.choice(LEAVES)
    return world


def replay(seed: int) -> Ending:
    """Play the world of a seed."""
    world = world_of(seed)
    stage = world.play()
    problems = [*world.problems, *_wrong(world, stage)]
    return Ending(
        seed=seed,
        phase=stage.memory.phase,
        reason=stage.memory.reason,
        lasted=world.now - virtual_fleet.START,
        problems=tuple(problems),
    )


def _wrong(world: World, stage: Stage) -> list[str]:
    right, phase = virtual_fleet.right_verdict(world), stage.memory.phase
    return [] if phase == right else [f"ended as {phase}, which is not {right}"]


def main() -> int:
    """Play one world and tell how it ended."""
    ending = replay(int(sys.argv[1]))
    said = f"{ending.phase} after {ending.lasted:.0f} s: {ending.reason or 'no remark'}"
    sys.stdout.write("\n".join([said, *ending.problems]) + "\n")
    return 1 if ending.problems else 0


if __name__ == "__main__":
    sys.exit(main())
