from dataclasses import replace
from typing import Any

import pytest

from hub import judgement
from hub.judgement import FAILING_FOR, Judgement
from hub.stage import Fleet, Memory, Moment, Unit
from tests.support import builders

OLD, NEW = 1, 2
LIMITS = builders.rollout()
DEADLINE = LIMITS.progress_deadline


def unit(name: str, **changes: Any) -> Unit:
    """A healthy replica of the old version."""
    made = Unit(slot=name, node=name, has=OLD, assigned=OLD, healthy=True)
    return replace(made, **changes)


def bad(name: str, **changes: Any) -> Unit:
    """One where the new version failed; the old one is well again by default."""
    return unit(name, **{"assigned": NEW, "bad": True, **changes})


def proved(name: str) -> Unit:
    """One where the new version proved itself."""
    return unit(name, has=NEW, assigned=NEW, proved=True)


def fleet(*units: Unit) -> Fleet:
    """These units, on their way to version 2."""
    return Fleet(deployment="web", version=NEW, fallback=OLD, units=units)


def judge(memory: Memory, *units: Unit, now: float = 0.0) -> Judgement:
    """What the failures of these units mean."""
    at = Moment(rollout=LIMITS, fleet=fleet(*units), memory=memory, now=now)
    return judgement.judge(at)


def begin(*units: Unit) -> Memory:
    """What is remembered of units at the first step."""
    return judgement.begin(fleet(*units), 0.0)


def blamed(found: Judgement) -> list[str]:
    """Whose failure counts."""
    return [each.slot for each in found.blamed]


ILL = unit("n1", healthy=False, is_failing=True)


def test_it_is_remembered_who_failed_before() -> None:
    """And who was not seen well; what is new belongs to neither."""
    starting = unit("n2", healthy=False)
    away, new = unit("n3", online=False), unit("n4", has=0, assigned=0, healthy=False)
    memory = begin(ILL, starting, away, new, unit("n5"))
    assert (memory.failing, memory.unseen) == (("n1",), ("n2", "n3"))


def test_a_failure_of_what_was_well_counts() -> None:
    """That is what the new version is to blame for."""
    assert blamed(judge(begin(unit("n1")), bad("n1", healthy=False))) == ["n1"]


def test_a_failure_of_what_failed_before_does_not() -> None:
    """Unless it was well in between."""
    memory = begin(ILL)
    assert blamed(judge(memory, bad("n1"))) == []
    healed = judge(memory, unit("n1")).memory
    assert blamed(judge(healed, bad("n1"))) == ["n1"]


def test_one_that_comes_back_failing_failed_before() -> None:
    """Nobody saw it well in the old version."""
    memory = begin(unit("n1", online=False))
    memory = judge(memory, ILL).memory
    assert (memory.failing, memory.unseen) == (("n1",), ())


def test_one_that_was_not_seen_before_is_judged_afterwards() -> None:
    """Well again with the old version: then the new one is to blame."""
    memory = begin(unit("n1", online=False))
    first = judge(memory, bad("n1", healthy=False), now=5.0)
    assert (blamed(first), first.memory.doubted) == ([], {"n1": 5.0})
    assert blamed(judge(first.memory, bad("n1"), now=9.0)) == ["n1"]


@pytest.mark.parametrize(
    ("changes", "after"),
    [({"is_failing": True}, FAILING_FOR), ({}, DEADLINE)],
)
def test_one_that_fails_the_old_version_too_did_before(
    changes: dict[str, Any], after: float
) -> None:
    """It is told apart a moment after it failed again, or at the deadline."""
    memory = begin(unit("n1", online=False))
    ill = bad("n1", healthy=False, **changes)
    memory = judge(memory, ill).memory
    memory = judge(memory, ill, now=after - 1).memory
    assert memory.failing == ()
    memory = judge(memory, ill, now=after).memory
    assert (memory.failing, memory.doubted) == (("n1",), {})


def test_one_that_does_not_go_back_is_blamed_at_the_deadline() -> None:
    """It keeps trying the new version, and says nothing of the old one."""
    memory = begin(unit("n1", online=False))
    stuck = bad("n1", has=NEW, healthy=False)
    memory = judge(memory, stuck).memory
    assert blamed(judge(memory, stuck, now=DEADLINE)) == ["n1"]


def test_once_it_is_done_nobody_is_blamed() -> None:
    """The rest proved it."""
    memory = Memory(since=0.0, progress_at=0.0, verdict="done")
    found = judge(memory, bad("n1"), proved("n2"))
    assert (blamed(found), found.memory.harmless) == ([], ("n1",))
    assert judge(found.memory, unit("n1")).memory.harmless == ()


def test_a_lost_memory_remembers_what_going_back_left() -> None:
    """Nothing else assigns the old version where the new one was bad."""
    marked = bad("n1", assigned=OLD)
    memory = begin(marked, proved("n2"))
    assert blamed(judge(memory, marked, proved("n2"))) == ["n1"]


def test_a_lost_memory_knows_a_rollout_that_is_over() -> None:
    """A bad one beside nothing but proved ones came late."""
    late = (bad("n1"), proved("n2"))
    assert blamed(judge(begin(*late), *late)) == []
    early = (bad("n1"), proved("n2"), unit("n3"))
    assert blamed(judge(begin(*early), *early)) == ["n1"]


def test_what_is_gone_is_forgotten() -> None:
    """A slot that moved away, or is asked for no longer."""
    memory = Memory(
        since=0.0,
        progress_at=0.0,
        failing=("n1",),
        unseen=("n1",),
        harmless=("n1",),
        new=("n1", "n2"),
        doubted={"n1": 0.0},
    )
    left = judge(memory, unit("n2")).memory
    assert left == Memory(since=0.0, progress_at=0.0, new=("n2",))
