"""A rollout as people read it: a line for the whole, one for each wave, then devices.

What changes all the time (`clock`) is in the picture alone, so that a log that prints
what is new stays short. Devices are listed while there is something to say of
them: what is proved, and what waits for its wave, is a number of its wave's line.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from edge.ctl import control, render, units
from edge.ctl.outcome import failures, is_paused_by_hand
from edge.ctl.shapes import Revision, Stage, Unit
from edge.names import Slot, replica_of

LOGS_MAX = 3  # devices whose log is shown; the others are named
LINES_MAX = 20  # of one log
PHASES: Mapping[str, str] = MappingProxyType(
    {
        "idle": "no rollout under way",
        "waiting": "waiting for its window",
        "rolling": "rolling out",
        "promotable": "ready for `edgectl rollout promote`",
        "going-back": "going back",
        "failed": "failed, taken back",
        "aborted": "aborted, taken back",
    }
)
BACK = frozenset({"going-back", "failed", "aborted"})


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The devices of one wave, counted; each counts once."""

    total: int
    proved: int
    changing: int
    failed: int
    offline: int


def tally(stage: Stage, wave: int) -> Tally:
    """Return how far a wave is, counted from 1."""
    found = [_standing(stage, each) for each in stage.units if each.wave == wave]
    return Tally(
        total=len(found),
        proved=found.count("proved"),
        changing=found.count("changing"),
        failed=found.count("failed"),
        offline=found.count("offline"),
    )


def title(stage: Stage) -> str:
    """Return the whole in a line, as short as it may be."""
    over = f", over {stage.fallback}" if stage.fallback else ""
    kind = f" ({stage.strategy}{over})" if stage.strategy else ""
    line = f"{stage.name} {stage.version}{kind}: {_phase(stage)}"
    if stage.phase not in {"rolling", "paused"} or not stage.waves:
        return line
    return f"{line}, wave {stage.wave} of {stage.waves}"


def reason(stage: Stage) -> str:
    """Return why it stands so, "" where there is nothing to say."""
    return "" if is_paused_by_hand(stage) else stage.reason


def clock(stage: Stage, now: float) -> str:
    """Return what the limit leaves and what the time is for, "" when it is over."""
    left = (stage.deadline or 0.0) - now
    if stage.phase == "waiting":
        return f"it opens in {units.span(left)}" if left > 0 else ""
    if stage.phase not in {"rolling", "paused", "going-back"}:
        return ""
    said = [f"{stage.unavailable} away of {stage.allowed} allowed"]
    if stage.strategy == "blue-green":  # the old set serves meanwhile
        said = []
    if stage.phase == "rolling" and left > 0:
        said.append(f"{units.span(left)} left to prove itself")
    return ", ".join(said)


def stranded(stage: Stage) -> tuple[str, ...]:
    """Return what helps devices that no evidence is left for, a line if any."""
    if not stage.stranded:
        return ()
    word = "abort" if stage.phase in BACK else "promote"
    who = control.stranded(stage)
    return (f"no evidence is left for {who}: `edgectl rollout {word} {stage.name}`",)


def waves(stage: Stage) -> tuple[str, ...]:
    """Return a line for each wave."""
    return tuple(
        _wave(stage, number, tally(stage, number))
        for number in range(1, stage.waves + 1)
    )


def devices(stage: Stage) -> tuple[str, ...]:
    """Return a line for each replica there is something to say of, failures first."""
    ranks = {"failed": 0, "changing": 1, "back": 2, "offline": 3}
    found = [(ranks.get(_standing(stage, each), 9), each) for each in stage.units]
    shown = sorted(
        ((rank, each.wave, each.slot, _unit(stage, each)) for rank, each in found)
    )
    return tuple(line for rank, _, _, line in shown if rank in ranks.values())


def news(stage: Stage) -> tuple[str, ...]:
    """Return the lines of a log: each is printed when it is new."""
    head = ": ".join(part for part in (title(stage), reason(stage)) if part)
    return (head, *stranded(stage), *waves(stage), *devices(stage))


