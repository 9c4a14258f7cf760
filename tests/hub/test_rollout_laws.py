"""Laws of `hub.rollout.step` over whole fleets in virtual time, and over any input."""

import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.documents import Control
from edge.staging.shapes import Rollout
from hub import rollout
from hub.stage import Fleet, Memory, Stray, Unit
from tests.support import virtual_fleet
from tests.support.strategies import values
from tests.support.virtual_fleet import NEW, OLD, World

SEEDS = st.integers(min_value=0, max_value=2**32)
NODES = st.integers(min_value=0, max_value=9).map(lambda number: f"n{number}")
VERSIONS = st.sampled_from((0, OLD, NEW, 7))
SLOTS = st.lists(NODES, unique=True, max_size=6)


def units(names: list[str]) -> st.SearchStrategy[tuple[Unit, ...]]:
    """Any units, sensible or not."""
    return st.tuples(
        *(
            st.builds(
                Unit,
                slot=st.just(f"web/web@{name}"),
                node=st.just(name),
                site=st.sampled_from(("a", "b")),
                wave=st.integers(min_value=-1, max_value=40),
                has=VERSIONS,
                assigned=VERSIONS,
                healthy=st.booleans(),
                is_failing=st.booleans(),
                proved=st.booleans(),
                bad=st.booleans(),
                online=st.booleans(),
                has_way_back=st.booleans(),
            )
            for name in names
        )
    )


def fleets() -> st.SearchStrategy[Fleet]:
    """Any fleet, with any word of the operator."""
    return st.builds(
        Fleet,
        deployment=st.just("web"),
        version=st.just(NEW),
        fallback=st.just(OLD),
        units=SLOTS.flatmap(units),
        control=st.none() | values(Control),
        is_aborted=st.booleans(),
        strays=st.just(())
        | st.tuples(st.builds(Stray, online=st.booleans(), node=NODES)),
        known_at=st.sampled_from((0.0, 50.0, math.inf)),
    )


@given(values(Rollout), st.none() | values(Memory), fleets(), st.floats(0, 1e10))
def test_a_step_never_fails(
    limits: Rollout, memory: Memory | None, fleet: Fleet, now: float
) -> None:
    """Whatever was signed, remembered or reported: who raises decides nothing."""
    stage = rollout.step(limits, memory, fleet, now)
    assert set(stage.versions) == {unit.slot for unit in fleet.units}
    kept = msgspec.json.encode(stage.memory)
    assert msgspec.json.decode(kept, type=Memory) == stage.memory


@given(SEEDS, st.sampled_from((0.0, 0.05)), st.sampled_from((0.0, 0.01)))
def test_every_world_ends_within_its_limits(
    seed: int, forgets: float, leaves: float
) -> None:
    """Never too many at once, never out of turn, and always with a verdict.

    Devices come and go, fail as they always did or because of the new version; the
    hub forgets.
    """
    world = virtual_fleet.small(seed)
    world.forgets, world.leaves = forgets, leaves
    world.play()
    assert world.problems == []


@given(SEEDS)
def test_a_failure_that_the_version_is_to_blame_for_decides(seed: int) -> None:
    """And nothing else does."""
    world = virtual_fleet.small(seed)
    phase = world.play().memory.phase
    guilty = [box for box in world.boxes if box.bad and not box.is_broken]
    fails = world.rollout.on_failure == "rollback"
    assert (phase == "failed") == bool(guilty and fails)
    assert not (guilty and phase == "done")


@given(SEEDS)
@example(11811)
def test_losing_the_memory_changes_no_verdict(seed: int) -> None:
    """In whichever phase: assignments and reports say the same once more.

    Where failures pause and the last one of all failed, nobody is left to hold: then
    it looks like one that failed long after, and all others have the version.
    """
    kept, lost = (staying(seed) for _ in range(2))
    lost.forgets, lost.losses = 0.1, 1
    phase, found = kept.play().memory.phase, lost.play().memory.phase
    others = [unit for unit in kept.fleet().units if unit.online and not unit.bad]
    is_last = phase == "paused" and all(unit.proved for unit in others)
    assert found == ("done" if is_last and found == "done" else phase)
    assert lost.problems == []


def staying(seed: int) -> World:
    """A world in which nobody is away: who comes back when would decide, too."""
    world = virtual_fleet.small(seed)
    for box in world.boxes:
        box.returns_at = 0.0
    return world


@given(SEEDS, st.integers(min_value=0, max_value=60))
def test_an_aborted_rollout_leaves_nothing_behind(seed: int, ticks: int) -> None:
    """Whenever it comes, even after the end, and whoever comes back later."""
    world = virtual_fleet.small(seed)
    world.step()
    for _ in range(ticks):
        world.tick()
        world.step()
    world.say("abort")
    world.say("resume")
    stage = world.settle(600)
    assert stage.memory.verdict in {"aborted", "failed"}
    assert {box.runs for box in world.boxes} == {OLD}
    assert world.problems == []


@given(SEEDS)
@example(109)  # all that are here have proved it when one is back
def test_a_pause_lets_nothing_begin(seed: int) -> None:
    """Until it is resumed, then it goes on."""
    world = virtual_fleet.small(seed)
    world.step()
    world.tick()
    world.say("pause")
    before = given_to(world)
    stage = world.settle(20)
    assert given_to(world) <= before
    if stage.memory.phase == "paused":
        world.say("resume")
        world.play()
    assert world.problems == []


def given_to(world: World) -> set[str]:
    """Who runs the new version, or is to."""
    return {box.node for box in world.boxes if NEW in {box.assigned, box.runs}}


@given(SEEDS)
def test_the_memory_of_another_version_is_none(seed: int) -> None:
    """A newer one begins anew wherever the older one was, with what runs by then."""
    world = virtual_fleet.small(seed)
    world.play(20)
    fleet = world.fleet()
    units_now = tuple(replace(u, proved=False, bad=False) for u in fleet.units)
    newer = Fleet(deployment="web", version=3, fallback=OLD, units=units_now)
    stage = rollout.step(world.rollout, None, newer, world.now)
    runs = {unit.slot: {unit.has, unit.assigned, OLD} for unit in units_now}
    for unit in units_now:
        version = stage.versions[unit.slot]
        assert version in runs[unit.slot] or (version == 3 and unit.wave == 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_thousand_devices_end_with_the_right_verdict(seed: int) -> None:
    """Ten waves, 5 % away, 2 % broken before; seed 1 has some that it breaks."""
    world = virtual_fleet.large(seed)
    stage = world.play()
    assert stage.memory.phase == virtual_fleet.right_verdict(world)
    assert world.problems == []
