"""Says whether a replica works, from the outcomes of its probes, and when to ask next.

- *starting* until the first success; *healthy* from then on until ``fail_after``
  failures in a row make it *unhealthy*; one success makes it healthy again.
- Before the first success it is asked quickly (50 ms, 100 ms, 200 ms, … up to
  ``every``), so that a deploy is not kept waiting for the next beat. These extra
  questions only ever help: until then a failure counts at most once in each ``every``,
  and not at all within ``start_period``.
"""

from dataclasses import dataclass, replace

from edge.model import Health
from node.replica import Verdict

FIRST_AFTER = 0.05
"""Seconds from a start to the first probe; a small web server answers after 6 ms, so
sooner would mostly be asked twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What the probes of one life of a container have shown so far."""

    started_at: float
    next_at: float
    gap: float = FIRST_AFTER
    """Seconds between the last two questions before the first success."""
    counted_at: float
    """When a failure last counted, or the end of the start period."""
    failures: int = 0
    verdict: Verdict = "starting"
    reason: str = ""
    """What the last failure said."""


def begin(now: float, health: Health) -> Pulse:
    """Return the pulse of a container that was just seen to run."""
    return Pulse(
        started_at=now,
        next_at=now + min(FIRST_AFTER, health.every),
        counted_at=now + health.start_period,
    )


def record(pulse: Pulse, health: Health, now: float, problem: str) -> Pulse:
    """Return the pulse after a probe that ended ``now``; "" means it succeeded."""
    if not problem:
        return replace(
            pulse,
            next_at=now + health.every,
            counted_at=now,
            failures=0,
            verdict="healthy",
            reason="",
        )
    pulse = _count(pulse, health, now)
    return replace(_again(pulse, health, now), reason=problem)


def _count(pulse: Pulse, health: Health, now: float) -> Pulse:
    has_worked = pulse.verdict == "healthy"
    if not has_worked and now < pulse.counted_at + health.every:
        return pulse
    failures = pulse.failures + 1
    is_down = failures >= health.fail_after
    verdict: Verdict = "unhealthy" if is_down else pulse.verdict
    return replace(pulse, failures=failures, counted_at=now, verdict=verdict)


def _again(pulse: Pulse, health: Health, now: float) -> Pulse:
    if pulse.verdict != "starting":
        return replace(pulse, next_at=now + health.every)
    gap = min(pulse.gap * 2, health.every)
    return replace(pulse, gap=gap, next_at=now + gap)
