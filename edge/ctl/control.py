"""What an operator can say to a rollout under way, and what comes of it.

A word is signed only where it would change something: `refusal` says why it would not,
and what to do instead. The hub's stage is for asking and telling; what a word is about
(``target``) is the newest version this machine judged itself.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from edge.ctl.shapes import Stage
from edge.documents import Control, Deployment

Action = Literal["pause", "resume", "promote", "abort"]
NAMED_MAX = 3
"""Devices named in a sentence."""
ENDED: Mapping[str, str] = MappingProxyType(
    {
        "done": "its rollout is done",
        "failed": "its rollout failed and was taken back",
        "aborted": "its rollout was aborted",
        "going-back": "it goes back already",
    }
)
INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "done": "`edgectl rollout undo {name}` takes it back",
        "failed": "`edgectl deploy` a mended version",
        "aborted": "`edgectl deploy` a mended version",
        "going-back": "`edgectl rollout watch {name}` shows it",
    }
)


def refusal(stage: Stage, action: Action, newest: int, *, is_kept: bool = False) -> str:
    """Return why the word would change nothing, a sentence; "" if it would.

    ``newest`` is the version that operators signed last; ``is_kept`` says whether the
    set before it is (`is_kept`).
    """
    problem, advice = _problem(stage, action, newest)
    is_switch_back = action == "abort" and stage.phase == "done" and is_kept
    if not problem or (is_switch_back and stage.version == newest):
        return ""
    subject = f"cannot {action} {stage.name} {newest}"
    return f"{subject}: {problem}; {advice.format(name=stage.name)}"


def is_kept(stage: Stage, newest: Deployment, now: float) -> bool:
    """Return whether a promoted version still has the old set beside it.

    By the hub's word on when it was promoted: where that is wrong, an abort starts the
    old set anew.
    """
    limits = newest.rollout
    if limits is None or limits.strategy != "blue-green" or stage.phase != "done":
        return False
    return now < (stage.since or 0.0) + limits.keep_for


def intent(stage: Stage, action: Action) -> str:
    """Return what the word will do, as a sentence for the question before it."""
    what = f"{stage.name} {stage.version}"
    match action:
        case "pause":
            return f"{what} changes on no further device until it is resumed"
        case "resume":
            return f"{what} goes on with wave {stage.wave} of {stage.waves}"
        case "promote" if stage.stranded:
            return f"{what} reaches {stranded(stage)} without proof"
        case "promote" if stage.phase == "promotable":
            gone = f"version {stage.fallback} is kept for a while, and leaves"
            return f"{what} is switched to: {gone}"
        case "promote":
            return f"{what} goes on {_next(stage)} without waiting for proof"
        case "abort":
            back = f"go back to version {stage.fallback}"
            return f"{what} is given up: {_having(stage)} {back}"


def outcome(stage: Stage, action: Action) -> str:
    """Return what was done, once the hub took the word."""
    what = f"{stage.name} {stage.version}"
    match action:
        case "pause":
            return f"{what} is paused; `edgectl rollout resume {stage.name}` goes on"
        case "resume":
            return f"{what} goes on"
        case "promote" if stage.stranded:
            return f"{what} goes to {stranded(stage)}"
        case "promote":
            return f"{what} goes on {_next(stage)}"
        case "abort":
            watch = f"`edgectl rollout watch {stage.name}` shows it"
            return f"{what} goes back to version {stage.fallback}; {watch}"


def wave(stage: Stage, action: Action, before: Control | None) -> int:
    """Return the wave up to which a word opens all, counted from 0.

    A promote opens the next one, for who is stranded only those that are open. All
    others, by which devices forget the promote, carry on what was said ``before``.
    """
    is_about = before is not None and before.target == stage.version
    carried = before.wave if before is not None and is_about else 0
    if action != "promote":
        return carried
    is_held = bool(stage.stranded and stage.wave)
    return max(carried, stage.wave - 1 if is_held else stage.wave)


def stranded(stage: Stage) -> str:
    """Return whom no evidence is left for, a few by name."""
    named, more = stage.stranded[:NAMED_MAX], len(stage.stranded) - NAMED_MAX
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _is_rescue(stage: Stage, action: Action) -> bool:
    """Return whether the word brings along whom no evidence is left for."""
    is_back = stage.phase in {"going-back", "failed"}
    return bool(stage.stranded) and action == ("abort" if is_back else "promote")


def _problem(stage: Stage, action: Action, newest: int) -> tuple[str, str]:
    """Return what stands in the way and what to do about it."""
    if stage.version < newest:
        return "the hub has not begun with it yet", "try again in a moment"
    if stage.version > newest:
        problem = f"the hub speaks of a version {stage.version} it does not show"
        return problem, "run `edgectl doctor`"
    if stage.phase == "idle":
        advice = "only a deployment with [rollout] and a version before it has one"
        return "no rollout is under way", advice
    if not stage.fallback:
        problem = "there is no version to go back to, so it is everywhere at once"
        return problem, "`edgectl deploy` another one"
    if stage.phase in ENDED and not _is_rescue(stage, action):
        return ENDED[stage.phase], INSTEAD[stage.phase]
    return _untimely(stage, action)


def _untimely(stage: Stage, action: Action) -> tuple[str, str]:
    """Return why a word comes at the wrong moment of a rollout under way."""
    watch = "`edgectl rollout watch {name}` shows it"
    if _is_rescue(stage, action):
        return "", ""
    if action == "pause" and stage.phase == "paused":
        return "it is paused", "`edgectl rollout resume {name}` goes on"
    if action == "resume" and stage.phase != "paused":
        return "it is not paused", watch
    if action == "promote" and stage.phase == "waiting":
        return "its window is closed", "devices begin when it opens; " + watch
    if action == "promote" and stage.phase != "promotable":
        return _early(stage, watch)
    return "", ""


def _early(stage: Stage, watch: str) -> tuple[str, str]:
    """Return why a promote would open nothing, and switch to nothing."""
    if stage.strategy == "blue-green" and stage.phase == "paused":
        return "it is paused", "`edgectl rollout resume {name}` goes on"
    if stage.strategy == "blue-green":
        return "the new set is not up yet", watch
    return ("its last wave is open", watch) if stage.wave >= stage.waves else ("", "")


def _next(stage: Stage) -> str:
    if stage.phase == "promotable":
        return "to the switch"
    return f"to wave {stage.wave + 1} of {stage.waves}"


def _having(stage: Stage) -> str:
    """Return who has the new version, or is about to."""
    count = sum(stage.version in {unit.version, unit.wanted} for unit in stage.units)
    return f"{count} of {len(stage.units)} replicas have it and"
