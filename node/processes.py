"""Sees processes end at once, by pidfd: no polling, no parentage, no reused numbers.

A pidfd becomes readable when its process ends, also when nobody has reaped it yet.
"""

import asyncio
import os
import select
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path


def is_alive(pid: int, container_id: str) -> bool:
    """Return whether ``pid`` runs and is a process of that container.

    The kernel writes the container's ID into the process's control group; a number that
    was given to another process is told apart by it. Where /proc does not show other
    users' processes, the number is believed.
    """
    descriptor = _open(pid)
    if descriptor is None:
        return False
    try:
        return not _has_ended(descriptor) and _belongs(pid, container_id)
    finally:
        os.close(descriptor)


def started_at(pid: int) -> float | None:
    """Return when a process began, in seconds of CLOCK_BOOTTIME, None for no process.

    Field 22 of /proc/PID/stat (proc(5)), counted from behind the command's name.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Calls ``on_end`` when one of the watched processes ends.

    An end is a hint to look again, no more: which it was, the next look shows.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        """Watch nothing yet."""
        self._on_end = on_end
        self._descriptors: dict[int, int] = {}

    def only(self, pids: Iterable[int]) -> None:
        """Watch exactly these; one that has ended already counts as ending now.

        Call it inside a running event loop; with nothing to watch it closes all.
        """
        wanted = frozenset(pids)
        for pid in self._descriptors.keys() - wanted:
            self._drop(pid)
        for pid in sorted(wanted - self._descriptors.keys()):
            self._add(pid)

    def _add(self, pid: int) -> None:
        descriptor = _open(pid)
        if descriptor is None:
            self._on_end()
            return
        self._descriptors[pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._end, pid)

    def _end(self, pid: int) -> None:
        self._drop(pid)
        self._on_end()

    def _drop(self, pid: int) -> None:
        descriptor = self._descriptors.pop(pid)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def _open(pid: int) -> int | None:
    """Return a pidfd, None when there is no such process."""
    if pid <= 0:
        return None
    with suppress(ProcessLookupError):
        return os.pidfd_open(pid)
    return None


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _belongs(pid: int, container_id: str) -> bool:
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii")
    except OSError:
        return True
