"""When windows open, for whom, and in which zone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.staging.shapes import Window
from edge.staging.windows import (
    DAY,
    began_at,
    is_open,
    malformed,
    opens_next,
    own_delay,
    problem,
)

HOUR = 3600.0
NODES = [f"n{index}" for index in range(1, 21)]


def window(opens: str = "0 2 * * *", **changes: Any) -> Window:
    """Return a window of two hours, every night at two unless told otherwise."""
    return Window(**{"opens": opens, "lasts": 2 * HOUR, **changes})


def at(text: str) -> float:
    """Return seconds since the epoch of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def next_of(made: Window, after: str) -> str:
    """Return the next opening in UTC."""
    found = opens_next(made, at(after))
    assert found is not None
    return datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%d %H:%M")


def test_a_window_opens_and_closes() -> None:
    """The first second belongs to it, the last one does not."""
    night = window()
    moments = ["01:59:59", "02:00:00", "03:59:59", "04:00:00"]
    opened = [is_open(night, at(f"2027-03-01 {each}"), "n1") for each in moments]
    assert opened == [False, True, True, False]


def test_a_window_may_last_past_midnight_and_over_days() -> None:
    """A weekend, say."""
    weekend = window("0 22 * * 5", lasts=2.5 * DAY)
    assert is_open(weekend, at("2027-03-07 23:00"), "n1")
    assert not is_open(weekend, at("2027-03-08 10:00"), "n1")


def test_the_next_opening_is_later_than_now() -> None:
    """Also while the window is open."""
    assert next_of(window(), "2027-03-01 01:00") == "2027-03-01 02:00"
    assert next_of(window(), "2027-03-01 02:00") == "2027-03-02 02:00"
    assert next_of(window("0 0 29 2 *"), "2027-03-01") == "2028-02-29 00:00"
    assert next_of(window("0 0 29 2 */7"), "2033-01-01") == "2060-02-29 00:00"


def test_a_window_stands_in_its_zone() -> None:
    """Two at night in Berlin is one in UTC, in winter."""
    assert next_of(window(zone="Europe/Berlin"), "2027-01-01") == "2027-01-01 01:00"


def test_a_time_that_the_clock_skips_is_not_lost() -> None:
    """On 28 March 2027 in Berlin, two is three."""
    night = window("30 2 * * *", zone="Europe/Berlin")
    assert next_of(night, "2027-03-27 12:00") == "2027-03-28 01:30"
    assert next_of(night, "2027-03-28 12:00") == "2027-03-29 00:30"


def test_a_time_that_comes_twice_opens_once() -> None:
    """On 31 October 2027 in Berlin, half past two comes again an hour later."""
    night = window("30 2 * * *", lasts=1800.0, zone="Europe/Berlin")
    assert next_of(night, "2027-10-30 12:00") == "2027-10-31 00:30"
    assert next_of(night, "2027-10-31 00:30") == "2027-11-01 01:30"
    assert not is_open(night, at("2027-10-31 01:35"), "n1")


def test_each_device_begins_at_its_own_moment() -> None:
    """Spread over the time that was given, and the same again next night."""
    night = window(spread=HOUR)
    delays = sorted(own_delay(night, node) for node in NODES)
    assert len(set(delays)) == len(NODES)
    assert delays[0] < HOUR / 4
    assert HOUR * 3 / 4 < delays[-1] < HOUR
    opened = at("2027-03-01 02:00")
    for node in NODES:
        own = opened + own_delay(night, node)
        assert not is_open(night, own - 1, node)
        assert is_open(night, own + 1, node)


FIELD = st.integers(0, 11)


@given(FIELD, FIELD, st.integers(1, 28) | st.just("*"), st.integers(0, 2 * 365 * 24))
def test_nothing_opens_before_what_opens_next(
    minute: int, hour: int, day: int | str, after: int
) -> None:
    """And then it is open."""
    made = window(f"{minute} {hour} {day} * *", zone="America/New_York")
    start = at("2027-01-01") + after * HOUR
    found = opens_next(made, start)
    assert found is not None
    assert began_at(made, found) == found
    steps = int((found - start) // (2 * HOUR - 60))
    ahead = [began_at(made, found - step * (2 * HOUR - 60)) for step in range(1, steps)]
    assert [each for each in ahead if each is not None and each > start] == []


def test_an_unknown_zone_is_closed() -> None:
    """Never open by mistake; the sentence says what to write."""
    for name in ("Europe/Atlantis", "America", "../../etc/passwd", ""):
        lost = window(zone=name)
        assert not is_open(lost, at("2027-03-01 02:30"), "n1")
        assert opens_next(lost, at("2027-03-01")) is None
        assert problem(lost).startswith(f"nobody here knows the zone {name!r}")
        assert malformed(lost) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"opens": "0 2 * *"}, "cannot read '0 2 * *': it has 4 fields"),
        ({"opens": "0 0 30 2 *"}, "'0 0 30 2 *' never opens: no year has such a day"),
        ({"lasts": 0.0}, "a window lasts from 60 s to 31 days, not 0 s"),
        ({"lasts": 40 * DAY}, "a window lasts from 60 s to 31 days"),
        ({"spread": 2 * HOUR}, "spread (7200 s) must be shorter than what the window"),
    ],
)
def test_a_window_that_cannot_be_used_says_why(
    changes: dict[str, Any], expected: str
) -> None:
    """The same sentence wherever it is read."""
    made = window(**changes)
    assert malformed(made).startswith(expected)
    assert problem(made) == malformed(made)


def test_a_sound_window_has_no_problem() -> None:
    """Nor has UTC, which needs no database."""
    assert problem(window()) == ""
    assert problem(window(zone="Asia/Tokyo", spread=HOUR)) == ""
