"""What a device remembers of versions that failed here, bounded in every direction.

Of each slot the newest few; of a few the last lines too: plain for the device itself,
sealed (`edge.sealed_text`) in the failure that a report carries.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec import structs

from edge.model import Failure, SealedText

BAD_MAX = 4
"""Bad versions of one slot that are remembered, the newest ones."""
REASON_MAX = 300  # characters
LINES_MAX = 40
LOG_MAX = 4096  # bytes of the last lines of a failing container
LOGS_MAX = 8
"""Failures that keep their last lines: all of them must fit into one report."""
TOLD_MAX = 64
"""Failures in a report (`edge.documents.Report.failures`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """The last lines of what failed: plain for this device, sealed for operators."""

    plain: str = ""
    sealed: SealedText | None = None


SILENCE = LastWords()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Failures and the last lines of some of them, both by slot and version (`key`)."""

    bad: dict[str, Failure]
    lines: dict[str, str]


def key(slot: str, version: int) -> str:
    """Return the name of a version in a slot."""
    return f"{slot} {version}"


def add(
    bad: Mapping[str, Failure],
    lines: Mapping[str, str],
    failure: Failure,
    words: LastWords,
) -> Remembered:
    """Return what is remembered with one more failure."""
    name = key(failure.slot, failure.version)
    failure = structs.replace(
        failure, reason=failure.reason[:REASON_MAX], sealed_log=words.sealed
    )
    few = _few({**bad, name: failure}, failure.slot)
    kept = only_of(few, {**lines, name: words.plain})
    boxed = {
        name: each if name in kept else _unboxed(each) for name, each in few.items()
    }
    return Remembered(bad=boxed, lines=kept)


def only_of(bad: Mapping[str, Failure], lines: Mapping[str, str]) -> dict[str, str]:
    """Return the last lines of the newest of these failures that have any."""
    known = sorted(name for name in bad if lines.get(name))
    newest = sorted(known, key=lambda name: -bad[name].at)[:LOGS_MAX]
    return {name: lines[name] for name in newest}


def told(bad: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return what to tell of bad versions, the newest ones if there are many."""
    newest = sorted(bad, key=lambda each: -each.at)[:TOLD_MAX]
    return tuple(sorted(newest, key=lambda each: (each.slot, each.version)))


def last_lines(log: bytes) -> str:
    """Return the end of a log as people may see it: no codes that steer a terminal."""
    text = log[-LOG_MAX:].decode("utf-8", "replace")
    lines = ("".join(_shown(each) for each in line) for line in text.splitlines())
    kept = "\n".join(list(lines)[-LINES_MAX:])
    return kept.encode()[-LOG_MAX:].decode("utf-8", "ignore")


def _few(bad: Mapping[str, Failure], slot: str) -> dict[str, Failure]:
    """Return the failures without the oldest versions of a slot that failed often."""
    mine = sorted(each.version for each in bad.values() if each.slot == slot)
    dropped = {key(slot, version) for version in mine[:-BAD_MAX]}
    return {name: each for name, each in bad.items() if name not in dropped}


def _unboxed(failure: Failure) -> Failure:
    return structs.replace(failure, sealed_log=None)


def _shown(character: str) -> str:
    return character if character.isprintable() or character == "\t" else "?"
