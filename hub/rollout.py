"""One step of a rollout: who may run the new version now, and how it stands.

Rules (docs/adr/0011-rollouts.md):

- Waves open one after the other and never close again (`hub.progress`). Who of the open
  ones may change at once is `hub.turns`; what a failure means is `hub.judgement`.
- Devices that are offline block nothing: they get the new version when they are back.
- Nobody's turn begins while it is not known who is online: one that is away would keep
  the room of the others.
- A failure takes everything back, or pauses, as the operator signed. So does an abort.
  Once that is begun no slot gets the new version any more, whatever is said later.
- A blue-green rollout whose new set is up waits for the operator's promote.
- When nothing proves itself in time although it could, nobody knows: it pauses. A
  newer resume or promote lets it go on.
- A newer version has a memory of its own: whatever this one was doing is over.

A pure function of what is signed, reported and remembered. What it decided stays
decided: stepping again without news changes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from edge.staging.shapes import Rollout
from hub import judgement, progress, turns
from hub.judgement import FAILING_FOR, changed
from hub.progress import Opens
from hub.stage import Fleet, Memory, Moment, Phase, Stage, Unit
from hub.turns import Turns


def step(rollout: Rollout, memory: Memory | None, fleet: Fleet, now: float) -> Stage:
    """Return where the rollout stands at ``now``, seconds since the epoch.

    ``memory`` is that of the last step's stage, None for the first and where it is
    lost.
    """
    known = memory or judgement.begin(fleet, now)
    moment = Moment(rollout=rollout, fleet=fleet, memory=known, now=now)
    moment = replace(moment, memory=_awoken(moment))
    moment = replace(moment, memory=_heeded(moment))
    found = judgement.judge(moment)
    known = _sentenced(replace(moment, memory=found.memory), found.blamed)
    moment = replace(moment, memory=known)
    return _going_back(moment) if known.is_back else _going_on(moment)


def _awoken(moment: Moment) -> Memory:
    """Return the memory with all that runs begun anew, if the hub was down."""
    memory, now = moment.memory, moment.now
    if not memory.is_rested:
        return memory
    return changed(
        memory,
        is_rested=not moment.is_told,
        progress_at=now,
        changing=dict.fromkeys(memory.changing, now),
        doubted=dict.fromkeys(memory.doubted, now),
    )


def _heeded(moment: Moment) -> Memory:
    """Return the memory after the operator's newest word, if it is news."""
    control, memory = moment.fleet.control, moment.memory
    if control is None or control.version <= memory.control:
        return memory
    memory = changed(memory, control=control.version)
    if control.action not in {"resume", "promote"}:
        return memory
    return changed(
        memory,
        paused="",
        accused=(),
        harmless=(*memory.harmless, *memory.accused),
        progress_at=moment.now,
    )


def _sentenced(moment: Moment, blamed: Sequence[Unit]) -> Memory:
    """Return the memory after a failure or an abort, if there was one."""
    fleet, memory = moment.fleet, moment.memory
    if memory.is_back:
        return memory
    if fleet.is_aborted:
        reason = "the operator aborted it"
        return changed(memory, verdict="aborted", reason=reason, changing={})
    if not blamed:
        return memory
    reason = _failed(fleet, blamed)
    if moment.rollout.on_failure == "rollback":
        return changed(memory, verdict="failed", reason=reason, changing={})
    accused = tuple(unit.slot for unit in blamed)
    return changed(memory, paused=reason, accused=accused)


def _failed(fleet: Fleet, blamed: Sequence[Unit]) -> str:
    first = min(blamed, key=lambda unit: (unit.node, unit.slot))
    why = f": {first.reason}" if first.reason else ""
    more = f" (and {len(blamed) - 1} more)" if len(blamed) > 1 else ""
    about = f"{first.slot} failed at revision {fleet.version}"
    return f"{about} on {first.node}{why}{more}"


