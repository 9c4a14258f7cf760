"""What differs between two versions of a deployment, field by field.

Paths are those of the manifest (``resources.memory``), values are spelled as one would
write them there; an image is its tag and the start of its digest. Nothing that differs
is left out: where two values would look alike, both are shown as they are signed.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from edge.ctl import units
from edge.documents import Deployment
from edge.model import Image, Port, Volume, Workload
from edge.staging.shapes import WHOLE, Limit, Rollout, Wave

Kind = Literal["added", "removed", "changed"]
DIGITS = 12  # of a digest: enough to compare by eye
NAMES_MAX = 4
ROLLOUT = "[rollout]"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs; "" where it says nothing."""

    path: str
    before: str = ""
    after: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A workload that differs, or the limits of the rollout (`ROLLOUT`)."""

    name: str
    kind: Kind
    fields: tuple[Field, ...] = ()


def between(before: Deployment | None, after: Deployment) -> tuple[Part, ...]:
    """Return what differs, workloads by name; nothing when there was no version."""
    if before is None:
        return ()
    old = {each.name: each for each in before.workloads}
    new = {each.name: each for each in after.workloads}
    parts = [
        _part(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if before.rollout != after.rollout:
        parts.append(_part(ROLLOUT, before.rollout, after.rollout))
    return tuple(parts)


def fields(old: object, new: object) -> tuple[Field, ...]:
    """Return the fields that differ between two values of one shape; None is empty."""
    before, after = _flat(old), _flat(new)
    return tuple(
        _field(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def image(found: Image) -> str:
    """Return an image as people know it: ``web:2 (1f2e3d4c5b6a)``."""
    name = found.reference.rpartition("/")[2]
    tag = f":{found.tag}" if found.tag else ""
    return f"{name}{tag} ({_short(found.digest)})"


def port(found: Port) -> str:
    """Return a published port as a manifest has it."""
    address = f"{found.address}:" if found.address else ""
    protocol = "" if found.protocol == "tcp" else f"/{found.protocol}"
    return f"{address}{found.host}:{found.container}{protocol}"


def volume(found: Volume) -> str:
    """Return a volume as a manifest has it."""
    return f"{found.source}:{found.target}{':ro' if found.read_only else ''}"


def wave(found: Wave) -> str:
    """Return a wave: the devices it names, then the share it reaches."""
    more = len(found.nodes) - NAMES_MAX
    names = ", ".join(found.nodes[:NAMES_MAX]) + (
        f" and {more} more" if more > 0 else ""
    )
    share = f"{units.number(found.share * 100 / WHOLE)}%" if found.share else ""
    return " and ".join(part for part in (names, share) if part) or "nobody"


def limit(found: Limit) -> str:
    """Return a limit: a count, or a share."""
    if found.share:
        return f"{units.number(found.share * 100 / WHOLE)}%"
    return str(found.count)


def _part(
    name: str, old: Workload | Rollout | None, new: Workload | Rollout | None
) -> Part:
    if old is None or new is None:
        kind: Kind = "added" if old is None else "removed"
        return Part(name=name, kind=kind)
    return Part(name=name, kind="changed", fields=fields(old, new))


def _field(path: str, old: object, new: object) -> Field:
    before, after = _text(path, old), _text(path, new)
    if before == after:
        before, after = _exact(old), _exact(new)
    return Field(path=path, before=before, after=after)


def _exact(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    """Return path → value for everything that is no table itself."""
    found: dict[str, object] = {}
    for name, each in _entries(value):
        path = f"{prefix}{name}"
        is_table = isinstance(each, msgspec.Struct | dict)
        if is_table and type(each) not in TEXTS:
            found |= _flat(each, f"{path}.")
        else:
            found[path] = each
    return found


def _entries(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, msgspec.Struct):
        names = (each.name for each in msgspec.structs.fields(value))
        yield from ((name, getattr(value, name)) for name in names)
    elif isinstance(value, Mapping):
        yield from value.items()


def _text(path: str, value: object) -> str:
    """Return a value as a manifest spells it, "" for none."""
    if value is None or value in ((), ""):
        return '""' if value == "" and path.partition(".")[0] in TABLES else ""
    spell = PATHS.get(path) or TEXTS.get(type(value))
    if spell is not None:
        return spell(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_text('', each) for each in value)}]"
    return _exact(value)


def _short(digest: str) -> str:
    return digest.partition(":")[2][:DIGITS]


def _unless_zero(spell: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return the speller of a limit of which 0 means none."""
    return lambda value: spell(value) if value else ""


TABLES = frozenset({"env", "require", "prefer", "secrets"})
"""Whose entries may be empty and are entries all the same."""
TEXTS: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {Image: image, Port: port, Volume: volume, Wave: wave, Limit: limit}
)
PATHS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "resources.memory": _unless_zero(units.size),
        "resources.cpus": _unless_zero(units.number),
        "lease": units.duration,
        "stop_after": units.duration,
        "health.every": units.duration,
        "health.timeout": units.duration,
        "health.start_period": units.duration,
        "healthy_for": units.duration,
        "progress_deadline": units.duration,
        "keep_for": units.duration,
        "window.lasts": units.duration,
        "window.spread": units.duration,
    }
)
