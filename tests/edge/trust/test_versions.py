"""Nothing goes backwards, and no document uses up the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.trust.ledger import Head
from edge.trust.versions import JUMP_MAX, SEQ_JUMP_MAX, refusal
from tests.support import builders as a

N1 = a.Device("n1")
small = st.integers(0, 2**53 - 1)
places = st.tuples(small, small, small)


def name(document, held: tuple[int, ...] | None, digest="sha256:x") -> str:
    """Return the name of the refusal, "" when the counter is fine."""
    head = None if held is None else Head(counter=held, digest=digest)
    refused = refusal(document, a.digest(document), head)
    return refused.reason if refused else ""


def machine_made(place: tuple[int, int, int]):
    """Return a beacon at a place in its stream."""
    generation, term, seq = place
    return a.beacon(seq, generation=generation, term=term)


@pytest.mark.parametrize(
    ("version", "held", "expected"),
    [
        (1, None, ""),
        (JUMP_MAX, None, ""),
        (JUMP_MAX + 1, None, "counter-jump"),
        (2, (1,), ""),
        (1, (2,), "rolled-back"),
        (0, (2,), "rolled-back"),
        (2, (2,), "conflict"),
        (5 + JUMP_MAX, (5,), ""),
        (6 + JUMP_MAX, (5,), "counter-jump"),
        (2**53 - 1, (2**53 - 2,), ""),
    ],
)
def test_a_version_rises_and_not_too_far(version, held, expected):
    """The table of cases."""
    assert name(a.deployment("web", version), held) == expected


def test_the_very_same_is_no_conflict():
    """Sent again, it changes nothing."""
    document = a.deployment("web", 2)
    assert name(document, (2,), digest=a.digest(document)) == ""


@pytest.mark.parametrize(
    ("place", "held", "expected"),
    [
        ((1, 1, 2), (1, 1, 1), ""),
        ((1, 1, 1), (1, 1, 2), "rolled-back"),
        ((1, 2, 1), (1, 1, 99), ""),
        ((2, 1, 1), (1, 99, 99), ""),
        ((1, 99, 99), (2, 1, 1), "rolled-back"),
        ((1, 1, 1 + SEQ_JUMP_MAX), (1, 1, 1), ""),
        ((1, 1, 2 + SEQ_JUMP_MAX), (1, 1, 1), "counter-jump"),
        ((1, 2 + JUMP_MAX, 1), (1, 1, 1), "counter-jump"),
        ((2 + JUMP_MAX, 1, 1), (1, 1, 1), "counter-jump"),
        ((1, 1, SEQ_JUMP_MAX), None, ""),
        ((1, 1, SEQ_JUMP_MAX + 1), None, "counter-jump"),
        ((JUMP_MAX + 1, 1, 1), None, "counter-jump"),
    ],
)
def test_a_generation_outranks_a_term_outranks_a_sequence(place, held, expected):
    """The table of cases for what machines count."""
    assert name(machine_made(place), held) == expected


def test_a_device_out_of_a_drawer_catches_up():
    """Years of deployments and beacons it never saw are one step."""
    assert name(a.deployment("web", 40_000), (3,)) == ""
    assert name(a.beacon(50_000_000), (1, 1, 7)) == ""


def test_a_floor_of_fewer_numbers_still_counts():
    """The join file knows one number for each stream."""
    assert name(machine_made((3, 1, 1)), (2,)) == ""
    assert name(machine_made((1, 1, 1)), (2,)) == "rolled-back"


@given(places, places)
def test_what_is_older_is_never_taken(first, second):
    """Law: of two different places one way is always refused as rolled back."""
    older, newer = sorted((first, second))
    if older != newer:
        assert name(machine_made(older), newer) == "rolled-back"


@given(places, places)
def test_what_is_taken_is_newer(place, held):
    """Law: acceptance rises."""
    if not name(machine_made(place), held):
        assert place > held


@given(st.integers(0, JUMP_MAX), st.integers(1, 2**40))
def test_nobody_is_led_where_the_next_number_is_not(held, newcomer):
    """Law: what a newcomer believes, every holder of anything can step beyond."""
    if not name(a.deployment("web", newcomer), None):
        assert (
            name(a.deployment("web", newcomer + 1), (max(held, 1),)) != "counter-jump"
        )
