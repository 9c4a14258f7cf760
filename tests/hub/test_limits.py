from hypothesis import given
from hypothesis import strategies as st

from edge.bucket import Rate
from hub.limits import SENDERS_MAX, Buckets


def test_a_burst_passes_and_then_a_trickle() -> None:
    """Twenty devices behind one address may enrol at once."""
    buckets = Buckets(rate=Rate(burst=3, per_second=1))
    assert [buckets.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("a", 1.0)
    assert not buckets.take("a", 1.5)


def test_one_sender_does_not_use_up_anothers() -> None:
    """A flood is the flooder's problem."""
    buckets = Buckets(rate=Rate(burst=1, per_second=0))
    assert buckets.take("a", 0.0)
    assert buckets.take("b", 0.0)


def test_what_was_welcome_costs_nothing() -> None:
    """An operator who posts a thousand secrets is no flood."""
    buckets = Buckets(rate=Rate(burst=1, per_second=0))
    for _ in range(5):
        assert buckets.take("a", 0.0)
        buckets.give_back("a")


def test_the_table_is_bounded_and_forgets_the_most_silent() -> None:
    """A million addresses cost no more than a few thousand."""
    buckets = Buckets(rate=Rate(burst=1, per_second=0))
    for number in range(SENDERS_MAX + 1):
        buckets.take(f"a{number}", 0.0)
    assert len(buckets.buckets) == SENDERS_MAX
    assert "a0" not in buckets.buckets


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60))
def test_no_more_passes_than_burst_and_rate_allow(times: list[float]) -> None:
    """Whatever the rhythm, and even if the clock goes back."""
    buckets = Buckets(rate=Rate(burst=5, per_second=2))
    passed = sum(buckets.take("a", now) for now in sorted(times))
    assert passed <= 5 + 2 * (max(times) - min(times)) + 1e-6
