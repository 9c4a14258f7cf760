"""How far a rollout is: which wave is open, and for how long nothing has moved.

A wave opens when every device of the open ones that can be asked has proved the new
version, and the proofs are enough for a device of the next one (`edge.staging`). The
operator's promote opens it without. Nothing is waited for longer than the deadline,
except devices that are offline, the room they hold and windows that are shut.
A blue-green rollout is done when the operator promotes it, not before.
"""

from collections.abc import Iterable, Mapping

from edge.staging import evidence
from edge.staging.evidence import Seen
from hub.judgement import changed
from hub.stage import Memory, Moment, Unit

NAMED_MAX = 3
"""Units named in a sentence; the rest are counted."""
Opens = Mapping[str, float | None]
"""Slot of a unit that might change → when its window is open, None for never."""


def advance(moment: Moment, *, is_halted: bool) -> Memory:
    """Return the memory with the waves open that may be, and done if all is.

    While it is paused it is not over: who is back then would not wait any more.
    """
    fleet, memory = moment.fleet, moment.memory
    wave = memory.wave if is_halted else _open_wave(moment)
    proved = sum(unit.proved for unit in fleet.units)
    has_moved = proved > memory.proved or wave > memory.wave
    is_last = wave >= len(moment.rollout.waves) - 1
    is_open = is_halted or memory.doubted or any(_awaited(moment, wave))
    is_done = is_last and proved and not (is_open or has_two_sets(moment))
    return changed(
        memory,
        wave=wave,
        proved=proved,
        progress_at=moment.now if has_moved else memory.progress_at,
        verdict="done" if is_done else memory.verdict,
    )


def timed(
    moment: Moment, opens: Opens, *, is_halted: bool
) -> tuple[Memory, float | None]:
    """Return when it is given up that anything proves itself, None for never.

    The time begins anew with everything that begins or proves itself, and when there
    is somebody to wait for again.
    """
    memory = moment.memory
    if is_halted or not _is_timed(moment, opens):
        return changed(memory, is_timed=False), None
    if not memory.is_timed:
        memory = changed(memory, is_timed=True, progress_at=moment.now)
    begun = _begun(moment, _able(moment, opens))
    return memory, moment.given_up_at(max([memory.progress_at, *begun]))


def _begun(moment: Moment, able: Iterable[Unit]) -> Iterable[float]:
    """Return when those began that are on their way.

    Whoever waits for the room of one that went away begins when it is given up.
    """
    fleet, changing = moment.fleet, moment.memory.changing
    if any(fleet.is_given(unit) for unit in able):
        return changing.values()
    gone = (u.slot for u in fleet.units if u.slot in changing and not u.online)
    free_at = {slot: moment.given_up_at(changing[slot]) for slot in gone}
    return {**changing, **free_at}.values()


def stalled(moment: Moment, opens: Opens) -> str:
    """Return what did not get there in time, a sentence."""
    rollout, fleet = moment.rollout, moment.fleet
    able = _able(moment, opens)
    if not able:
        wave = moment.memory.wave + 1
        return f"no device of wave {wave} can prove revision {fleet.version}"
    what = named(
        f"{each.slot} on {each.node}: {_how(each, is_given=fleet.is_given(each))}"
        for each in able
    )
    return f"nothing proved itself within {rollout.progress_deadline:g} s: {what}"


def away(moment: Moment) -> list[Unit]:
    """Return the units of open waves that are offline and have not proved it."""
    excused, wave = moment.memory.excused, moment.memory.wave
    return [
        unit
        for unit in moment.fleet.units
        if unit.wave <= wave and not (unit.online or unit.proved)
        if unit.slot not in excused
    ]


def is_waiting(moment: Moment) -> bool:
    """Return whether something that can be asked has not proved itself yet."""
    return any(_awaited(moment, moment.memory.wave))


def has_two_sets(moment: Moment) -> bool:
    """Return whether the old set stays until the operator's promote."""
    control = moment.fleet.control
    is_promoted = control is not None and control.action == "promote"
    return moment.rollout.strategy == "blue-green" and not is_promoted


def is_promotable(moment: Moment) -> bool:
    """Return whether the new set is up beside the old one, on all that can be asked."""
    memory = moment.memory
    is_open = memory.verdict or memory.paused or memory.doubted or is_waiting(moment)
    return has_two_sets(moment) and memory.proved > 0 and not is_open


def named(texts: Iterable[str]) -> str:
    """Return the first few of them as a list, and how many more there are."""
    found = list(texts)
    more = len(found) - NAMED_MAX
    listed = ", ".join(found[:NAMED_MAX])
    return f"{listed} and {more} more" if more > 0 else listed


def _open_wave(moment: Moment) -> int:
    rollout, fleet, memory = moment.rollout, moment.fleet, moment.memory
    last = len(rollout.waves) - 1
    wave, control = min(max(0, memory.wave), last), fleet.control
    if control is not None:
        wave = max(wave, min(control.wave, last))
    frontier = min((unit.wave for unit in _awaited(moment, last)), default=last + 1)
    if wave >= min(frontier, last):
        return wave
    found = seen(fleet.units)
    while wave < min(frontier, last) and evidence.is_enough(
        fleet.deployment, rollout, wave + 1, found
    ):
        wave += 1
    return wave


def _awaited(moment: Moment, wave: int) -> Iterable[Unit]:
    """Yield the units up to a wave that can be asked and have not proved it."""
    excused = moment.memory.excused
    for unit in moment.fleet.units:
        if unit.wave > wave or unit.proved or not unit.online:
            continue
        if unit.slot not in excused:
            yield unit


def _is_timed(moment: Moment, opens: Opens) -> bool:
    """Return whether there is something to wait for that could be there by now."""
    is_over = moment.memory.verdict or is_promotable(moment)
    if is_over or not moment.fleet.units:
        return False
    is_shut = any(at != moment.now for at in opens.values())
    return bool(_able(moment, opens)) or not (is_shut or away(moment))


def _able(moment: Moment, opens: Opens) -> list[Unit]:
    """Return the units that could prove themselves now."""
    fleet, wave = moment.fleet, moment.memory.wave
    return [
        unit
        for unit in _awaited(moment, wave)
        if fleet.is_given(unit) or opens.get(unit.slot) == moment.now
    ]


def seen(units: Iterable[Unit]) -> tuple[Seen, ...]:
    """Return what each device says of the version, as its neighbours would read it."""
    found: dict[str, Seen] = {}
    for unit in units:
        before = found.get(unit.node, Seen(node=unit.node))
        bad = before.bad or unit.bad
        proved = (before.proved or unit.proved) and not bad
        found[unit.node] = Seen(node=unit.node, proved=proved, bad=bad)
    return tuple(found.values())


def _how(unit: Unit, *, is_given: bool) -> str:
    why = f" ({unit.reason})" if unit.reason else ""
    if not is_given:
        return "waits for its turn"
    word = "healthy, not for long enough" if unit.healthy else unit.state or "silent"
    return f"{word}{why}"
