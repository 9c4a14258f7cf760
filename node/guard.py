"""Lease files for the guard, and the guard itself, as the daemon sees them.

The guard (`guard.sh`) is a process of its own that ends a container at its lease's
deadline, also while the daemon hangs, is stopped or gone. The daemon writes a lease
*before* it starts the container, and again with every renewal; it starts none while
`is_guarded` is false. Everything is on a tmpfs: after a reboot there is neither a lease
nor a container.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import files
from edge.errors import StoreError
from edge.names import Slot

SCRIPT = Path(__file__).with_name("guard.sh")
FOLDER = "leases"
HEARTBEAT = "guard"
SUFFIX = ".lease"
LINE_MAX = 4096  # bytes; a path and an ID
FRESH_FOR = 3.0
"""Seconds a heartbeat counts; the guard writes one at least every second."""
AHEAD = 0.1
"""Seconds a heartbeat may be ahead of a `now` that was read a moment ago."""
# The shell ends at once, so the guard is nobody's child and leaves no zombie.
# It is nicer than others to itself: a busy processor must not make two copies run.
LAUNCHER = 'nice -n -10 "$@" &'
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedLease:
    """What the guard was told; ``deadline`` is in seconds of CLOCK_BOOTTIME."""

    deadline: float
    pidfile: Path
    container: str


def command(run: Path) -> tuple[str, ...]:
    """Return the command line of the guard of this run folder."""
    return ("/bin/sh", str(SCRIPT), str(run / FOLDER))


class Leases:
    """The folder that daemon and guard share.

    Where the guard is a unit of its own, the daemon does not start it.
    """

    def __init__(self, run: Path, *, is_unit: bool = False) -> None:
        """Write nothing yet; ``run`` is the daemon's run folder, on a tmpfs."""
        self.folder = run / FOLDER
        self._is_unit = is_unit

    def write(self, slot: Slot, deadline: float, pidfile: Path, container: str) -> None:
        """Have a slot's container killed at ``deadline``; replaces the lease before.

        Raises `StoreError`: then what was written before still holds.
        """
        line = f"{deadline:.2f} {pidfile} {container}\n"
        files.write(self._path(slot), line.encode())

    def remove(self, slot: Slot) -> None:
        """Guard a slot no more; only after its container is gone."""
        files.remove(self._path(slot))

    def read_all(self) -> Mapping[Slot, GuardedLease]:
        """Return every lease that can be read: a daemon that starts again asks."""
        paths = sorted(self.folder.glob(f"*{SUFFIX}"))
        read = {_slot(path): _read(path) for path in paths}
        return {slot: lease for slot, lease in read.items() if lease is not None}

    def is_guarded(self, now: float) -> bool:
        """Return whether the guard was at work within the last seconds."""
        beat = self._heartbeat()
        return beat is not None and -AHEAD <= now - beat[0] <= FRESH_FOR

    def ensure(self, now: float) -> None:
        """Start the guard unless it is at work; one that hangs is replaced.

        Raises `StoreError`: the folder cannot be made, or no shell be started.
        """
        files.make_folder(self.folder)
        if self._is_unit or self.is_guarded(now):
            return
        beat = self._heartbeat()
        if beat is not None:
            _end(beat[1], self.folder)
        _start(command(self.folder.parent))

    def _path(self, slot: Slot) -> Path:
        return self.folder / f"{slot.replace('/', ':')}{SUFFIX}"

    def _heartbeat(self) -> tuple[float, int] | None:
        """Return when the guard last looked, and its pid."""
        try:
            content = files.read(self.folder / HEARTBEAT, at_most=LINE_MAX)
            seconds, pid = (content or b"").split(b"\n")[0].split()
            return float(seconds), int(pid)
        except (StoreError, ValueError):
            return None


def _slot(path: Path) -> Slot:
    return Slot(path.name.removesuffix(SUFFIX).replace(":", "/"))


def _read(path: Path) -> GuardedLease | None:
    try:
        content = files.read(path, at_most=LINE_MAX) or b""
        deadline, pidfile, container = content.decode().split()
        return GuardedLease(
            deadline=float(deadline), pidfile=Path(pidfile), container=container
        )
    except (StoreError, ValueError):
        return None


def _start(words: Sequence[str]) -> None:
    try:
        started = subprocess.Popen(
            ("/bin/sh", "-c", LAUNCHER, "sh", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": PATH},
            start_new_session=True,
        )
    except OSError as error:
        raise StoreError(f"cannot start the guard: {error}") from error
    started.wait()


def _end(pid: int, folder: Path) -> None:
    """Kill a guard that writes no more; the number may be another process's by now."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, OverflowError, ValueError):
        return
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if os.fsencode(folder) in words and os.fsencode(SCRIPT) in words:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return
    finally:
        os.close(descriptor)