def picture(stage: Stage, now: float) -> tuple[str, ...]:
    """Return everything, for a screen that is drawn again and again."""
    said = [part for part in (reason(stage), clock(stage, now)) if part]
    said += stranded(stage)
    return (title(stage), *_indented((*said, *waves(stage), *devices(stage))))


def trouble(stage: Stage) -> tuple[str, ...]:
    """Return why the new version failed, device by device, with its last log lines."""
    found = failures(stage)
    lines: list[str] = []
    for each in found[:LOGS_MAX]:
        lines.append(f"{_who(each)} failed: {each.reason or 'no reason was given'}")
        lines += _indented(each.last_lines[-LINES_MAX:])
    more = len(found) - LOGS_MAX
    if more > 0:
        others = ", ".join(sorted({each.node for each in found[LOGS_MAX:]}))
        lines.append(f"and {more} more failed, on {others}")
    return tuple(lines)


def history(rows: Iterable[Revision]) -> str:
    """Return the versions of a deployment as a table, newest first."""
    titles = ("VERSION", "SIGNED", "WORKLOADS", "")
    shown = sorted(rows, key=lambda row: -row.version)
    return render.table(titles, (_revision(row) for row in shown))


def _revision(row: Revision) -> tuple[str, ...]:
    note = "newest" if row.is_newest else ""
    if row.deleted:
        note = "deleted" + (", newest" if row.is_newest else "")
    workloads = str(row.workloads) if not row.deleted else ""
    return str(row.version), render.moment(row.issued_at), workloads, note


def _phase(stage: Stage) -> str:
    if stage.phase == "paused":
        return "paused by an operator" if is_paused_by_hand(stage) else "paused"
    if stage.phase == "going-back":
        return f"going back to version {stage.fallback}"
    return PHASES.get(stage.phase, stage.phase)


def _wave(stage: Stage, number: int, found: Tally) -> str:
    line = f"wave {number} of {stage.waves}: {found.proved} of {found.total} proved"
    more = (
        (found.failed, "failed"),
        (found.changing, "changing"),
        (found.offline, "offline"),
    )
    said = [f"{count} {what}" for count, what in more if count]
    if not found.total:
        return f"wave {number} of {stage.waves}: nobody is in it"
    return ", ".join((line, *said))


def _standing(stage: Stage, unit: Unit) -> str:
    """Return where a replica is: what counts most comes first."""
    if unit.bad:
        return "failed"
    is_new = unit.version == stage.version
    if not unit.online and not (is_new and unit.proved):
        return "offline"
    if stage.phase in BACK and unit.version != unit.wanted:
        return "back"
    if is_new and unit.proved:
        return "proved"
    return "changing" if is_new or unit.wanted == stage.version else "waits"


def _unit(stage: Stage, unit: Unit) -> str:
    why = f" ({unit.reason})" if unit.reason else ""
    at = f"version {unit.version}" if unit.version else "no version"
    match _standing(stage, unit):
        case "failed":
            return f"{_who(unit)}: failed{why}, at {at}"
        case "offline":
            gets = f"; gets {unit.wanted} when it is back"
            is_behind = unit.wanted not in {0, unit.version}
            return f"{_who(unit)}: offline at {at}{gets if is_behind else ''}"
        case "back":
            return f"{_who(unit)}: going back to version {unit.wanted}{why}"
        case _ if unit.version != stage.version:
            return f"{_who(unit)}: changing, still at {at}{why}"
        case _ if unit.healthy:
            return f"{_who(unit)}: healthy, proving itself"
        case _:
            return f"{_who(unit)}: {unit.state or 'starting'}{why}"


def _who(unit: Unit) -> str:
    return f"{replica_of(Slot(unit.slot))} on {unit.node}"


def _indented(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"  {line}" for line in lines)
