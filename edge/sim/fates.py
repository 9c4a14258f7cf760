"""What became of each replica of a world: gaps, takeovers, doubled seconds, its end."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from edge.names import Slot, replica_of
from edge.placement import explain
from edge.sim.node import Node
from edge.sim.runtime import Interval
from edge.sim.world import World

Span = tuple[float, float]
"""From, to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One replica's story; times are the world's."""

    slot: str
    gaps: tuple[Span, ...] = ()
    """When nobody answered, after it had answered once or should have."""
    takeovers: int = 0
    doubled: float = 0.0
    """Seconds in which more than one copy ran."""
    nodes: tuple[str, ...] = ()
    """Who runs it at the end."""
    term: int = 0
    why: str = ""
    """Why nobody does."""

    @property
    def gone(self) -> float:
        """Return for how many seconds nobody answered."""
        return sum(end - begin for begin, end in self.gaps)


def fates(world: World, since: float) -> tuple[Fate, ...]:
    """Return what became of everything that was to run; ``since``: who looked on."""
    placement = world.hub.state.placement
    ran = (each.slot for each in world.record)
    unplaced = (each.slot for each in placement.unplaced)
    slots = {*world.slots, *placement.places, *unplaced, *ran}
    return tuple(_fate(world, str(slot), since) for slot in sorted(slots))


def holders(record: Iterable[Interval], at: float) -> Iterator[Interval]:
    """Yield what ran at a moment, by replica."""
    found = (
        each
        for each in record
        if each.began_at <= at and (each.ended_at is None or each.ended_at > at)
    )
    yield from sorted(found, key=lambda each: (each.slot, each.node))


def _fate(world: World, slot: str, since: float) -> Fate:
    now = world.kernel.now
    runs = [each for each in world.record if each.slot == slot]
    last = list(holders(runs, now))
    return Fate(
        slot=slot,
        gaps=tuple(_gaps(runs, since, now)),
        takeovers=_takeovers(runs, since),
        doubled=_doubled(runs, since, now),
        nodes=tuple(each.node for each in last),
        term=max((each.term for each in last), default=0),
        why="" if last else _why(world, slot),
    )


def _takeovers(runs: Iterable[Interval], since: float) -> int:
    """Return how often a copy began elsewhere than the one before, in a higher term."""
    began = sorted(runs, key=lambda each: each.began_at)
    return sum(
        after.began_at >= since
        and after.node != before.node
        and after.term > before.term
        for before, after in pairwise(began)
    )


def _awake(run: Interval, begin: float, now: float) -> Iterator[Span]:
    """Yield when a copy was there, from ``begin`` on; a sleeping machine is not."""
    end = now if run.ended_at is None else run.ended_at
    for slept_at, woke_at in [*run.sleeps, (end, end)]:
        if min(slept_at, end) > begin:
            yield begin, min(slept_at, end)
        begin = max(begin, woke_at)


def _changes(spans: Iterable[Span]) -> list[tuple[float, int]]:
    """Return when one copy more or less was there, in order."""
    found = [(at, step) for begin, end in spans for at, step in ((begin, 1), (end, -1))]
    return sorted(found, key=lambda each: (each[0], -each[1]))


def _gaps(runs: Iterable[Interval], since: float, now: float) -> Iterator[Span]:
    changes = _changes(
        span for each in runs for span in _awake(each, each.answers_at, now)
    )
    count, empty_since = 0, since
    for at, step in [*changes, (now, 0)]:
        if count == 0 and at > max(since, empty_since):
            yield max(since, empty_since), at
        count += step
        if count == 0:
            empty_since = at


def _doubled(runs: Iterable[Interval], since: float, now: float) -> float:
    changes = _changes(
        span for each in runs for span in _awake(each, each.began_at, now)
    )
    count, last, total = 0, since, 0.0
    for at, step in changes:
        if count > 1:
            total += max(0.0, at - max(last, since))
        count, last = count + step, at
    return total


def _why(world: World, slot: str) -> str:
    """Return what the devices say of a replica that nobody runs, or the hub."""
    said = _said(world.nodes, Slot(slot))
    if said:
        return said
    for each in world.hub.state.placement.unplaced:
        if each.slot == slot:
            return explain(each)
    place = world.hub.state.placement.places.get(Slot(slot))
    node = world.nodes.get(place) if place else None
    if node is not None and not node.is_on:
        return f"{node.name} is off and nobody may take {replica_of(Slot(slot))} over"
    return "it has not started yet"


def _said(nodes: Mapping[str, Node], slot: Slot) -> str:
    for name, node in sorted(nodes.items()):
        outcome = node.daemon.site.outcome if node.daemon else None
        if outcome is None:
            continue
        if slot in outcome.homeless:
            return outcome.homeless[slot]
        if outcome.waits.get(slot):
            return f"{name}: {outcome.waits[slot]}"
    return ""
