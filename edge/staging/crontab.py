"""Five fields as in crontab(5): which minutes of which days.

Lists, ranges and steps; numbers only. A day must fit both day fields, or one of them
where neither begins with ``*``, as cron has it. Sunday is 0 and 7.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import NamedTuple

MINUTES_OF_HOUR = 60
SUNDAY = 7
DAYS_MAX = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month in its longest year."""
FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, SUNDAY),
)

_PART = re.compile(
    r"(?:\*|(?P<first>\d{1,2})(?:-(?P<last>\d{1,2}))?)(?:/(?P<step>\d{1,2}))?", re.ASCII
)


class Crontab(NamedTuple):
    """The numbers each field allows."""

    times: tuple[int, ...]
    """Minutes since midnight, ascending."""
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """1 is Monday, as in ISO 8601."""
    is_either: bool
    """Whether one of the two day fields is enough."""

    def holds(self, day: date) -> bool:
        """Return whether it opens on this day at all."""
        if day.month not in self.months:
            return False
        is_day = day.day in self.days
        is_weekday = day.isoweekday() in self.weekdays
        return is_day or is_weekday if self.is_either else is_day and is_weekday

    @property
    def is_never(self) -> bool:
        """Return whether no year has such a day, as with 30 February."""
        if self.is_either:
            return False
        longest = max(DAYS_MAX[month - 1] for month in self.months)
        return longest < min(self.days)


@lru_cache(maxsize=256)
def read(text: str) -> Crontab:
    """Return what the five fields mean; raise ValueError with a sentence."""
    words = text.split()
    if len(words) != len(FIELDS):
        names = " ".join(name for name, _, _ in FIELDS)
        problem = f"cannot read {text!r}: it has {len(words)} fields"
        raise ValueError(f"{problem}, write five: {names}")
    pairs = zip(words, FIELDS, strict=True)
    minutes, hours, days, months, weekdays = (
        frozenset(_numbers(word, *field)) for word, field in pairs
    )
    return Crontab(
        times=tuple(
            hour * MINUTES_OF_HOUR + minute
            for hour in sorted(hours)
            for minute in sorted(minutes)
        ),
        days=days,
        months=months,
        weekdays=frozenset(number or SUNDAY for number in weekdays),
        is_either=not (words[2].startswith("*") or words[4].startswith("*")),
    )


def _numbers(word: str, name: str, low: int, high: int) -> Iterator[int]:
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            advice = 'write "*", "5", "1-5", "*/15", "1-30/2" or a list of such'
            raise ValueError(f"cannot read the {name} {part!r}: {advice}")
        first, last = _range(match, low, high)
        if not low <= first <= last <= high:
            problem = f"must rise from {low} to {high} at most"
            raise ValueError(f"cannot use the {name} {part!r}: {problem}")
        step = int(match["step"] or 1)
        if not step or (match["step"] and first == last):
            problem = "a step needs a range, and is at least 1"
            raise ValueError(f"cannot use the {name} {part!r}: {problem}")
        yield from range(first, last + 1, step)


def _range(match: re.Match[str], low: int, high: int) -> tuple[int, int]:
    if match["first"] is None:
        return low, high
    first = int(match["first"])
    return first, int(match["last"] or first)
