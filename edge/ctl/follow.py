"""Watch a deployment by long polls until it works, failed, or the time is up.

What ends here goes on there: the hub and the devices do not need anyone to watch.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from edge.ctl import draining, progress, terminal
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


Shape = TypeVar("Shape")
Ask = Callable[[str, float], tuple[Shape | None, str]]
"""Takes an ETag and how long to wait; returns what differs, or None, and its ETag."""


class Watch(Generic[Shape]):
    """Long polls of one thing, with a deadline or for as long as it takes."""

    def __init__(self, ask: Ask[Shape], timeout: float | None) -> None:
        """``timeout`` in seconds from now, None for ever."""
        self._ask = ask
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._etag = ""
        self._trouble = ""

    @property
    def left(self) -> float:
        """Return the seconds until the time is up."""
        if self._deadline is None:
            return POLL_FOR
        return self._deadline - time.monotonic()

    def next(self) -> Shape | None:
        """Return the next state that differs, None when the time is up."""
        while self.left > 0:
            found = self.look(POLL_FOR)
            if found is not None:
                return found
        return None

    def look(self, patience: float) -> Shape | None:
        """Return what differs, None when nothing did for as long as ``patience``."""
        left = self.left
        try:
            wait = max(0.0, min(patience, left)) if self._etag else 0.0
            found, self._etag = self._ask(self._etag, wait)
        except (Unreachable, RequestError) as error:
            if isinstance(error, RequestError) and error.status < BROKEN:
                raise
            self._say(str(error))
            time.sleep(max(0.0, min(RETRY_AFTER, left)))
            return None
        if found is not None:
            self._trouble = ""
        return found

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            terminal.tell(f"  {trouble}; asking again")
            self._trouble = trouble


def until_works(hub: Hub, watched: Watched, timeout: float) -> Status:
    """Return the state in which every replica works; raise `Ended` for another end."""
    watch, said = _of(hub, watched.name, timeout), Said()
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
    raise timed_out(f"{watched.name} {watched.version}", timeout, said.lines)


def until_gone(hub: Hub, name: str, version: int, timeout: float) -> None:
    """Return when no device that is heard of runs any of a deployment."""
    watch, said = _of(hub, name, timeout), Said()
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
    raise timed_out(f"deleting {name}", timeout, said.lines)


def until_left(hub: Hub, nodes: frozenset[str], timeout: float) -> None:
    """Return when nothing is left on drained devices that are heard of."""
    said, deadline = Said(), time.monotonic() + timeout
    while time.monotonic() < deadline:
        rows = hub.replicas()
        left = draining.left(rows, nodes)
        if not left:
            return
        moving = draining.about(rows, (row.slot for row in left))
        said.changes(progress.lines(moving))
        time.sleep(RETRY_AFTER)
    raise timed_out(f"draining {', '.join(sorted(nodes))}", timeout, said.lines)


def _of(hub: Hub, name: str, timeout: float) -> Watch[Status]:
    return Watch(lambda etag, wait: hub.status(name, etag, wait), timeout)


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


def timed_out(subject: str, timeout: float, lines: tuple[str, ...]) -> Ended:
    """Return the end of a command whose time is up, with what was seen last."""
    last = f"; last seen: {'; '.join(lines)}" if lines else ""
    problem = f"cannot wait longer for {subject} than {timeout:g} s"
    return Ended(Exit.TIMED_OUT, f"{problem}: it goes on{last}")
