"""When a replica counts as working, and when it is asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model import Health
from node import health
from node.health import Pulse

CHECK = Health(tcp=":80", every=1.0, fail_after=3)
LATE = Health(tcp=":80", every=1.0, fail_after=1, start_period=10.0)


def probed(check: Health, *outcomes: str) -> Pulse:
    """Return the pulse after probes at the times it asked for, from second 100."""
    pulse = health.begin(100.0, check)
    for outcome in outcomes:
        pulse = health.record(pulse, check, pulse.next_at, outcome)
    return pulse


def test_it_starts_undecided():
    """Neither healthy nor not: a rollout waits."""
    assert probed(CHECK).verdict == "starting"


def test_the_first_success_makes_it_healthy():
    """From then on it is asked at the signed pace."""
    pulse = probed(CHECK, "")
    assert (pulse.verdict, pulse.next_at) == ("healthy", 100.05 + 1.0)


def test_it_is_asked_quickly_until_the_first_success():
    """So that a deploy is not kept waiting for the next beat."""
    times = [round(probed(CHECK, *["no"] * n).next_at - 100, 2) for n in range(7)]
    assert times == [0.05, 0.15, 0.35, 0.75, 1.55, 2.55, 3.55]


def test_quick_questions_do_not_make_it_unhealthy_sooner():
    """Three failures at the signed pace take three seconds and more."""
    pulse = health.begin(100.0, CHECK)
    while pulse.verdict == "starting":
        failed_at = pulse.next_at
        pulse = health.record(pulse, CHECK, failed_at, "no")
    assert failed_at >= 100.0 + 3 * CHECK.every


def test_failures_in_a_row_make_it_unhealthy():
    """Exactly as many as were signed; the reason is the last one's."""
    two, three = probed(CHECK, "", "a", "b"), probed(CHECK, "", "a", "b", "c")
    assert (two.verdict, three.verdict) == ("healthy", "unhealthy")
    assert three.reason == "c"


def test_a_success_between_failures_starts_the_count_again():
    """In a row means in a row."""
    assert probed(CHECK, "", "a", "b", "", "c", "d").verdict == "healthy"


def test_one_success_makes_it_healthy_again():
    """Before it is restarted."""
    assert probed(CHECK, "", "a", "b", "c", "").verdict == "healthy"


def test_failures_within_the_start_period_do_not_count():
    """Some programs take their time."""
    pulse = health.begin(100.0, LATE)
    for now in (101.0, 105.0, 110.5):
        pulse = health.record(pulse, LATE, now, "no")
    assert pulse.verdict == "starting"
    assert health.record(pulse, LATE, 111.0, "no").verdict == "unhealthy"


@given(st.lists(st.booleans(), max_size=40))
def test_it_is_never_unhealthy_without_enough_failures_in_a_row(outcomes):
    """Whatever came before."""
    pulse = probed(CHECK, *("" if good else "no" for good in outcomes))
    if pulse.verdict == "unhealthy":
        assert not any(outcomes[-CHECK.fail_after :])


@given(st.lists(st.booleans(), max_size=40))
def test_it_is_never_asked_more_often_than_signed_once_it_works(outcomes):
    """Probes cost power."""
    pulse = probed(CHECK, "", *("" if good else "no" for good in outcomes))
    after = health.record(pulse, CHECK, pulse.next_at, "")
    assert after.next_at - pulse.next_at == pytest.approx(CHECK.every)
