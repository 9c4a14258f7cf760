"""A blue-green rollout at the hub: everywhere beside, then the operator's word."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edge.documents import Control
from edge.staging.shapes import Limit, Rollout, Wave
from hub import rollout
from hub.stage import Fleet, Memory, Stage, Unit
from tests.hub.test_rollout import NEW, OLD, failed, fleet, proved, unit
from tests.hub.test_rollout import given as has
from tests.support import builders

BLUE_GREEN = Rollout(
    strategy="blue-green",
    waves=(Wave(share=10_000),),
    max_unavailable=Limit(share=10_000),
)
NAMES = ("n1", "n2", "n3")
LATER = 10 * BLUE_GREEN.progress_deadline


def step(found: Fleet, memory: Memory | None = None, now: float = 0.0) -> Stage:
    """Step a blue-green rollout; its one wave holds everybody."""
    units = tuple(replace(each, wave=0) for each in found.units)
    return rollout.step(BLUE_GREEN, memory, replace(found, units=units), now)


def say(found: Fleet, action: str, version: int = 1) -> Fleet:
    """Return the fleet after the operator's word on the new version."""
    word = builders.control(version=version, target=NEW, action=action)
    return replace(found, control=word, is_aborted=action == "abort")


def ready(memory: Memory | None = None) -> tuple[Fleet, Stage]:
    """A fleet in which everybody has proved it, and what comes of it."""
    found = fleet(*(proved(name) for name in NAMES))
    return found, step(found, memory)


def test_everybody_gets_the_new_version_at_once() -> None:
    """The old set serves meanwhile: nobody goes missing."""
    stage = step(fleet(*(unit(name) for name in NAMES)))
    assert set(stage.versions.values()) == {NEW}
    assert stage.memory.phase == "rolling"


def test_a_new_set_that_is_up_waits_for_its_promote() -> None:
    """However long: there is nothing to prove any more."""
    found, stage = ready()
    assert stage.memory.phase == "promotable"
    assert stage.memory.reason == "revision 2 runs beside revision 1"
    assert (stage.deadline, stage.memory.verdict) == (None, "")
    later = step(found, stage.memory, LATER)
    assert later.memory.phase == "promotable"
    assert set(later.versions.values()) == {NEW}


def test_whoever_is_away_is_named_and_gets_it_when_it_is_back() -> None:
    """It holds nothing up, and the promote waits for it once it is there."""
    away = fleet(proved("n1"), proved("n2"), unit("n3", online=False))
    stage = step(away)
    assert stage.memory.phase == "promotable"
    assert stage.memory.reason.endswith("; offline: n3")
    back = fleet(proved("n1"), proved("n2"), unit("n3"))
    again = step(back, stage.memory, LATER)
    assert (again.memory.phase, again.versions["web/web@n3"]) == ("rolling", NEW)


def test_the_promote_makes_it_done() -> None:
    """And nothing else does; a hub that forgot comes to the same."""
    found, stage = ready()
    assert step(say(found, "promote"), stage.memory).memory.phase == "done"
    assert step(say(found, "promote")).memory.phase == "done"
    assert step(say(found, "resume"), stage.memory).memory.phase == "promotable"


def test_a_promote_ahead_waits_for_the_proofs() -> None:
    """The switch is nobody's before the new set is up."""
    found = say(fleet(proved("n1"), has("n2")), "promote")
    stage = step(found)
    assert stage.memory.phase == "rolling"
    done = step(say(fleet(proved("n1"), proved("n2")), "promote"), stage.memory)
    assert done.memory.phase == "done"


def test_a_failure_takes_the_new_set_back() -> None:
    """All of it: the old one serves on."""
    before = step(fleet(*(unit(name) for name in NAMES)))
    stage = step(fleet(proved("n1"), has("n2"), failed("n3")), before.memory)
    assert (stage.memory.phase, stage.memory.verdict) == ("going-back", "failed")
    assert set(stage.versions.values()) == {OLD}


def test_an_abort_takes_it_back_before_and_after_the_promote() -> None:
    """While the old set is kept, that costs nobody anything."""
    found, stage = ready()
    assert step(say(found, "abort"), stage.memory).memory.verdict == "aborted"
    done = step(say(found, "promote"), stage.memory)
    taken = step(say(found, "abort", 2), done.memory)
    assert taken.memory.verdict == "aborted"
    assert set(taken.versions.values()) == {OLD}


def test_a_pause_and_a_resume_come_back_to_it() -> None:
    """Nothing is lost by waiting."""
    found, stage = ready()
    paused = step(say(found, "pause"), stage.memory)
    assert paused.memory.phase == "paused"
    again = step(say(found, "resume", 2), paused.memory)
    assert again.memory.phase == "promotable"


@given(
    kinds=st.lists(st.sampled_from(["open", "proved", "away"]), min_size=1, max_size=6),
    action=st.none() | st.sampled_from(("pause", "resume", "promote")),
)
def test_it_is_never_done_without_the_operator(kinds, action) -> None:
    """Whoever is there, away or not ready yet."""
    units: list[Unit] = []
    for number, kind in enumerate(kinds, start=1):
        name = f"n{number}"
        makes = {"open": has(name), "proved": proved(name)}
        units.append(makes.get(kind, unit(name, online=False)))
    found = fleet(*units)
    word: Control | None = None
    if action:
        word = builders.control(target=NEW, action=action)
    stage = step(replace(found, control=word))
    is_up = "proved" in kinds and "open" not in kinds
    assert (stage.memory.phase == "done") == (action == "promote" and is_up)
    assert (stage.memory.phase == "promotable") == (
        is_up and action not in {"promote", "pause"}
    )
