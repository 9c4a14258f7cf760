"""A clock that was set, beside one that drifts."""

from hypothesis import given
from hypothesis import strategies as st

from node.wallclock import JUMP, WallClock

MOMENTS = st.integers(0, 10**9).map(float)


def test_a_clock_that_was_set_says_by_how_much_and_once():
    """There and back."""
    clock = WallClock(ahead=1000.0)
    assert clock.set_by(1010.0, 10.0) == 0.0
    assert clock.set_by(5020.0, 20.0) == 4000.0
    assert clock.set_by(5030.0, 30.0) == 0.0
    assert clock.set_by(1040.0, 40.0) == -4000.0


@given(MOMENTS, st.lists(st.floats(-JUMP, JUMP)), MOMENTS)
def test_drift_is_never_taken_for_setting(ahead, drifts, start):
    """However long it goes on."""
    clock, wall = WallClock(ahead=ahead), ahead + start
    for number, drift in enumerate(drifts):
        wall += 10.0 + drift / 2
        assert clock.set_by(wall, start + 10.0 * (number + 1)) == 0.0
