"""What must hold whatever goes wrong; each law returns sentences about who broke it.

- Only what the operator signed runs.
- Documents and terms on a device never go back, unless its disk did.
- At most one copy of a ``strict`` replica runs at any instant. The one exception is a
  machine that slept through the end of its lease: from its waking until the guard's
  next look its copy is *fenced*, because its term is lower.
- Some time after the last fault every replica runs exactly once.
- Nobody's memory grows without end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from edge.documents import Deployment
from edge.sim.runtime import GUARD_EVERY, KILL, Interval

FENCED_FOR = GUARD_EVERY + KILL[1] + 0.01
"""Seconds after waking in which the guard must have ended what has no lease."""
Span = tuple[float, float, bool]
"""From, to, and whether the copy may be behind the fence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two copies of one ``strict`` replica at the same time."""

    slot: str
    one: Interval
    other: Interval
    at: float
    seconds: float

    def __str__(self) -> str:
        """Return it as a sentence."""
        who = f"{self.one.node} (term {self.one.term})"
        whom = f"{self.other.node} (term {self.other.term})"
        long = f"for {self.seconds:.3f} s from {self.at:.3f} s"
        return f"strict {self.slot} ran on {who} and on {whom} {long}"


def overlaps(record: Iterable[Interval], now: float) -> list[Overlap]:
    """Return every moment at which a ``strict`` replica ran twice, un-fenced."""
    by_slot: dict[str, list[Interval]] = {}
    for each in record:
        if each.is_strict:
            by_slot.setdefault(each.slot, []).append(each)
    return [
        found
        for _, runs in sorted(by_slot.items())
        for one, other in combinations(runs, 2)
        if (found := _overlap(one, other, now))
    ]


def doubled(record: Iterable[Interval], now: float) -> dict[str, float]:
    """Return for how many seconds each slot ran more than once."""
    total: dict[str, float] = {}
    for slot, changes in _changes(record, now).items():
        running, last = 0, 0.0
        for at, change in changes:
            if running > 1:
                total[slot] = total.get(slot, 0.0) + at - last
            running, last = running + change, at
    return total


def gaps(
    record: Iterable[Interval], now: float, since: float
) -> dict[str, list[tuple[float, float]]]:
    """Return when nobody ran each slot that ever ran, after ``since``."""
    found: dict[str, list[tuple[float, float]]] = {}
    for slot, changes in _changes(record, now).items():
        running, last = 0, changes[0][0]
        holes = found.setdefault(slot, [])
        for at, change in [*changes, (now, 0)]:
            if running == 0 and at > max(last, since):
                holes.append((max(last, since), at))
            running, last = running + change, at
    return found


def unsigned(
    record: Iterable[Interval], signed: Mapping[tuple[str, int], Deployment]
) -> list[str]:
    """Return what ran and was never signed so."""
    return [
        f"{each.slot} version {each.version} ran on {each.node}: nobody signed that"
        for each in record
        if not _is_signed(each, signed)
    ]


def once(
    record: Iterable[Interval], wanted: Iterable[str], *, is_down: frozenset[str]
) -> list[str]:
    """Return what does not run exactly once now; ``is_down``: devices without power."""
    running: dict[str, list[str]] = {slot: [] for slot in wanted}
    for each in record:
        if each.is_running and each.node not in is_down:
            running.setdefault(each.slot, []).append(each.node)
    return [
        f"{slot} runs on {', '.join(nodes) or 'nobody'} at the end"
        for slot, nodes in sorted(running.items())
        if len(nodes) != 1
    ]


def _overlap(one: Interval, other: Interval, now: float) -> Overlap | None:
    for a in _spans(one, now):
        for b in _spans(other, now):
            at, end = max(a[0], b[0]), min(a[1], b[1])
            is_fenced = (a[2] and one.term < other.term) or (
                b[2] and other.term < one.term
            )
            if end > at and not is_fenced:
                return Overlap(
                    slot=one.slot, one=one, other=other, at=at, seconds=end - at
                )
    return None


def _spans(run: Interval, now: float) -> Iterator[Span]:
    """Yield when a copy really ran: not while its machine slept."""
    begin = run.began_at
    end = run.ended_at if run.ended_at is not None else now
    woke: float | None = None
    for slept_at, woke_at in [*run.sleeps, (end, end)]:
        yield from _awake(begin, min(slept_at, end), woke)
        begin, woke = woke_at, woke_at
    return


def _awake(begin: float, end: float, woke: float | None) -> Iterator[Span]:
    """Yield one stretch, the first part of it fenced if it follows a sleep."""
    if woke is None:
        if end > begin:
            yield (begin, end, False)
        return
    middle = min(woke + FENCED_FOR, end)
    if middle > begin:
        yield (begin, middle, True)
    if end > middle:
        yield (middle, end, False)


def _changes(
    record: Iterable[Interval], now: float
) -> dict[str, list[tuple[float, int]]]:
    found: dict[str, list[tuple[float, int]]] = {}
    for each in record:
        changes = found.setdefault(each.slot, [])
        changes.append((each.began_at, 1))
        changes.append((each.ended_at if each.ended_at is not None else now, -1))
    return {slot: sorted(changes) for slot, changes in sorted(found.items())}


def _is_signed(run: Interval, signed: Mapping[tuple[str, int], Deployment]) -> bool:
    name, _, replica = run.slot.partition("/")
    deployment = signed.get((name, run.version))
    workload, _, index = replica.partition("@")[0].partition(".")
    return any(
        each.name == workload and (not index or int(index) <= each.replicas)
        for each in (deployment.workloads if deployment else ())
    )
