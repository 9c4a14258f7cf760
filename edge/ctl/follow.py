"""Watch a deployment by long polls until it works, failed, or the time is up.

What ends here goes on there: the hub and the devices do not need anyone to watch.
"""

import time

import msgspec

from edge.ctl import progress, terminal
from edge.ctl.api import Hub
from edge.ctl.exits import Ended, Exit
from edge.ctl.progress import Done, Failed, Overtaken, Waiting
from edge.ctl.shapes import Status
from edge.errors import RequestError, Unreachable
from edge.model import Workload

POLL_FOR = 20.0  # seconds one question stays open; proxies cut at 30 or 60
RETRY_AFTER = 1.0  # seconds, while the hub does not answer
GONE, BROKEN = 404, 500


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is waited for."""

    name: str
    version: int
    workloads: tuple[Workload, ...]
    allow_unplaced: bool = False


class Watch:
    """Long polls of one deployment, with a deadline."""

    def __init__(self, hub: Hub, name: str, timeout: float) -> None:
        """``timeout`` in seconds from now."""
        self._hub = hub
        self._name = name
        self._deadline = time.monotonic() + timeout
        self._etag = ""
        self._trouble = ""

    def next(self) -> Status | None:
        """Return the next state that differs, None when the time is up."""
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                wait = min(POLL_FOR, left) if self._etag else 0.0
                status, self._etag = self._hub.status(self._name, self._etag, wait)
            except (Unreachable, RequestError) as error:
                if isinstance(error, RequestError) and error.status < BROKEN:
                    raise
                self._say(str(error))
                time.sleep(min(RETRY_AFTER, left))
                continue
            if status is not None:
                self._trouble = ""
                return status
        return None

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            terminal.tell(f"  {trouble}; asking again")
            self._trouble = trouble


def until_works(hub: Hub, watched: Watched, timeout: float) -> Status:
    """Return the state in which every replica works; raise `Ended` for another end."""
    watch, said = Watch(hub, watched.name, timeout), Said()
    began = time.monotonic()
    while (status := watch.next()) is not None:
        verdict = progress.judge(
            status,
            watched.version,
            watched.workloads,
            allow_unplaced=watched.allow_unplaced,
        )
        match verdict:
            case Done():
                took = time.monotonic() - began
                count = f"{verdict.total} of {verdict.total}"
                text = f"{watched.name} {watched.version}: {count} work, {took:.1f} s"
                terminal.tell(text)
                return status
            case Failed():
                raise _failed(watched, verdict)
            case Overtaken():
                problem = f"cannot finish {watched.name} {watched.version}"
                late = f"someone signed version {verdict.version} meanwhile"
                raise Ended(Exit.OVERTAKEN, f"{problem}: {late}")
            case Waiting():
                said.changes(verdict.lines)
    raise _timed_out(f"{watched.name} {watched.version}", timeout, said.lines)


def until_gone(hub: Hub, name: str, version: int, timeout: float) -> None:
    """Return when no device that is heard of runs any of a deployment."""
    watch, said = Watch(hub, name, timeout), Said()
    try:
        while (status := watch.next()) is not None:
            if status.version > version:
                problem = f"cannot finish deleting {name}: someone deployed it again"
                raise Ended(Exit.OVERTAKEN, problem)
            if status.version == version and progress.is_gone(status):
                return
            said.changes(progress.lines(status.replicas))
    except RequestError as error:
        if error.status == GONE:
            return
        raise
    raise _timed_out(f"deleting {name}", timeout, said.lines)


class Said:
    """What was told to people already, so that only news is printed."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.lines: tuple[str, ...] = ()

    def changes(self, lines: tuple[str, ...]) -> None:
        """Print the lines that are new since the last time."""
        for line in lines:
            if line not in self.lines:
                terminal.tell(f"  {line}")
        self.lines = lines


def _failed(watched: Watched, verdict: Failed) -> Ended:
    problem = f"cannot bring {watched.name} {watched.version} about"
    return Ended(Exit.ROLLOUT_FAILED, f"{problem}: {'; '.join(verdict.problems)}")


def _timed_out(subject: str, timeout: float, lines: tuple[str, ...]) -> Ended:
    last = f"; last seen: {'; '.join(lines)}" if lines else ""
    problem = f"cannot wait longer for {subject} than {timeout:g} s"
    return Ended(Exit.TIMED_OUT, f"{problem}: it goes on{last}")
