"""How far a deploy is, by what the hub shows: done, failed, overtaken, or go on.

- Done: every expected replica runs the version, and is healthy if it can say so.
- Failed: a device said that it cannot run it, or a replica was started again so often
  that patience only hides the reason. What found no place fails the deploy when the
  rest is done, unless that was allowed.
- Overtaken: the stream went on to another version meanwhile.
"""

from collections.abc import Iterable, Sequence

import msgspec

from edge.ctl.shapes import ReplicaRow, Status
from edge.model import Workload

RESTARTS_MAX = 3
"""Restarts of one version before it counts as failed; a slow dependency takes one or
two, and the back-off between them grows to minutes soon after."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """It goes on; ``lines`` say what each replica does."""

    lines: tuple[str, ...]
    done: int
    total: int


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Every replica that has a place works."""

    total: int


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """It will not come about by waiting; a sentence for each reason."""

    problems: tuple[str, ...]


class Overtaken(msgspec.Struct, frozen=True, kw_only=True):
    """Someone signed a later version."""

    version: int


Verdict = Waiting | Done | Failed | Overtaken


def judge(
    status: Status,
    version: int,
    workloads: Sequence[Workload],
    *,
    allow_unplaced: bool = False,
) -> Verdict:
    """Return where version ``version`` of a deployment stands."""
    if status.version > version:
        return Overtaken(version=status.version)
    broken = [row for row in status.replicas if _is_broken(row, version)]
    if broken:
        return Failed(problems=tuple(_trouble(row) for row in broken))
    rows = {(row.slot, row.node): row for row in status.replicas}
    wanted = [rows.get((each.slot, each.node)) for each in status.expected]
    done = [row for row in wanted if row is not None and _works(row, version)]
    is_decided = status.version == version and _is_decided(status, workloads)
    if not is_decided or len(done) < len(wanted):
        news = lines(row for row in status.replicas if row.wanted == version)
        return Waiting(lines=news, done=len(done), total=len(wanted))
    if status.unplaced and not allow_unplaced:
        problems = tuple(each.problem or each.slot for each in status.unplaced)
        return Failed(problems=problems)
    return Done(total=len(wanted))


def is_gone(status: Status) -> bool:
    """Return whether nothing of a deleted deployment is left on any live device.

    What an offline device still runs ends when it hears of it.
    """
    return all(row.state == "unknown" for row in status.replicas)


def lines(rows: Iterable[ReplicaRow]) -> tuple[str, ...]:
    """Return one line for each replica: where it is and what it does."""
    return tuple(_line(row) for row in rows)


def _works(row: ReplicaRow, version: int) -> bool:
    """A replica without a health check is healthy while it runs: its node says so."""
    return row.revision == version and row.state == "running" and row.healthy


def _is_broken(row: ReplicaRow, version: int) -> bool:
    if row.revision != version or row.wanted != version or not row.node:
        return False
    has_tried = row.restarts >= RESTARTS_MAX and not row.healthy
    return row.state == "failed" or has_tried


def _is_decided(status: Status, workloads: Sequence[Workload]) -> bool:
    """Return whether the hub has placed, or explained, every replica asked for."""
    placed = [_workload(each.slot) for each in status.expected]
    failed = [each.workload for each in status.unplaced]
    return all(
        placed.count(each.name) + failed.count(each.name)
        >= (1 if each.every else each.replicas)
        for each in workloads
    )


def _workload(slot: str) -> str:
    return slot.partition("/")[2].partition("@")[0].partition(".")[0]


def _line(row: ReplicaRow) -> str:
    place = f" on {row.node}" if row.node else ""
    state = "healthy" if row.healthy else row.state
    is_behind = row.revision and row.wanted and row.revision != row.wanted
    revision = f" at revision {row.revision}" if is_behind else ""
    reason = f" ({row.reason})" if row.reason and not row.healthy else ""
    return f"{row.replica}{place}: {state}{revision}{reason}"


def _trouble(row: ReplicaRow) -> str:
    tries = f" after {row.restarts} restarts" if row.restarts else ""
    return (
        f"{row.replica} on {row.node} {row.state}{tries}: {row.reason or 'unhealthy'}"
    )
