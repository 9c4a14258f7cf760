"""Which older copy runs on beside a newer one, and for how long after the switch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import elders
from node.elders import Elder, Newcomer
from tests.support import builders as a

NEW = Newcomer(version=2, held=1, back=1)
KEEP_FOR = 600.0
BLUE_GREEN = a.rollout(strategy="blue-green")


def test_what_served_runs_on():
    """Also where it is another one than the fleet goes back to."""
    behind = replace(NEW, version=4, held=2, back=3)
    assert elders.beside(NEW, None) == Elder(beside=2, version=1)
    assert elders.beside(behind, None) == Elder(beside=4, version=2)


def test_a_slot_that_comes_here_belongs_to_both_sets():
    """It was moved, or its device died: its old copy is missed as well."""
    moved = replace(NEW, held=0)
    assert elders.beside(moved, None) == Elder(beside=2, version=1)
    assert elders.beside(replace(moved, back=0), None) == Elder(beside=2)
    assert elders.beside(replace(moved, is_promoted=True), None) == Elder(beside=2)


def test_one_that_was_promoted_already_leaves_the_old_one_its_time():
    """A device that was away during all of it changes like the others."""
    late = replace(NEW, is_promoted=True)
    assert elders.beside(late, None) == Elder(beside=2, version=1)


def test_what_has_left_does_not_come_back():
    """Whatever is decided anew."""
    gone = Elder(beside=2)
    assert elders.beside(replace(NEW, held=2), gone) == gone


def test_overtaken_before_the_switch_the_elder_stays():
    """What serves is never the one that nobody promoted."""
    third = Newcomer(version=3, held=2, back=1)
    waiting = Elder(beside=2, version=1)
    assert elders.beside(third, waiting) == Elder(beside=3, version=1)


@pytest.mark.parametrize(
    ("known", "changes"),
    [
        (Elder(beside=2, version=1, since=5.0), {}),
        (Elder(beside=2, version=1), {"was_promoted": True}),
        (Elder(beside=2), {}),
        (None, {}),
    ],
)
def test_overtaken_after_the_switch_the_promoted_one_is_the_elder(known, changes):
    """Never more than two: the one before leaves."""
    third = replace(Newcomer(version=3, held=2, back=2), **changes)
    assert elders.beside(third, known) == Elder(beside=3, version=2)


def test_only_a_blue_green_rollout_with_a_way_back_has_elders():
    """And only of what two copies may run."""
    signed = a.deployment(version=2, fallback=1, rollout=BLUE_GREEN)
    strict = a.workload(failover="strict")
    assert elders.has_elders(signed, a.workload(ports=(a.port(8081),)))
    assert not elders.has_elders(signed, strict)
    first = a.deployment(rollout=BLUE_GREEN)
    other = a.deployment(version=2, fallback=1, rollout=a.rollout())
    assert not elders.has_elders(first, a.workload())
    assert not elders.has_elders(other, a.workload())


def test_it_leaves_when_it_was_kept_for_long_enough():
    """Counted from the switch."""
    began = elders.count(Elder(beside=2, version=1), KEEP_FOR, 50.0)
    assert began.is_leaving
    assert elders.leaves_at(began, KEEP_FOR) == 650.0
    assert elders.count(began, KEEP_FOR, 60.0) == began
    assert elders.count(began, KEEP_FOR, 650.0) == Elder(beside=2)


def test_one_that_is_not_to_be_kept_leaves_at_the_switch():
    """Nothing is counted."""
    assert elders.count(Elder(beside=2, version=1), 0.0, 50.0) == Elder(beside=2)


def test_before_the_switch_nobody_knows_when_it_leaves():
    """So nothing wakes for it."""
    assert elders.leaves_at(Elder(beside=2, version=1), KEEP_FOR) is None
    assert elders.leaves_at(Elder(beside=2), KEEP_FOR) is None


def test_what_was_counted_before_a_boot_is_not_lost():
    """As far as it was written down; the clock begins at 0 again."""
    began = elders.count(Elder(beside=2, version=1), KEEP_FOR, 5000.0)
    noted = elders.count(began, KEEP_FOR, 5300.0)
    assert (noted.counted, noted.since) == (300.0, 5300.0)
    booted = elders.count(noted, KEEP_FOR, 20.0)
    assert elders.leaves_at(booted, KEEP_FOR) == 300.0


@given(
    keep_for=st.floats(0.0, 5000.0),
    uptime=st.floats(0.0, 10_000.0),
    steps=st.lists(st.tuples(st.floats(0.0, 900.0), st.booleans()), max_size=40),
)
def test_it_never_leaves_early_and_leaves_at_last(keep_for, uptime, steps):
    """However often the device boots, and whenever it is asked."""
    elder = elders.count(Elder(beside=2, version=1), keep_for, uptime)
    passed = 0.0
    for seconds, has_booted in steps:
        passed += seconds
        uptime = seconds if has_booted else uptime + seconds
        if elder.version:
            elder = elders.count(elder, keep_for, uptime)
        if not elder.version:
            assert passed >= keep_for - 1e-6
            return
    elder = elders.count(elder, keep_for, uptime) if elder.version else elder
    if elder.version:
        last = elders.leaves_at(elder, keep_for)
        assert last is not None
        assert not elders.count(elder, keep_for, last + 1e-6).version
