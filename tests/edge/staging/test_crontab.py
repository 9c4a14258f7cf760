"""Five fields: what they allow, and what cannot be read."""

from datetime import date, timedelta

import pytest

from edge.staging.crontab import read

YEAR = [date(2028, 1, 1) + timedelta(days=index) for index in range(366)]


def days(text: str) -> list[str]:
    """Return the days of 2028 on which it opens, as month-day."""
    schedule = read(text)
    return [f"{day.month}-{day.day}" for day in YEAR if schedule.holds(day)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", [150]),
        ("0,30 2 * * *", [120, 150]),
        ("0-10/5 0 * * *", [0, 5, 10]),
        ("*/20 1,3 * * *", [60, 80, 100, 180, 200, 220]),
        ("59 23 * * *", [1439]),
    ],
)
def test_minutes_and_hours_make_the_times_of_a_day(
    text: str, expected: list[int]
) -> None:
    """In minutes since midnight."""
    assert list(read(text).times) == expected


def test_months_and_days_choose_the_days() -> None:
    """The longest February included."""
    assert days("0 0 29-31 2-3 *") == ["2-29", "3-29", "3-30", "3-31"]


def test_sunday_has_two_numbers() -> None:
    """As in crontab(5)."""
    assert (
        days("0 0 * 1 0") == days("0 0 * 1 7") == ["1-2", "1-9", "1-16", "1-23", "1-30"]
    )
    assert days("0 0 * 1 1") == ["1-3", "1-10", "1-17", "1-24", "1-31"]


def test_one_of_two_day_fields_is_enough() -> None:
    """As cron has it, unless one begins with a star."""
    assert days("0 0 13 10 5") == ["10-6", "10-13", "10-20", "10-27"]
    assert days("0 0 */2 10 5") == ["10-13", "10-27"]


def test_a_day_that_no_year_has_is_known() -> None:
    """A weekday beside it makes it possible."""
    assert read("0 0 30 2 *").is_never
    assert read("0 0 31 2,4,6,9,11 *").is_never
    assert not read("0 0 29 2 *").is_never
    assert not read("0 0 31 2,3 *").is_never
    assert not read("0 0 30 2 1").is_never


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 2 * *", "it has 4 fields, write five: minute hour day month weekday"),
        ("@daily", "it has 1 fields"),
        ("60 2 * * *", "cannot use the minute '60': must rise from 0 to 59"),
        ("0 24 * * *", "cannot use the hour '24'"),
        ("0 0 0 * *", "cannot use the day '0'"),
        ("0 0 * 13 *", "cannot use the month '13'"),
        ("0 0 * * 8", "cannot use the weekday '8'"),
        ("0 5-2 * * *", "cannot use the hour '5-2'"),
        ("*/0 0 * * *", "a step needs a range, and is at least 1"),
        ("5/10 0 * * *", "a step needs a range, and is at least 1"),
        ("0 0 * * MON", "cannot read the weekday 'MON'"),
        ("0, 0 * * *", "cannot read the minute ''"),
        ("٣ 0 * * *", "cannot read the minute"),
    ],
)
def test_what_is_no_crontab_is_refused(text: str, problem: str) -> None:
    """With the field it is about."""
    with pytest.raises(ValueError, match=problem.replace("*", r"\*")):
        read(text)
