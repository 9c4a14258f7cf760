"""What a deploy would change, slot by slot, before anyone signs it.

- *new* has no place yet, *moved* leaves its device, *changed* gets a new container
  where it is, *unchanged* is not touched, *removed* ends.
- What cannot be placed says why, for each device. A workload none of whose replicas
  can be placed is `hopeless`: it is refused before anything is signed.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from edge import manifest, placement
from edge.ctl import difference, staging
from edge.ctl.difference import Part
from edge.documents import Deployment
from edge.model import Workload
from edge.names import NodeName, Slot, replica_of
from edge.placement import Placement

NOTHING: Mapping[Slot, Workload] = MappingProxyType({})
Kind = Literal["new", "moved", "changed", "unchanged", "removed"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One slot before and after; ``node`` is where it will be, "" when removed."""

    slot: Slot
    workload: str
    kind: Kind
    node: str
    before: str = ""
    wave: int = 0
    """Counted from 1; 0 where no rollout says when, and where nothing happens."""
    order: Literal["", "start-first", "stop-first"] = ""
    """How what runs on the device is replaced; "" where nothing is."""
    pull: int | None = None
    """Bytes to fetch for it, compressed; None where nobody knows."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `edgectl plan` says."""

    name: str
    version: int
    """The number the deploy would sign; the one it has when nothing changes."""
    is_new_version: bool
    changes: tuple[Change, ...]
    unplaced: tuple[str, ...] = ()
    """Sentences, one for each slot or ``every`` workload without a place."""
    hopeless: tuple[str, ...] = ()
    """Workloads that would run nowhere."""
    weakenings: tuple[str, ...] = ()
    new_weakenings: tuple[str, ...] = ()
    """Those the version before did not have."""
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """Sentences about secrets that stand in the way."""
    prospects: tuple[str, ...] = ()
    """Sentences about what happens to each workload when a device is lost."""
    voters: tuple[str, ...] = ()
    """Sentences about sites whose first voters are signed along."""
    parts: tuple[Part, ...] = ()
    """What the manifest says otherwise than what is signed now."""
    course: tuple[str, ...] = ()
    """Sentences about the waves it goes through."""
    losses: tuple[str, ...] = ()
    """Sentences about who is without service meanwhile, and for how long."""
    pulls: tuple[str, ...] = ()
    """Sentences about what has to be fetched."""
    shortages: tuple[str, ...] = ()
    """Sentences about devices that may have too little room for it."""


def make(
    before: Deployment | None,
    after: Deployment,
    placed: Placement,
    where: Mapping[Slot, NodeName],
    runs: Mapping[Slot, Workload] = NOTHING,
) -> Plan:
    """Return the plan; ``where`` is where the deployment's slots are now.

    ``runs`` is what slots run that are not at the version before: those that went back.
    """
    old = {each.name: each for each in before.workloads} if before else {}
    weak = _sentences(after.workloads, manifest.weakenings)
    weak_before = set(_sentences(old.values(), manifest.weakenings))
    return Plan(
        name=after.name,
        version=after.version,
        is_new_version=before is None or before.version != after.version,
        changes=tuple(
            _changes(
                {slot: runs.get(slot, old.get(_workload(slot))) for slot in where},
                after,
                placed,
                where,
            )
        ),
        unplaced=(
            *(placement.explain(each) for each in placed.unplaced),
            *(placement.explain(each) for each in placed.unmatched),
        ),
        hopeless=_hopeless(after, placed),
        weakenings=weak,
        new_weakenings=tuple(each for each in weak if each not in weak_before),
        notes=_sentences(after.workloads, manifest.notes),
        parts=difference.between(before, after),
    )


def is_same(before: Deployment | None, after: Deployment) -> bool:
    """Return whether a new version would say what the one before says."""
    if before is None or not staging.is_alike(before.rollout, after.rollout):
        return False
    return (before.workloads, before.scope) == (after.workloads, after.scope)


def _changes(
    runs: Mapping[Slot, Workload | None],
    after: Deployment,
    placed: Placement,
    where: Mapping[Slot, NodeName],
) -> Iterable[Change]:
    new = {each.name: each for each in after.workloads}
    for slot in sorted(placed.places.keys() | where.keys(), key=_order):
        workload = _workload(slot)
        node, now = placed.places.get(slot, ""), where.get(slot, "")
        if not node and any(each.slot == slot for each in placed.unplaced):
            continue  # it is said why, where it matters
        yield Change(
            slot=slot,
            workload=workload,
            kind=_kind(node, now, is_same=runs.get(slot) == new.get(workload)),
            node=node,
            before=now,
        )


def _kind(node: str, now: str, *, is_same: bool) -> Kind:
    if not node:
        return "removed"
    if not now:
        return "new"
    if node != now:
        return "moved"
    return "unchanged" if is_same else "changed"


def _hopeless(after: Deployment, placed: Placement) -> tuple[str, ...]:
    running = {_workload(slot) for slot in placed.places}
    return tuple(
        each.name
        for each in after.workloads
        if each.name not in running and (each.every or each.replicas)
    )


def _sentences(
    workloads: Iterable[Workload], say: Callable[[Workload], tuple[str, ...]]
) -> tuple[str, ...]:
    return tuple(
        f"{workload.name}: {sentence}"
        for workload in workloads
        for sentence in say(workload)
    )


def _workload(slot: Slot) -> str:
    return replica_of(slot).partition("@")[0].partition(".")[0]


def _order(slot: Slot) -> tuple[str, int]:
    """Sort web.10 behind web.2."""
    stem, _, index = slot.rpartition(".")
    return (stem, int(index)) if index.isdigit() else (slot, 0)
