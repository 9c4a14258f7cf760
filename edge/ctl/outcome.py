"""How the rollout of one version ends, by what the hub shows: an exit code's reason.

- Done: the hub calls it done. Devices that are offline get it when they return.
- Ready: both sets of a blue-green rollout run, and the operator decides, some day.
- Failed: it was taken back, or aborted, and everyone who is there has the version
  before. While devices still go back, it goes on.
- Held: it paused by itself, because a device failed under ``on_failure = "pause"`` or
  because nothing was proved in time. A pause that an operator asked for is waited out.
- Overtaken: someone signed a later version.
"""

import msgspec

from edge.ctl.shapes import Stage, Unit
from edge.names import Slot, replica_of

TAKEN_BACK = frozenset({"failed", "aborted"})
FAILED = "a device failed"


class Going(msgspec.Struct, frozen=True, kw_only=True):
    """It goes on."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """It is over; ``waiting`` devices are offline and get it later."""

    total: int
    waiting: tuple[str, ...] = ()
    remark: str = ""
    """What is not quite as it should be: a device that went back alone."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The new set is up; ``waiting`` devices are offline and get it later."""

    waiting: tuple[str, ...] = ()


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """It was taken back; a sentence says why."""

    problem: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """It stands still until an operator says how to go on."""

    problem: str


class Overtaken(msgspec.Struct, frozen=True, kw_only=True):
    """Someone signed a later version."""

    version: int


Outcome = Going | Done | Ready | Failed | Held | Overtaken


def judge(stage: Stage, version: int) -> Outcome:
    """Return where the rollout of ``version`` stands."""
    if stage.version > version:
        return Overtaken(version=stage.version)
    if stage.version < version:
        return Going()
    if stage.phase in {"done", "promotable"}:
        return _up(stage)
    if stage.phase in TAKEN_BACK:
        return Failed(problem=_taken_back(stage))
    if stage.phase == "paused" and not is_paused_by_hand(stage):
        return Held(problem=_held(stage))
    return Going()


def _up(stage: Stage) -> Done | Ready:
    if stage.phase == "promotable":
        return Ready(waiting=_missing(stage))
    total, waiting = len(stage.units), _missing(stage)
    return Done(total=total, waiting=waiting, remark=stage.reason)


def ending(stage: Stage, took: str = "") -> str:
    """Return how it went well, a sentence; ``took`` is how long, if that is known."""
    what, after = f"{stage.name} {stage.version}", f", {took}" if took else ""
    if stage.phase != "promotable":
        return f"{what}: done{after}"
    words = f"`edgectl rollout promote {stage.name}` switches to it"
    back = f"`edgectl rollout abort {stage.name}` removes it"
    return f"{what} runs beside version {stage.fallback}{after}: {words}, {back}"


def is_paused_by_hand(stage: Stage) -> bool:
    """Return whether an operator asked for the pause."""
    word = stage.control
    if word is None or stage.phase != "paused":
        return False
    return word.action == "pause" and word.target == stage.version


def failures(stage: Stage) -> tuple[Unit, ...]:
    """Return the replicas on which the new version failed."""
    return tuple(each for each in stage.units if each.bad)


def _missing(stage: Stage) -> tuple[str, ...]:
    return tuple(sorted({each.node for each in stage.units if _is_missing(each)}))


def _is_missing(unit: Unit) -> bool:
    return not unit.online and unit.version != unit.wanted


def _taken_back(stage: Stage) -> str:
    subject = f"cannot bring {stage.name} {stage.version} about"
    otherwise = "an operator aborted it" if stage.phase == "aborted" else FAILED
    return f"{subject}: {_why(stage, otherwise)}; version {stage.fallback} runs again"


def _held(stage: Stage) -> str:
    subject = f"cannot go on with {stage.name} {stage.version}"
    words = f"`edgectl rollout resume {stage.name}` or `edgectl rollout abort"
    why = _why(stage, FAILED)
    return f"{subject}: {why}; it is paused: {words} {stage.name}`"


def _why(stage: Stage, otherwise: str) -> str:
    """Return the hub's reason, with the first device that failed if it names none."""
    reason = stage.reason or otherwise
    found = [each for each in failures(stage) if each.node not in reason]
    if not found or len(found) < len(failures(stage)):
        return reason
    first = found[0]
    said = f": {first.reason}" if first.reason else ""
    return f"{reason} ({replica_of(Slot(first.slot))} on {first.node}{said})"
