"""Rollouts as a hub shows them: version 2 of ``web`` over 1, on three devices."""

from typing import Any

from edge.ctl.shapes import Stage, Unit, Word


def unit(number: int = 1, **changes: Any) -> Unit:
    """Return ``web.<number>`` on its device, still at version 1; n1 is the canary."""
    parts: dict[str, Any] = {
        "slot": f"web/web.{number}",
        "node": f"n{number}",
        "site": "home",
        "wave": 1 if number == 1 else 2,
        "version": 1,
        "wanted": 1,
        "state": "running",
        "healthy": True,
    }
    return Unit(**{**parts, **changes})


def proved(number: int = 1, **changes: Any) -> Unit:
    """Return a replica that proved version 2."""
    return unit(number, **{"version": 2, "wanted": 2, "proved": True, **changes})


def bad(number: int = 1, **changes: Any) -> Unit:
    """Return a replica where version 2 failed; it runs version 1 again."""
    parts = {
        "bad": True,
        "reason": "exit code 1",
        "last_lines": ("boot", "no such table"),
    }
    return unit(number, **{**parts, **changes})


def stage(*units: Unit, **changes: Any) -> Stage:
    """Return a rollout in its first wave."""
    parts: dict[str, Any] = {
        "name": "web",
        "version": 2,
        "fallback": 1,
        "strategy": "canary",
        "phase": "rolling",
        "wave": 1,
        "waves": 2,
        "allowed": 1,
        "units": units or (unit(1, wanted=2), unit(2), unit(3)),
    }
    return Stage(**{**parts, **changes})


def word(action: str, target: int = 2) -> Word:
    """Return an operator's word on version 2."""
    return Word(version=1, action=action, target=target)
