"""Whose turn it is: which units may change now, within what the operator signed.

- A unit that changes counts as unavailable until it has proved itself; one that goes
  back, until it is healthy. So does every other one that is online and not healthy.
- Not counted: what failed before, and what nobody had before. These change at once.
- A unit that is offline is sent nowhere. One that went offline on its way counts until
  the deadline; if it never took up the new version, that is withdrawn then.
- Once the rollout is over, or goes back, nothing counts for longer than the deadline:
  it must not hold up the others for ever.
- ``group_by = "site"``: never a second device of a site that has one changing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge.staging import waves, windows
from edge.staging.shapes import Rollout, Window
from edge.staging.waves import lot
from hub.stage import Fleet, Memory, Moment, Unit

WHOLE = frozenset({"all-at-once", "blue-green"})
"""Strategies without a limit: of a blue-green rollout the old set serves meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Who begins to change now, and who is on the way."""

    begins: frozenset[str] = frozenset()
    changing: dict[str, float] = field(default_factory=dict)
    """Slot → when it was sent to the version it has not reached yet."""
    withdrawn: frozenset[str] = frozenset()
    """They were sent to the new version and never took it up."""
    unavailable: int = 0
    allowed: int = 0
    wake_at: float | None = None
    """When one that is on the way counts no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The window of a rollout, if there is one: when it began, when it opens next."""

    window: Window | None
    now: float
    began_at: float | None = None
    opens_at: float | None = None

    def opens_for(self, unit: Unit) -> float | None:
        """Return when a unit may change: now at the earliest, None for never."""
        if self.window is None or unit.is_new:
            return self.now
        delay = windows.own_delay(self.window, unit.node)
        if self.began_at is not None:
            return max(self.now, self.began_at + delay)
        return None if self.opens_at is None else self.opens_at + delay


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What is missing already, or might be."""

    counted: Sequence[Unit]
    changing: Mapping[str, float]
    """Of all that is on the way, counted or not."""


def limit(rollout: Rollout, fleet: Fleet) -> int:
    """Return how many units may be unavailable at once because of the rollout."""
    count = len(fleet.units)
    if rollout.strategy in WHOLE:
        return count
    return waves.allowed(rollout.max_unavailable, count)


def forward(moment: Moment, candidates: Iterable[Unit]) -> Turns:
    """Return who changes to the new version; ``candidates`` may, if there is room."""
    fleet, memory = moment.fleet, moment.memory
    is_over = memory.verdict == "done"
    changing = {
        unit.slot: memory.changing.get(unit.slot, moment.now)
        for unit in fleet.units
        if fleet.is_given(unit)
        and not (unit.proved or unit.bad)
        and (not is_over or unit.slot in memory.changing)
    }
    withdrawn = frozenset(
        unit.slot
        for unit in fleet.units
        if unit.slot in changing
        and moment.now >= moment.given_up_at(changing[unit.slot])
        and not unit.online
        and unit.has != fleet.version
    )
    unmissed = memory.excused.union(memory.new)
    counted = [
        unit
        for unit in fleet.units
        if unit.slot not in unmissed
        and _is_missed(moment, unit, changing.get(unit.slot), is_over=is_over)
    ]
    room = _Room(counted=counted, changing=changing)
    return _turns(moment, room, _begin(moment, room, candidates), withdrawn)


def back(moment: Moment, candidates: Sequence[Unit]) -> Turns:
    """Return who goes back to the version before: what does not serve, at once."""
    fleet, memory = moment.fleet, moment.memory
    changing = {
        unit.slot: memory.changing.get(unit.slot, moment.now)
        for unit in fleet.units
        if unit.assigned == fleet.fallback
        and not _is_well_at(unit, fleet.fallback)
        and (unit.slot in memory.changing or unit.online)
    }
    ill = {unit.slot: moment.now for unit in candidates if not unit.healthy}
    there = {each.slot for each in candidates if _is_well_at(each, fleet.fallback)}
    counted = [
        unit
        for unit in fleet.units
        if unit.slot not in memory.failing
        and (
            unit.slot in ill
            or _is_missed(moment, unit, changing.get(unit.slot), is_over=True)
        )
    ]
    room = _Room(counted=counted, changing=changing | ill)
    leaving = (e for e in candidates if e.healthy and e.slot not in there)
    begins = _begin(moment, room, leaving)
    found = _turns(moment, room, begins.union(ill), frozenset())
    # Whoever went back alone only needs the word: no report would end a turn of its.
    return replace(found, begins=found.begins | there)


