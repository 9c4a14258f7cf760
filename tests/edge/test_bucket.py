"""So much at once, so much a second; a clock that goes back gives nothing."""

from hypothesis import given
from hypothesis import strategies as st

from edge.bucket import Bucket, Rate

RATE = Rate(burst=3, per_second=2)


def test_a_full_one_gives_its_burst_and_then_a_trickle():
    """Full whenever it is looked at first."""
    bucket = Bucket(RATE)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(100.5)
    assert not bucket.take(100.5)


def test_what_is_given_back_can_be_taken_again():
    """And never makes it more than full."""
    bucket = Bucket(RATE)
    bucket.give_back()
    assert sum(bucket.take(0.0) for _ in range(9)) == RATE.burst
    bucket.give_back()
    assert bucket.take(0.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=80))
def test_no_clock_gives_more_than_the_rate(times: list[float]):
    """Forwards it gives what it should; each step back costs, and never pays."""
    bucket = Bucket(RATE)
    taken = sum(bucket.take(now) for now in times)
    ahead = sum(max(0.0, b - a) for a, b in zip([0.0, *times], times, strict=False))
    assert taken <= RATE.burst + ahead * RATE.per_second
