"""Read the fields of a TOML table, each error with its place in the file.

A converter takes what TOML gave and returns what we need, or raises ValueError with
the whole sentence; this module alone knows where in the file the value stood. Unknown
keys are refused with the nearest known one, so a typing error never passes in silence.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import msgspec

from edge.errors import ManifestError
from edge.manifest import positions
from edge.manifest.positions import Path
from edge.manifest.scalars import shown

T = TypeVar("T")
Convert = Callable[[object], T]

ENTRIES_MAX = 256  # the longest list or table of `edge.model.Workload`

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The text of a manifest and the name of its file; lines are found when asked."""

    text: str
    file: str = ""

    @cached_property
    def lines(self) -> Mapping[Path, int]:
        """Return the line of each key."""
        return positions.lines(self.text)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value stands: the text it comes from and the path to it."""

    source: Source
    path: Path = ()

    def at(self, *steps: str | int) -> "Place":
        """Return the place ``steps`` further in."""
        return Place(source=self.source, path=self.path + steps)

    @property
    def line(self) -> int:
        """Return the line of the value, or of what should hold it, or 0."""
        for length in range(len(self.path), 0, -1):
            if line := self.source.lines.get(self.path[:length]):
                return line
        return 0

    def error(self, problem: str) -> ManifestError:
        """Return the error that says ``problem`` about this place."""
        path, file = dotted(self.path), self.source.file
        return ManifestError(problem, path=path, file=file, line=self.line)


def dotted(path: Path) -> str:
    """Return a path as people write it: ``workload.web.ports[1]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _BARE_KEY.fullmatch(step) else shown(step)
            text += f".{key}" if text else key
    return text


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file, read key by key."""

    content: Mapping[str, object]
    place: Place

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def error(self, key: str, problem: str) -> ManifestError:
        """Return the error that says ``problem`` about ``key`` of this table."""
        return self.place.at(key).error(problem)

    def read(self, key: str, convert: Convert[T], default: T) -> T:
        """Return ``key`` converted, or ``default`` when it is not there."""
        if key not in self.content:
            return default
        return converted(self.content[key], convert, self.place.at(key))

    def items(self, key: str, convert: Convert[T]) -> tuple[T, ...]:
        """Return the converted items of a list, none twice; () when not there."""
        value = self.content.get(key, [])
        place = self.place.at(key)
        found: list[T] = []
        for index, item in enumerate(list_of(value, place)):
            new = converted(item, convert, place.at(index))
            if new in found:
                raise place.at(index).error(f"cannot have {shown(item)} twice")
            found.append(new)
        return tuple(found)

    def pairs(
        self, key: str, most: int = ENTRIES_MAX
    ) -> Iterator[tuple[str, object, Place]]:
        """Yield key, value and place for each entry of a table whose keys are free."""
        value = self.content.get(key, {})
        place = self.place.at(key)
        entries = content_of(value, place)
        _refuse_many(len(entries), most, place)
        for name, item in entries.items():
            yield name, item, place.at(name)

    def table(self, key: str, known: Mapping[str, str]) -> "Table":
        """Return the table at ``key``, empty when not there."""
        value = self.content.get(key, {})
        place = self.place.at(key)
        table = Table(content=content_of(value, place), place=place)
        table.allow(known)
        return table

    def allow(self, known: Mapping[str, str]) -> None:
        """Raise for a key that is not in ``known``.

        ``known`` maps each key to ""; a key mapped to a sentence is refused with it:
        words people know from other tools.
        """
        for key in self.content:
            advice = known.get(key)
            if advice is None:
                advice = _nearest(key, [name for name in known if not known[name]])
            if advice:
                raise self.error(key, f"cannot use the key {shown(key)}: {advice}")


def converted(value: object, convert: Convert[T], place: Place) -> T:
    """Return ``value`` converted; raise `ManifestError` with its place."""
    try:
        return convert(value)
    except ValueError as error:
        raise place.error(str(error)) from None


def content_of(value: object, place: Place) -> dict[str, object]:
    """Return ``value`` when it is a table."""
    if not isinstance(value, dict):
        raise place.error(f"cannot use {shown(value)}: write a table, {{ key = … }}")
    return value


def list_of(value: object, place: Place) -> list[object]:
    """Return ``value`` when it is a list that is not too long."""
    if not isinstance(value, list):
        raise place.error(f"cannot use {shown(value)}: write a list, [ … ]")
    _refuse_many(len(value), ENTRIES_MAX, place)
    return value


def _refuse_many(count: int, most: int, place: Place) -> None:
    if count > most:
        raise place.error(f"cannot have {count} entries here: at most {most}")


def _nearest(key: str, known: list[str]) -> str:
    if near := difflib.get_close_matches(key, known, n=1):
        return f"did you mean {near[0]}?"
    return f"known here are {', '.join(known)}"