def _going_back(moment: Moment) -> Stage:
    """Return the stage of a rollout that failed or was aborted."""
    fleet, memory = moment.fleet, moment.memory
    candidates = [
        unit
        for unit in fleet.units
        if unit.online and unit.has_way_back and unit.assigned != fleet.fallback
        if moment.is_told
    ]
    found = turns.back(moment, candidates)
    versions = {unit.slot: _backward(fleet, unit, found) for unit in fleet.units}
    is_over = memory.phase == memory.verdict or _is_back(moment, found)
    phase: Phase = "going-back"
    if is_over:
        phase = "aborted" if memory.verdict == "aborted" else "failed"
    stage = _stage(moment, phase, versions, found)
    ends_at = None if is_over else _strays_until(moment)
    return _woken(stage, moment, ends_at)


def _backward(fleet: Fleet, unit: Unit, found: Turns) -> int:
    """Return what a unit runs while everything goes back.

    What serves does so until it is its turn. One that is away is left alone, or all
    of a site would change at once when it is back; but it never gets the new version.
    """
    if not unit.has_way_back:
        return 0
    has_taken_it = unit.has == fleet.version
    if unit.slot in found.begins or not has_taken_it:
        return fleet.fallback
    return unit.assigned or fleet.fallback


def _is_back(moment: Moment, found: Turns) -> bool:
    """Return whether every unit that is here is well in the version before, or late."""
    fleet, failing = moment.fleet, frozenset(moment.memory.failing)
    if moment.now < (_strays_until(moment) or 0.0):
        return False
    for unit in fleet.units:
        if not (unit.online and unit.has_way_back) or unit.slot in failing:
            continue
        since = found.changing.get(unit.slot)
        is_told = unit.slot in found.begins  # with no turn: it went back alone
        if since is None and fleet.is_given(unit) and not is_told:
            return False
        if since is not None and moment.now < moment.given_up_at(since):
            return False
    return True


def _strays_until(moment: Moment) -> float | None:
    """Return until when slots are waited for that the version before does not have."""
    if not any(each.online for each in moment.fleet.strays):
        return None
    memory = moment.memory
    began_at = max(memory.since, memory.progress_at)
    is_begun = memory.phase == "going-back"
    return moment.given_up_at(began_at if is_begun else moment.now)


def _going_on(moment: Moment) -> Stage:
    """Return the stage of a rollout that nothing speaks against so far."""
    halted = _halted(moment)
    known = progress.advance(moment, is_halted=bool(halted))
    moment = replace(moment, memory=known)
    opens = _opens(moment)
    is_timed = moment.is_told and not halted
    known, ends_at = progress.timed(moment, opens, is_halted=not is_timed)
    if ends_at is not None and ends_at <= moment.now:
        halted, ends_at = progress.stalled(moment, opens), None
        known = changed(known, paused=halted)
    moment = replace(moment, memory=known)
    is_kept = bool(halted or moment.memory.doubted) and known.verdict != "done"
    ready = [
        unit
        for unit in moment.fleet.units
        if opens.get(unit.slot) == moment.now and moment.is_told and not is_kept
    ]
    found = turns.forward(moment, ready)
    phase = _phase(moment, halted, is_moving=bool(ready or found.changing), opens=opens)
    reason = halted if phase == "paused" else _why(moment)
    known = changed(moment.memory, reason=reason, new=_new(moment, found))
    moment = replace(moment, memory=known)
    versions = {u.slot: _onward(moment.fleet, u, found) for u in moment.fleet.units}
    stage = _stage(moment, phase, versions, found)
    return _timed(stage, moment, opens, ends_at)


def _halted(moment: Moment) -> str:
    """Return why nothing new begins, "" if it may."""
    control = moment.fleet.control
    if control is not None and control.action == "pause":
        return "the operator paused it"
    return moment.memory.paused


