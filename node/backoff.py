"""Counts how the runs of one replica ended, and says when the next may begin.

Podman repairs a crash by itself, at once, `QUICK_REPAIRS` times after each start by
this daemon (docs/adr/0009-crash-repair.md). What it does not repair is counted here:

- the first restart by the daemon is immediate, then it waits 1 s, doubling to 60 s;
- a run of 60 s or more is a good one, and the count starts again after it;
- a newer revision or another specification starts a new `Trail`: nothing waits for the
  failures of what it replaces.

All times are the caller's ``now`` (seconds of a clock that never jumps); nothing is
compared with the wall clock.
"""

from dataclasses import dataclass, replace

from node.replica import Container

QUICK_REPAIRS = 5
"""Crashes Podman repairs by itself before the daemon rules the pause."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
STEADY_AFTER = 1.0
"""Seconds a program must run to count as healthy when nothing probes it: most that
cannot start at all end sooner, and a deploy of one must not pass for a good one."""
GOOD_RUN = 60.0
"""Seconds of running after which earlier failures are forgotten."""
REPAIR_GRACE = 1.0
"""Seconds Podman gets for its own repair; it takes 0.13–0.35 s where measured."""
LOST_AFTER = 2.0
"""Seconds Podman may believe in a dead process: its monitor needs milliseconds to see
an end, so after this the monitor is dead too."""
REMAKE_AFTER = 3
"""Failed tries to start it after which a container is made anew: power cuts leave some
that Podman lists and cannot start."""
DOUBLINGS = 16  # 2**16 s is far past the longest pause; keeps the power small


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What happened to one replica so far."""

    about: str = ""
    """The revision and specification it speaks of."""
    life: str = ""
    since: float = 0.0
    """When this life was first seen."""
    gone_at: float | None = None
    """When its process was first seen to be gone."""
    is_over: bool = False
    """Whether the end of this life was counted, or an unhealthy life given up."""
    is_started: bool = False
    """Whether this daemon started it and did not see it run since: it may be over in
    less time than a look takes, and would never be counted."""
    failures: int = 0
    failed_at: float = 0.0
    problem: str = ""
    refused: int = 0
    """Actions on it that failed in a row; a container that runs forgives them."""
    restarts: int = 0
    shown: tuple[str, bool] = ("", False)
    """State and health as last reported."""
    shown_at: float = 0.0
    """Seconds since the epoch, by the device's clock, when that changed."""


def pause(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    if failures <= 1:
        return 0.0
    doublings = min(failures - 2, DOUBLINGS)
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**doublings)


def ready_at(trail: Trail) -> float:
    """Return the earliest time for the next try."""
    return trail.failed_at + pause(trail.failures)


def follow(
    trail: Trail, container: Container | None, now: float, *, is_unhealthy: bool
) -> Trail:
    """Return the trail after one look at the replica's container."""
    if container is None:
        return trail
    if container.is_running:
        return _running(trail, container, now, is_unhealthy=is_unhealthy)
    return _gone(trail, container, now)


def patience_until(trail: Trail, container: Container) -> float | None:
    """Return until when others may still repair a process that is gone, else None."""
    if trail.is_over or trail.gone_at is None:
        return None
    return trail.gone_at + _patience(container)


def adopted(trail: Trail, container: Container, now: float) -> Trail:
    """Return the trail of a container that runs since before anybody looked."""
    return replace(trail, life=container.life, since=now - STEADY_AFTER)


def started(trail: Trail, now: float) -> Trail:
    """Return the trail after this daemon started the container."""
    return replace(trail, since=now, gone_at=None, is_over=False, is_started=True)


def steady_at(trail: Trail) -> float:
    """Return when the present run counts as one that lasts."""
    return trail.since + STEADY_AFTER


def ending(container: Container) -> str:
    """Return how the last run of a container ended, as people would say it."""
    if container.is_lost:
        return "its process is gone and Podman did not notice"
    return f"ended with exit code {container.exit_code}"


def failed(trail: Trail, problem: str, now: float) -> Trail:
    """Return the trail after an action did not succeed."""
    return replace(_failed(trail, problem, now), refused=trail.refused + 1)


def _running(
    trail: Trail, container: Container, now: float, *, is_unhealthy: bool
) -> Trail:
    if container.life != trail.life:
        trail = replace(
            trail,
            restarts=trail.restarts + (1 if trail.life else 0),
            life=container.life,
            since=now,
            gone_at=None,
            is_over=False,
            refused=0,
        )
    trail = replace(trail, is_started=False)
    if is_unhealthy and not trail.is_over:
        return _counted(trail, "unhealthy", now)
    if not is_unhealthy and trail.failures and now - trail.since >= GOOD_RUN:
        return replace(trail, failures=0, problem="", is_over=False)
    return trail


def _gone(trail: Trail, container: Container, now: float) -> Trail:
    if trail.is_over:
        return trail
    if trail.gone_at is None:
        trail = replace(trail, gone_at=now)
    gone_at = now if trail.gone_at is None else trail.gone_at
    if now < gone_at + _patience(container):
        return trail
    if trail.is_started:
        again = 1 if trail.life else 0
        trail = replace(
            trail,
            restarts=trail.restarts + again,
            life=container.life,
            is_started=False,
        )
    elif not trail.life:
        # Never seen to run: the device rebooted, or this daemon just started.
        return replace(trail, is_over=True)
    return _counted(trail, ending(container), now)


def _patience(container: Container) -> float:
    if container.is_lost:
        return LOST_AFTER
    return REPAIR_GRACE if container.repair_pending else 0.0


def _counted(trail: Trail, problem: str, now: float) -> Trail:
    was_good = now - trail.since >= GOOD_RUN
    count = 1 if was_good else trail.failures + 1
    return replace(_failed(trail, problem, now), failures=count, is_over=True)


def _failed(trail: Trail, problem: str, now: float) -> Trail:
    count = trail.failures + 1
    return replace(trail, failures=count, failed_at=now, problem=problem)
