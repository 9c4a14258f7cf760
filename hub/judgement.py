"""What a failure in a rollout means: whose fault it is, as far as anybody can tell.

- A device that failed the old version already says nothing about the new one: it is
  updated in its turn, and neither waited for nor blamed.
- Every other failure counts, until the rollout is done: a device that comes back long
  after and fails goes back alone, not with the whole fleet.
- A device that was not seen well before, because it was away or because the memory of
  it was lost, is judged by how it does afterwards: one that does well with the old
  version did not fail it before; one that fails it too, or is not well in it within
  the deadline, did.
- A bad slot that was assigned the old version was blamed already: only going back does
  that. So a hub that lost its memory goes on going back.
"""

from dataclasses import dataclass, replace

import msgspec

from hub.stage import Fleet, Memory, Moment, Unit

FAILING_FOR = 30.0
"""Seconds after which one that fails with the old version again counts as one that did
before: a port or a file that the new one left may take a moment to be free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is known of failures now, and the units the version is blamed for."""

    memory: Memory
    blamed: tuple[Unit, ...] = ()


def begin(fleet: Fleet, now: float) -> Memory:
    """Return the memory of a rollout at its first step, or when it was lost."""
    failing = {unit.slot for unit in fleet.units if _fails_before(fleet, unit)}
    unseen = [
        unit.slot
        for unit in fleet.units
        if not (unit.proved or unit.is_new or _is_well_before(fleet, unit))
        and unit.slot not in failing
    ]
    return Memory(
        since=now,
        progress_at=now,
        failing=tuple(sorted(failing)),
        harmless=_late(fleet),
        unseen=tuple(unseen),
        control=fleet.control.version if fleet.control else 0,
    )


def judge(moment: Moment) -> Judgement:
    """Return what the failures of the units mean."""
    found = Judgement(memory=_seen(moment.fleet, moment.memory))
    for unit in moment.fleet.units:
        if unit.bad and unit.slot not in found.memory.excused:
            found = _with(found, moment, unit)
    return found


def _with(found: Judgement, moment: Moment, unit: Unit) -> Judgement:
    """Return the judgement with one more failure in it."""
    memory, fleet = found.memory, moment.fleet
    if memory.verdict == "done":
        harmless = (*memory.harmless, unit.slot)
        return replace(found, memory=changed(memory, harmless=harmless))
    if unit.slot not in memory.unseen or unit.assigned not in {0, fleet.version}:
        return replace(found, blamed=(*found.blamed, unit))
    is_back = unit.has != fleet.version
    since = memory.doubted.get(unit.slot, moment.now)
    is_open = not (is_back and unit.healthy)
    if is_open and moment.now < _doubted_until(moment, unit, since):
        doubted = {**memory.doubted, unit.slot: since}
        return replace(found, memory=changed(memory, doubted=doubted))
    if is_open and is_back:
        return replace(found, memory=_excused(memory, unit))
    return replace(found, blamed=(*found.blamed, unit))


def _excused(memory: Memory, unit: Unit) -> Memory:
    """Return the memory with a unit that failed the version before as well."""
    doubted = {slot: at for slot, at in memory.doubted.items() if slot != unit.slot}
    return changed(memory, failing=(*memory.failing, unit.slot), doubted=doubted)


def _doubted_until(moment: Moment, unit: Unit, since: float) -> float:
    """Return when it is said what a failure means, if the unit stays as it is."""
    fails_now = unit.has != moment.fleet.version and unit.is_failing
    patience = moment.rollout.progress_deadline
    return since + (min(FAILING_FOR, patience) if fails_now else patience)


def _seen(fleet: Fleet, memory: Memory) -> Memory:
    """Return the memory with what the units show now, without what is over."""
    units = {unit.slot: unit for unit in fleet.units}
    unseen, failing = set(memory.unseen), set(memory.failing)
    well = {
        slot
        for slot, unit in units.items()
        if unit.proved or _is_well_before(fleet, unit)
    }
    ill = {slot for slot in unseen & units.keys() if _fails_before(fleet, units[slot])}
    ends = {slot for slot, unit in units.items() if unit.proved or unit.bad}
    doubted = {
        slot: since
        for slot, since in memory.doubted.items()
        if slot in units and units[slot].bad and slot not in failing
    }
    return changed(
        memory,
        unseen=tuple(sorted((unseen & units.keys()) - well - ill)),
        failing=tuple(sorted(((failing & units.keys()) | ill) - well)),
        harmless=tuple(s for s in memory.harmless if s in units and units[s].bad),
        new=tuple(s for s in memory.new if s in units and s not in ends),
        doubted=doubted,
    )


def _is_well_before(fleet: Fleet, unit: Unit) -> bool:
    """Return whether a unit does well with the version it had before."""
    is_before = not (fleet.is_given(unit) or unit.bad)
    return is_before and unit.online and unit.healthy


def _fails_before(fleet: Fleet, unit: Unit) -> bool:
    """Return whether a unit fails with the version it had before."""
    is_before = not (fleet.is_given(unit) or unit.bad)
    return is_before and unit.online and unit.is_failing


def _late(fleet: Fleet) -> tuple[str, ...]:
    """Return the bad ones of a rollout that is over: they came long after the others.

    Going back would have left its mark on them.
    """
    others = [unit for unit in fleet.units if unit.online and not unit.bad]
    is_over = bool(others) and all(unit.proved for unit in others)
    bad = [unit for unit in fleet.units if unit.bad]
    is_marked = any(unit.assigned not in {0, fleet.version} for unit in bad)
    return tuple(unit.slot for unit in bad) if is_over and not is_marked else ()


def changed(memory: Memory, **changes: object) -> Memory:
    """Return a memory that differs in these fields."""
    return msgspec.structs.replace(memory, **changes)