def _opens(moment: Moment) -> Opens:
    """Return the units that might change, and when their windows let them."""
    fleet, wave = moment.fleet, moment.memory.wave
    gate = turns.gate(moment.rollout, moment.now)
    return {
        unit.slot: gate.opens_for(unit)
        for unit in fleet.units
        if unit.online and unit.wave <= wave
        if not (fleet.is_given(unit) or unit.bad)
    }


def _phase(moment: Moment, halted: str, *, is_moving: bool, opens: Opens) -> Phase:
    if moment.memory.verdict == "done":
        return "done"
    if halted:
        return "paused"
    if progress.is_promotable(moment):
        return "promotable"
    is_shut = any(at != moment.now for at in opens.values())
    return "waiting" if is_shut and not is_moving else "rolling"


def _why(moment: Moment) -> str:
    """Return what it waits for besides devices that are changing, "" for nothing."""
    fleet, memory = moment.fleet, moment.memory
    if memory.verdict == "done":
        alone = [unit.node for unit in fleet.units if unit.bad]
        bad = f"revision {fleet.version} is bad on {progress.named(alone)}"
        return f"{bad}, which went back alone" if alone else ""
    if memory.doubted:
        return f"waits to see how {progress.named(memory.doubted)} does without it"
    if not moment.is_told:
        return "waits to hear who is online"
    if not fleet.units:
        return "no device runs it yet"
    away = [] if progress.is_waiting(moment) else progress.away(moment)
    who = progress.named(unit.node for unit in away)
    if progress.is_promotable(moment):
        both = f"revision {fleet.version} runs beside revision {fleet.fallback}"
        return f"{both}; offline: {who}" if away else both
    return f"waits for {who}: offline" if away else ""


def _new(moment: Moment, found: Turns) -> tuple[str, ...]:
    begins = (u.slot for u in moment.fleet.units if u.slot in found.begins and u.is_new)
    return tuple(dict.fromkeys((*moment.memory.new, *begins)))


def _onward(fleet: Fleet, unit: Unit, found: Turns) -> int:
    """Return the new version for who got it or gets it, else what it has."""
    is_given = fleet.is_given(unit) and unit.slot not in found.withdrawn
    if is_given or unit.slot in found.begins:
        return fleet.version
    if unit.has_way_back and fleet.fallback in {unit.assigned, unit.has}:
        return fleet.fallback
    for version in (unit.has, unit.assigned):
        if version not in {0, fleet.version}:
            return version
    return fleet.fallback if unit.has_way_back else 0


def _stage(
    moment: Moment, phase: Phase, versions: dict[str, int], found: Turns
) -> Stage:
    memory = moment.memory
    is_news = phase != memory.phase
    known = changed(
        memory,
        phase=phase,
        since=moment.now if is_news else memory.since,
        changing=found.changing,
    )
    return Stage(
        memory=known,
        versions=versions,
        unavailable=found.unavailable,
        allowed=found.allowed,
        wake_at=found.wake_at,
    )


def _timed(stage: Stage, moment: Moment, opens: Opens, ends_at: float | None) -> Stage:
    """Return the stage with the times at which it may be another one."""
    ahead = min((at for at in opens.values() if at and at > moment.now), default=None)
    shown = ahead if stage.memory.phase == "waiting" else ends_at
    doubted = [at + FAILING_FOR for at in moment.memory.doubted.values()]
    doubted += [moment.given_up_at(at) for at in moment.memory.doubted.values()]
    return replace(_woken(stage, moment, ahead, ends_at, *doubted), deadline=shown)


def _woken(stage: Stage, moment: Moment, *times: float | None) -> Stage:
    """Return the stage with the first of the times at which it may be another one."""
    known_at = moment.fleet.known_at
    found = (stage.wake_at, None if math.isinf(known_at) else known_at, *times)
    ahead = (each for each in found if each is not None and each > moment.now)
    return replace(stage, wake_at=min(ahead, default=None))
