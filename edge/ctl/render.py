"""What edgectl prints, as text: tables for people, JSON whose shape is a promise.

`ps` and `get nodes` have exactly the fields of the issue they were promised in; fields
are added to other shapes, never taken away. Times are seconds since the epoch in JSON
and ages in tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from edge.ctl.plan import Plan
from edge.ctl.shapes import Event, NodeRow, ReplicaRow
from edge.legible import plain

PS_FIELDS = (
    "deployment",
    "workload",
    "replica",
    "revision",
    "node",
    "site",
    "state",
    "healthy",
    "address",
    "since",
)
NODE_FIELDS = (
    "name",
    "id",
    "site",
    "labels",
    "state",
    "address",
    "revisions",
    "last_seen",
)
GAP = "  "
NOTHING = "-"
UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def to_json(value: object) -> str:
    """Return a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def to_line(value: object) -> str:
    """Return a value as JSON on one line, for programs that read line by line."""
    return msgspec.json.encode(value).decode()


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns; what is empty under a title is a dash."""
    lines = [tuple(titles), *(_cells(titles, row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(titles))]
    return "\n".join(
        GAP.join(
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def picked(row: object, fields: Iterable[str]) -> dict[str, Any]:
    """Return exactly these fields of a row, in this order."""
    return {field: getattr(row, field) for field in fields}


def replicas(rows: Iterable[ReplicaRow], now: float) -> str:
    """Return `edgectl ps` for people; the reason stands where there is one.

    A term above 1 says that a replica changed hands; where none did, there is no such
    column.
    """
    found = tuple(rows)
    titles = ("REPLICA", "REVISION", "NODE", "SITE", "STATE", "SINCE", "ADDRESS", "")
    shown = [_replica(row, now) for row in found]
    if all(row.term <= 1 for row in found):
        return table(titles, shown)
    terms = [str(row.term or "") for row in found]
    wider = [
        (*line[:2], term, *line[2:]) for line, term in zip(shown, terms, strict=True)
    ]
    return table((*titles[:2], "TERM", *titles[2:]), wider)


def nodes(rows: Iterable[NodeRow], now: float) -> str:
    """Return `edgectl get nodes` for people; the reason of a state behind it all."""
    titles = ("NAME", "STATE", "SITE", "LABELS", "HOLDS", "LAST SEEN", "ADDRESS", "")
    return table(titles, (_node(row, now) for row in rows))


def labels(found: Mapping[str, str]) -> str:
    """Return labels as people write them: ``role=sensor,floor=2``."""
    return ",".join(f"{key}={value}" for key, value in sorted(found.items()))


def age(at: float, now: float) -> str:
    """Return how long ago, in its largest unit; "" for never."""
    if not at:
        return ""
    seconds = max(0, int(now - at))
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return "0s"


def moment(at: float) -> str:
    """Return an instant in UTC, to the second; "?" for one no calendar has."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "?"


def outlook(made: Plan) -> list[str]:
    """Return what a lost device means, and who votes on it from now on."""
    return [
        *(f"  voters: {each}" for each in made.voters),
        *(f"  failover: {each}" for each in made.prospects),
    ]


def event(found: Event) -> str:
    """Return one line of `edgectl events`."""
    return f"{moment(found.at)}  {found.kind:12} {found.subject:24} {found.text}"


def _cells(titles: Sequence[str], row: Sequence[str]) -> tuple[str, ...]:
    pairs = zip(titles, row, strict=True)
    return tuple(plain(text) or (NOTHING if title else "") for title, text in pairs)


def _replica(row: ReplicaRow, now: float) -> tuple[str, ...]:
    state = "healthy" if row.healthy and row.state == "running" else row.state
    reason = row.reason if not row.healthy else ""
    return (
        f"{row.deployment}/{row.replica}",
        str(row.revision),
        row.node,
        row.site,
        state,
        age(row.since, now),
        row.address,
        reason,
    )


def _node(row: NodeRow, now: float) -> tuple[str, ...]:
    holds = ",".join(f"{name}:{number}" for name, number in row.revisions.items())
    return (
        row.name,
        row.state,
        row.site,
        labels(row.labels),
        holds,
        age(row.last_seen, now),
        row.address,
        row.reason,
    )
