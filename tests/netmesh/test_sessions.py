from hypothesis import given
from hypothesis import strategies as st

from netmesh.sessions import RATE, WINDOW, Session

A, B = b"session-", b"session+"


@given(st.lists(st.integers(0, 200), max_size=80))
def test_nothing_counts_twice(counts):
    """Law: whatever the order, each number is fresh once at most."""
    session = Session()
    fresh = [count for count in counts if session.is_fresh(A, count)]
    assert len(fresh) == len(set(fresh))


@given(st.permutations(range(WINDOW)))
def test_what_overtakes_within_the_window_still_counts(counts):
    """What overtakes within the window still counts."""
    session = Session()
    assert all(session.is_fresh(A, count) for count in counts)


def test_what_is_older_than_the_window_is_lost():
    """What is older than the window is lost."""
    session = Session()
    assert session.is_fresh(A, WINDOW + 5)
    assert not session.is_fresh(A, 5)


def test_a_session_that_is_over_never_comes_back():
    """A recording of it, played after a restart of its device, is worth nothing."""
    session = Session()
    assert session.is_fresh(A, 1)
    assert session.is_fresh(B, 0)
    assert not session.is_fresh(A, 2)
    assert session.is_fresh(B, 1)


def test_a_device_may_send_so_much_and_no_more():
    """A device may send so much and no more."""
    session = Session()
    passed = sum(session.bucket.take(1.0) for _ in range(10_000))
    assert passed <= RATE.burst
    assert session.bucket.take(2.0)
