"""Ends containers that run although Podman forgot them.

When somebody removes a container in the very moment it is started again, Podman 4.3
drops it from its database while its monitor (conmon) and its process live on, holding
its ports for ever. Podman cannot end them any more; the kernel can.

Only what is certainly ours is touched: a conmon on this machine's own network whose
container carries a name of ours and an ID that Podman does not know.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MONITOR = "conmon"
ID_OPTION, NAME_OPTION = b"-c", b"-n"
COMMAND_LINE_MAX = 64 * 1024  # bytes; conmon's is about 2 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """One conmon: its own process, its container's ID and name."""

    pid: int
    container: str
    name: str


def monitors(prefix: str, proc: Path = PROC) -> tuple[Monitor, ...]:
    """Return the conmons of this machine whose container's name begins so."""
    network = _network(proc / "self")
    found = []
    for folder in proc.glob("[0-9]*"):
        monitor = _monitor(folder)
        is_ours = monitor is not None and monitor.name.startswith(prefix)
        # Inside the unit's sandbox the kernel hides the network of others; a device
        # that is sandboxed is no lab of several machines.
        if monitor and is_ours and _network(folder) in {network, ""}:
            found.append(monitor)
    return tuple(sorted(found, key=lambda each: each.pid))


def unknown(
    running: Iterable[Monitor], containers: Iterable[str]
) -> tuple[Monitor, ...]:
    """Return the monitors whose container Podman does not list.

    Look for monitors first and list containers after: a container is in Podman's
    database before its monitor starts.
    """
    known = frozenset(containers)
    return tuple(each for each in running if each.container not in known)


def end(monitor: Monitor, proc: Path = PROC) -> None:
    """Kill a container's first process, and the monitor if nothing else ends it."""
    for child in _children(monitor.pid, proc):
        _kill(child)
    _kill(monitor.pid)


def _monitor(folder: Path) -> Monitor | None:
    try:
        if (folder / "comm").read_text().strip() != MONITOR:
            return None
        with (folder / "cmdline").open("rb") as file:
            words = file.read(COMMAND_LINE_MAX).split(b"\0")
    except OSError:
        return None
    container, name = _after(words, ID_OPTION), _after(words, NAME_OPTION)
    return Monitor(pid=int(folder.name), container=container, name=name)


def _after(words: list[bytes], option: bytes) -> str:
    if option not in words[:-1]:
        return ""
    return words[words.index(option) + 1].decode(errors="replace")


def _network(folder: Path) -> str:
    try:
        return str((folder / "ns/net").readlink())
    except OSError:
        return ""


def _children(pid: int, proc: Path) -> list[int]:
    try:
        text = (proc / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
