"""Converters for single values: text, switches, numbers, sizes and durations.

Each takes what TOML gave, and returns the value or raises ValueError with a sentence
that begins "cannot" and says what to write instead. Nothing is converted silently:
``"3"`` is not a number, ``1`` is not true, and a size without a known unit is refused.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

L = TypeVar("L", bound=str)

SHOWN_MAX = 60  # characters of a value quoted back: the error stays one line
SHORT_MAX = 256  # `edge.names.Short`
TEXT_MAX = 4096  # `edge.names.Text`
WHOLE_MAX = 2**53 - 1  # what every JSON reader can hold

# Bounded digits: int() of a very long number is slow, and refused by Python.
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([KMG]i?B)", re.ASCII)
_DURATION = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?(ms|s|m|h)", re.ASCII)
_BYTES = {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def shown(value: object) -> str:
    """Return ``value`` as it may stand in an error: short, and spelled as in TOML."""
    if isinstance(value, int) and not isinstance(value, bool):
        # str() of an int of more than 4,300 digits raises.
        return str(value) if abs(value) <= WHOLE_MAX else "a number this large"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, (str, bool, float)):
        # What could steer a terminal is escaped.
        is_plain = isinstance(value, str) and value.isprintable()
        text = json.dumps(value, ensure_ascii=not is_plain)
        return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
    return "a date or time"


def wrong(value: object, advice: str) -> ValueError:
    """Return the error for a value that can not be used."""
    return ValueError(f"cannot use {shown(value)}: {advice}")


def text(value: object, longest: int = TEXT_MAX) -> str:
    """Return ``value`` when it is text that fits; NUL ends no argument of a program."""
    if not isinstance(value, str):
        raise wrong(value, "write text in quotes")
    if len(value) > longest:
        raise wrong(value, f"at most {longest} characters fit here")
    if "\0" in value:
        raise wrong(value, "a NUL character can not be passed to a program")
    return value


def flag(value: object) -> bool:
    """Return ``value`` when it is true or false."""
    if not isinstance(value, bool):
        raise wrong(value, "write true or false, without quotes")
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return the converter of whole numbers from ``low`` to ``high``."""

    def convert(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(value, f"write a whole number from {low} to {high}")
        if not low <= value <= high:
            raise wrong(value, f"must be from {low} to {high}")
        return value

    return convert


def number(low: float, high: float) -> Callable[[object], float]:
    """Return the converter of numbers from ``low`` to ``high``."""

    def convert(value: object) -> float:
        return _between(_number(value, "write a number"), low, high, value)

    return convert


def choice(options: Sequence[L]) -> Callable[[object], L]:
    """Return the converter of one word out of ``options``."""

    def convert(value: object) -> L:
        word = text(value)
        for option in options:
            if option == word:
                return option
        near = difflib.get_close_matches(word, options, n=1)
        hint = f"did you mean {shown(near[0])}?" if near else ""
        raise wrong(value, hint or f"write one of {', '.join(map(shown, options))}")

    return convert


def size(low: int) -> Callable[[object], int]:
    """Return the converter of sizes in bytes: ``"32MiB"``, or a bare whole number."""

    def convert(value: object) -> int:
        count = _size(value)
        if not low <= count <= WHOLE_MAX:
            raise wrong(value, f"must be at least {low} bytes; is a unit missing?")
        return count

    return convert


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(value, 'write a size such as "32MiB" (KiB MiB GiB, KB MB GB)')
    return int(Fraction(match[1]) * _BYTES[match[2]])


def duration(low: float, high: float) -> Callable[[object], float]:
    """Return the converter of durations in seconds: ``"500ms"``, or a bare number."""

    def convert(value: object) -> float:
        return _between(_duration(value), low, high, value, " seconds")

    return convert


def _duration(value: object) -> float:
    advice = 'write a duration such as "2s" (ms s m h), or seconds as a number'
    if not isinstance(value, str):
        return _number(value, advice)
    match = _DURATION.fullmatch(value)
    if match is None:
        raise wrong(value, advice)
    return float(Fraction(match[1]) * _MILLISECONDS[match[2]] / 1000)


def _number(value: object, advice: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise wrong(value, advice)
    if isinstance(value, int) and abs(value) > WHOLE_MAX:
        raise wrong(value, advice)  # float() of it may overflow
    if not math.isfinite(value):
        raise wrong(value, advice)
    return float(value)


def _between(
    value: float, low: float, high: float, given: object, unit: str = ""
) -> float:
    if not low <= value <= high:
        raise wrong(given, f"must be from {low:g} to {high:g}{unit}")
    return value
