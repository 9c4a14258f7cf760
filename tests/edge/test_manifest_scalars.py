"""Values of a manifest: nothing is guessed, every refusal says what to write."""

import datetime as dt
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifest import scalars

MEMORY = scalars.size(0)
PAUSE = scalars.duration(0, 86400)


def refusal(convert: Callable[[object], object], value: object) -> str:
    """Return the sentence a converter refuses a value with."""
    with pytest.raises(ValueError, match=r"^cannot ") as caught:
        convert(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("32MiB", 33554432),
        ("1.5GiB", 1610612736),
        ("64 KiB", 65536),
        ("1KB", 1000),
        ("2MB", 2000000),
        ("1GB", 1000000000),
        (4096, 4096),
    ],
)
def test_a_size_has_a_unit_or_is_bytes(text: object, count: int) -> None:
    """Binary units are powers of 1024, decimal ones of 1000."""
    assert MEMORY(text) == count


@pytest.mark.parametrize(
    "value", ["500k", "32mib", "32", "MiB", "-1MiB", "1e3MiB", 1.5, True, [], "٣MiB"]
)
def test_a_size_with_another_unit_is_refused(value: object) -> None:
    """Half the world means 1000 by "k": it is not guessed."""
    assert '"32MiB"' in refusal(MEMORY, value)


def test_a_size_below_the_least_asks_for_a_unit() -> None:
    """``memory = 32`` is 32 bytes, which nobody means."""
    assert "is a unit missing?" in refusal(scalars.size(1024), 32)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2s", 2.0),
        ("500ms", 0.5),
        ("1m", 60.0),
        ("1h", 3600.0),
        ("1.5s", 1.5),
        (3, 3.0),
    ],
)
def test_a_duration_has_a_unit_or_is_seconds(text: object, seconds: float) -> None:
    """Milliseconds to hours."""
    assert PAUSE(text) == seconds


@pytest.mark.parametrize(
    "value", ["2", "2 days", "1h30m", "s", True, float("nan"), float("inf"), 10**400]
)
def test_another_duration_is_refused(value: object) -> None:
    """NaN compares false with every limit: it is caught before them."""
    assert '"2s"' in refusal(PAUSE, value)


def test_a_duration_out_of_range_names_the_range() -> None:
    """The reader learns both ends."""
    assert "from 0.1 to 5 seconds" in refusal(scalars.duration(0.1, 5), "6s")


@pytest.mark.parametrize("value", [0, "0", 1.0, None, "true"])
def test_a_switch_is_true_or_false(value: object) -> None:
    """Nothing else is a yes."""
    assert "true or false" in refusal(scalars.flag, value)


def test_true_is_no_number() -> None:
    """Python counts True as 1; a manifest does not."""
    assert "whole number" in refusal(scalars.whole(0, 9), value=True)


@pytest.mark.parametrize("value", [-1, 10])
def test_a_number_out_of_range_is_refused(value: int) -> None:
    """Both ends hold."""
    assert "from 0 to 9" in refusal(scalars.whole(0, 9), value)


def test_text_has_no_nul() -> None:
    """A program's arguments end at the first NUL: the rest would be lost."""
    assert "NUL" in refusal(scalars.text, "a\0b")


def test_text_has_a_longest() -> None:
    """What is longer than a document may carry is refused here."""
    assert "at most 3" in refusal(lambda value: scalars.text(value, 3), "abcd")


def test_a_near_word_is_offered() -> None:
    """A typing error names the word that was meant."""
    assert 'did you mean "bridge"?' in refusal(scalars.choice(["bridge"]), "brigde")


def test_a_far_word_gets_the_whole_list() -> None:
    """Nothing near: all options."""
    assert '"a", "b"' in refusal(scalars.choice(["a", "b"]), "zzz")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        pytest.param(16**5000, "a number this large", id="huge"),
        ("ä", '"ä"'),
        ("\x9b31m", '"\\u009b31m"'),
        ({}, "a table"),
        ([], "a list"),
        (dt.date(2027, 1, 1), "a date or time"),
    ],
)
def test_a_value_is_shown_as_toml(value: object, text: str) -> None:
    """Short, in the file's own spelling, and harmless to a terminal."""
    assert scalars.shown(value) == text


def test_a_long_value_is_cut() -> None:
    """An error stays one line."""
    assert len(scalars.shown("x" * 1000)) == scalars.SHOWN_MAX + 1


@given(st.integers(0, 2**40), st.sampled_from(["KiB", "MiB", "KB", "MB"]))
def test_a_whole_size_is_exact(count: int, unit: str) -> None:
    """No size goes through a float."""
    one = MEMORY(f"1{unit}")
    if count * one <= scalars.WHOLE_MAX:
        assert MEMORY(f"{count}{unit}") == count * one
