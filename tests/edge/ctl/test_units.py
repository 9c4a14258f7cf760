"""What is printed can be typed into a manifest again, or is said to be rough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ctl import units
from edge.manifest import scalars
from edge.model import MIB


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (32 * MIB, "32MiB"),
        (1536 * MIB, "1536MiB"),
        (2048 * MIB, "2GiB"),
        (1024, "1KiB"),
        (1500, "1500"),
        (0, "0"),
    ],
)
def test_a_size_is_in_its_largest_unit(count, text):
    """As long as that says it exactly."""
    assert units.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (90.0, "90s"),
        (120.0, "2m"),
        (7200.0, "2h"),
        (0.5, "500ms"),
        (0.0, "0s"),
        (0.0001, "0.0001s"),
    ],
)
def test_a_duration_is_in_its_largest_unit(seconds, text):
    """As long as that says it exactly."""
    assert units.duration(seconds) == text


@given(st.integers(0, 2**53 - 1))
def test_a_size_typed_again_is_the_same(count):
    """Nothing is rounded where two versions are compared."""
    text = units.size(count)
    assert scalars.size(0)(int(text) if text.isdigit() else text) == count


@given(st.integers(0, 10**9))
def test_a_duration_typed_again_is_the_same(thousandths):
    """Down to the millisecond, which is what a manifest can say."""
    text = units.duration(thousandths / 1000)
    assert scalars.duration(0, 1e9)(text) == thousandths / 1000


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 MiB"), (3_565_158, "3.4 MiB"), (120 * MIB, "120 MiB")],
)
def test_bytes_are_told_roughly(count, text):
    """One digit behind the point where it matters."""
    assert units.about(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (42.4, "42 s"),
        (200, "3 min 20 s"),
        (180, "3 min"),
        (7200, "2 h"),
        (9000, "2 h 30 min"),
    ],
)
def test_a_time_is_told_roughly(seconds, text):
    """In one or two units."""
    assert units.span(seconds) == text
