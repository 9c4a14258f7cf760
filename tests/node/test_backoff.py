"""How long a replica waits after its runs ended badly."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import backoff
from node.backoff import Trail
from tests.support.replicas import a_container, a_replica, exited

ALIVE = a_container(a_replica())


def seen(trail: Trail, container, now: float, *, is_unhealthy=False) -> Trail:
    """Return the trail after one look."""
    return backoff.follow(trail, container, now, is_unhealthy=is_unhealthy)


def crashes(count: int, apart: float = 1.0) -> Trail:
    """Return the trail of so many short runs, each seen to run and to end."""
    trail = Trail()
    for number in range(count):
        now = 100.0 + number * apart
        trail = seen(trail, replace(ALIVE, pid=number + 1), now)
        trail = seen(trail, exited(ALIVE), now + apart / 2)
    return trail


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (10**6, 60)],
)
def test_the_first_restart_is_immediate_then_it_doubles_to_a_minute(failures, seconds):
    """A single crash costs nothing, a loop one start a minute."""
    assert backoff.pause(failures) == seconds


def test_short_runs_are_counted():
    """Each one that ends."""
    assert crashes(3).failures == 3


def test_a_good_run_is_forgiven():
    """What ran for a minute has proved that it can."""
    trail = crashes(3, apart=2 * backoff.GOOD_RUN)
    assert trail.failures == 1


def test_failures_are_forgotten_while_it_runs_well():
    """The status then shows nothing of them."""
    trail = seen(crashes(3), replace(ALIVE, pid=99), 200.0)
    after = seen(trail, replace(ALIVE, pid=99), 200.0 + backoff.GOOD_RUN)
    assert (trail.failures, after.failures, after.problem) == (3, 0, "")


def test_one_end_is_counted_once():
    """However often it is looked at."""
    once = crashes(1)
    assert seen(once, exited(ALIVE), 101.0) == once


def test_a_container_never_seen_to_run_is_no_failure():
    """After a reboot everything is down, and nothing has crashed."""
    trail = seen(Trail(), exited(ALIVE), 100.0)
    assert (trail.failures, trail.is_over) == (0, True)


def test_a_run_too_short_to_be_seen_is_counted():
    """Or a program that ends at once would be started without any pause."""
    trail = Trail()
    for number in range(4):
        trail = backoff.started(trail, 100.0 + number)
        trail = seen(trail, exited(ALIVE), 100.5 + number)
    assert (trail.failures, trail.restarts) == (4, 3)


def test_a_start_that_is_seen_to_run_is_no_failure():
    """It counts as a restart once, whoever saw it first."""
    trail = backoff.started(seen(crashes(1), exited(ALIVE), 101.0), 102.0)
    trail = seen(trail, replace(ALIVE, pid=99), 102.1)
    assert (trail.failures, trail.restarts, trail.is_started) == (1, 1, False)


def test_an_unhealthy_run_counts_once():
    """It goes on running until its restart is due."""
    trail = seen(Trail(), ALIVE, 100.0)
    for now in (101.0, 102.0, 103.0):
        trail = seen(trail, ALIVE, now, is_unhealthy=True)
    assert (trail.failures, trail.failed_at) == (1, 101.0)


def test_podmans_own_repair_is_waited_for():
    """Nobody else touches the container meanwhile."""
    down = exited(ALIVE, 137, repair_pending=True)
    trail = seen(seen(Trail(), ALIVE, 100.0), down, 101.0)
    assert backoff.patience_until(trail, down) == 101.0 + backoff.REPAIR_GRACE
    assert trail.failures == 0


def test_a_repair_that_succeeds_is_a_restart_and_no_failure():
    """People see the count; the pause is not affected."""
    down = exited(ALIVE, 137, repair_pending=True)
    trail = seen(seen(Trail(), ALIVE, 100.0), down, 101.0)
    trail = seen(trail, replace(ALIVE, pid=77), 101.2)
    assert (trail.failures, trail.restarts) == (0, 1)


def test_a_repair_that_does_not_come_is_counted():
    """Podman's clean-up may have been killed too."""
    down = exited(ALIVE, 137, repair_pending=True)
    trail = seen(seen(Trail(), ALIVE, 100.0), down, 101.0)
    trail = seen(trail, down, 101.0 + backoff.REPAIR_GRACE)
    assert backoff.patience_until(trail, down) is None
    assert trail.failures == 1


def test_a_lost_process_is_noticed_only_after_podman_had_time_to():
    """Between an end and Podman's knowing of it lie some milliseconds."""
    lost = replace(ALIVE, is_alive=False)
    trail = seen(seen(Trail(), ALIVE, 100.0), lost, 101.0)
    assert backoff.patience_until(trail, lost) == 101.0 + backoff.LOST_AFTER
    assert seen(trail, lost, 103.0).failures == 1


def test_a_container_that_is_missing_changes_nothing():
    """It is created, not restarted."""
    assert seen(crashes(2), None, 500.0) == crashes(2)


def test_a_failed_action_waits_like_a_crash():
    """The reason is what people read."""
    trail = backoff.failed(backoff.failed(Trail(), "no", 10.0), "no space", 20.0)
    assert (backoff.ready_at(trail), trail.problem) == (21.0, "no space")


@given(st.lists(st.floats(0, 50), max_size=30))
def test_no_history_makes_anyone_wait_longer_than_a_minute(gaps):
    """Whatever happens, the next try is near."""
    trail, now = Trail(), 0.0
    for number, gap in enumerate(gaps):
        now += gap
        trail = seen(trail, replace(ALIVE, pid=number + 1), now)
        trail = seen(trail, exited(ALIVE), now)
    assert backoff.ready_at(trail) <= now + backoff.LONGEST_PAUSE
