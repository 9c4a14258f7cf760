"""A plan and a difference as people and programs read them."""

from collections.abc import Iterable, Iterator
from typing import Any

from edge.ctl import units
from edge.ctl.difference import Field, Part
from edge.ctl.plan import Change, Plan
from edge.ctl.render import outlook, picked
from edge.names import replica_of

MARKS = {"new": "+", "moved": ">", "changed": "~", "unchanged": "=", "removed": "-"}
PART_MARKS = {"added": "+", "removed": "-", "changed": "~"}
CHANGE_FIELDS = (
    "slot",
    "workload",
    "kind",
    "node",
    "before",
    "wave",
    "order",
    "pull",
)
SENTENCES = ("course", "losses", "pulls", "shortages")
PLAN_FIELDS = (
    "name",
    "version",
    "is_new_version",
    "unplaced",
    "hopeless",
    "weakenings",
    "notes",
    "secrets",
    "prospects",
    "voters",
)


def plan(made: Plan) -> str:
    """Return a plan for people: what changes, what cannot be, what to know."""
    lines = [_title(made), *_parts(made.parts), *map(_change, made.changes)]
    lines += [f"  ! {each}" for each in (*made.unplaced, *made.secrets)]
    lines += [f"  rollout: {each}" for each in made.course]
    lines += [f"  service: {each}" for each in made.losses]
    lines += [f"  to fetch: {each}" for each in made.pulls]
    lines += [f"  short of room: {each}" for each in made.shortages]
    lines += [f"  weaker than usual: {each}" for each in made.weakenings]
    lines += [f"  note: {each}" for each in made.notes]
    lines += outlook(made)
    return "\n".join(lines)


def plan_json(made: Plan) -> dict[str, Any]:
    """Return a plan for programs."""
    changes = [picked(each, CHANGE_FIELDS) for each in made.changes]
    said = {**picked(made, PLAN_FIELDS), **picked(made, SENTENCES)}
    return {**said, "changes": changes, "parts": diff_json(made)["parts"]}


def diff(made: Plan) -> str:
    """Return for people what the manifest says otherwise than what is signed now."""
    return "\n".join((_title(made), *_parts(made.parts)))


def diff_json(made: Plan) -> dict[str, Any]:
    """Return the same for programs."""
    parts = [picked(each, ("name", "kind", "fields")) for each in made.parts]
    return {**picked(made, ("name", "version", "is_new_version")), "parts": parts}


def _title(made: Plan) -> str:
    version = "new version" if made.is_new_version else "unchanged, version"
    return f"{made.name}: {version} {made.version}"


def _parts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        yield f"  {PART_MARKS[part.kind]} {part.name}"
        yield from (f"      {_field(each)}" for each in part.fields)


def _field(found: Field) -> str:
    if not found.before:
        return f"+ {found.path}: {found.after}"
    if not found.after:
        return f"- {found.path}: {found.before}"
    return f"~ {found.path}: {found.before} → {found.after}"


def _change(found: Change) -> str:
    line = (
        f"  {MARKS[found.kind]} {found.kind:9} {replica_of(found.slot):20}"
        f" {_way(found.before, found.node)}"
    )
    how = ", ".join(_how(found))
    return f"{line}  {how}" if how else line


def _how(found: Change) -> Iterator[str]:
    """Yield when and how a replica changes, as far as there is something to say."""
    if found.wave:
        yield f"wave {found.wave}"
    if found.order:
        yield found.order
    if found.pull:
        yield f"fetches {units.about(found.pull)}"


def _way(before: str, node: str) -> str:
    if before and node and before != node:
        return f"{before} → {node}"
    return f"on {node or before}"