def _is_well_at(unit: Unit, version: int) -> bool:
    return unit.has == version and unit.healthy


def gate(rollout: Rollout, now: float) -> Gate:
    """Return the window of a rollout as it stands."""
    window = rollout.window
    if window is None or windows.malformed(window):
        return Gate(window=window, now=now)
    return Gate(
        window=window,
        now=now,
        began_at=windows.began_at(window, now),
        opens_at=windows.opens_next(window, now),
    )


def _is_missed(
    moment: Moment, unit: Unit, since: float | None, *, is_over: bool
) -> bool:
    """Return whether a unit counts; ``since`` when it is on its way, if it is."""
    if since is None:
        return not is_over and unit.online and bool(unit.has) and not unit.healthy
    is_capped = is_over or not unit.online
    return not is_capped or moment.now < moment.given_up_at(since)


def _begin(moment: Moment, room: _Room, candidates: Iterable[Unit]) -> frozenset[str]:
    """Return which candidates there is room for, in the order of waves and lots."""
    rollout, fleet = moment.rollout, moment.fleet
    # With nobody allowed to be missing, the new one starts beside the old one.
    free = max(1, limit(rollout, fleet)) - len(room.counted)
    missing = {unit.slot for unit in room.counted}
    crowd = _Crowd(rollout, room)
    begins: set[str] = set()
    for unit in sorted(candidates, key=lambda each: _order(fleet, each)):
        if _is_unmissed(moment.memory, unit):
            begins.add(unit.slot)
            continue
        # What is missing already takes no room, or many that are ill wait for ever.
        costs = 0 if unit.slot in missing else 1
        if costs <= max(0, free) and crowd.has_room_for(unit):
            begins.add(unit.slot)
            crowd.add(unit)
            free -= costs
    return frozenset(begins)


class _Crowd:
    """Which devices of each site are changing, or missing for other reasons."""

    def __init__(self, rollout: Rollout, room: _Room) -> None:
        self._is_asked = rollout.group_by == "site"
        self._changing: dict[str, set[str]] = {}
        self._missing: dict[str, set[str]] = {}
        for unit in room.counted if self._is_asked else ():
            self._missing.setdefault(unit.site, set()).add(unit.node)
            if unit.slot in room.changing:
                self._changing.setdefault(unit.site, set()).add(unit.node)

    def has_room_for(self, unit: Unit) -> bool:
        # Two that are ill must not wait for each other.
        asked = self._missing if unit.healthy else self._changing
        return not asked.get(unit.site, set()) - {unit.node}

    def add(self, unit: Unit) -> None:
        if self._is_asked:
            self._changing.setdefault(unit.site, set()).add(unit.node)
            self._missing.setdefault(unit.site, set()).add(unit.node)


def _is_unmissed(memory: Memory, unit: Unit) -> bool:
    return unit.is_new or unit.slot in memory.excused


def _order(fleet: Fleet, unit: Unit) -> tuple[int, bool, int, str, str]:
    drawn = lot(fleet.deployment, unit.node)
    return (unit.wave, unit.healthy, drawn, unit.node, unit.slot)


def _turns(
    moment: Moment,
    room: _Room,
    begins: frozenset[str],
    withdrawn: frozenset[str],
) -> Turns:
    kept = {slot: at for slot, at in room.changing.items() if slot not in withdrawn}
    changing = {**dict.fromkeys(sorted(begins), moment.now), **kept}
    ends = [moment.given_up_at(at) for at in changing.values()]
    return Turns(
        begins=begins,
        changing=changing,
        withdrawn=withdrawn,
        unavailable=sum(not (each.healthy and each.online) for each in room.counted),
        allowed=limit(moment.rollout, moment.fleet),
        wake_at=min((end for end in ends if end > moment.now), default=None),
    )
