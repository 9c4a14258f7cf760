"""Listens on every machine's ``podman.sock`` and starts Podman when someone calls.

One small process for a whole lab does what systemd's ``podman.socket`` does on a
device: it owns the listening sockets, hands one to ``podman system service`` as
descriptor 3 (LISTEN_FDS, LISTEN_PID), and listens again when the service has left.
No Podman runs while nobody asks.

It keeps no state: SIGHUP, and every start, makes it look which machines have power
and no socket yet. Run as ``python -m edge.lab.sockets NAME HOME``.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edge import files
from edge.errors import LabError
from edge.lab import podman, processes, state
from edge.lab.layout import LabLayout, Machine

MODULE = "edge.lab.sockets"
LISTEN_FD = 3  # sd_listen_fds(3): the first descriptor handed over
BACKLOG = 128
# After a service that failed at once: long enough not to burn a core.
RETRY_AFTER = 1.0
READY_WITHIN = 10.0
LOOK_EVERY = 0.005
ENDS_WITHIN = 3.0
# The shell tells Podman its own number and becomes nsenter, which becomes Podman.
LAUNCHER = 'export LISTEN_PID=$$; exec "$@"'


def ensure(lab: LabLayout) -> None:
    """Have a socket listening for every node that has power.

    Raises:
        LabError: a socket did not appear; the message names the log.
    """
    process = processes.recall(_record(lab))
    if process is not None:
        os.kill(process.pid, signal.SIGHUP)
    else:
        _start(lab)
    deadline = time.monotonic() + READY_WITHIN
    for machine in _powered(lab):
        while not machine.socket.exists():
            if time.monotonic() > deadline:
                problem = f"cannot listen on {machine.socket}"
                raise LabError(f"{problem}: see {_log(lab)}")
            time.sleep(LOOK_EVERY)


def stop(lab: LabLayout) -> None:
    """End the process, also one whose record was lost."""
    process = processes.recall(_record(lab))
    if process is not None:
        processes.end(process, within=ENDS_WITHIN)
    processes.kill_every(processes.mentions(MODULE, lab.name, str(lab.home)))
    files.remove(_record(lab))


@dataclass(slots=True, kw_only=True)
class Listener:
    """One machine's socket; ``service`` is the pid Podman runs as, 0 for none."""

    machine: Machine
    socket: socket.socket
    identity: tuple[int, int]
    service: int = 0
    started: float = 0.0
    resume_at: float | None = None


class Switchboard:
    """The sockets of all machines, and the services behind them."""

    def __init__(self, lab: LabLayout) -> None:
        self._lab = lab
        self._listeners: dict[str, Listener] = {}
        self._selector = selectors.DefaultSelector()

    def run(self, wakeup: socket.socket) -> None:
        """Serve until SIGTERM; ``wakeup`` is where signals arrive as bytes."""
        self._selector.register(wakeup, selectors.EVENT_READ)
        self._look()
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is not wakeup:
                    self._serve(key.data)
                elif self._heed(wakeup.recv(64)):
                    return
            self._resume()

    def _heed(self, signals: bytes) -> bool:
        """Act on signals; return whether to end."""
        if signal.SIGCHLD in signals:
            self._reap()
        if signal.SIGHUP in signals:
            self._look()
        return signal.SIGTERM in signals

    def _look(self) -> None:
        """Drop the sockets that went with their machine's power, add those missing."""
        for name, listener in list(self._listeners.items()):
            if _identity(listener.machine.socket) != listener.identity:
                self._pause(listener)
                listener.socket.close()
                del self._listeners[name]
        for machine in _powered(self._lab):
            if machine.name not in self._listeners:
                listener = _listen(machine)
                self._listeners[machine.name] = listener
                self._await(listener)

    def _serve(self, listener: Listener) -> None:
        self._pause(listener)
        if _identity(listener.machine.socket) != listener.identity:
            return  # its machine lost power; SIGHUP is on its way
        listener.service = _launch(self._lab, listener)
        listener.started = time.monotonic()

    def _reap(self) -> None:
        while (ended := _next_ended()) is not None:
            for listener in self._listeners.values():
                if listener.service == ended:
                    listener.service = 0
                    listener.resume_at = listener.started + RETRY_AFTER

    def _resume(self) -> None:
        now = time.monotonic()
        for listener in self._listeners.values():
            if listener.resume_at is not None and listener.resume_at <= now:
                listener.resume_at = None
                self._await(listener)

    def _patience(self) -> float | None:
        """Return the seconds until the next paused socket may listen again."""
        waiting = [
            listener.resume_at
            for listener in self._listeners.values()
            if listener.resume_at is not None
        ]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _await(self, listener: Listener) -> None:
        self._selector.register(listener.socket, selectors.EVENT_READ, listener)

    def _pause(self, listener: Listener) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(listener.socket)


def main(name: str, home: str) -> None:
    """Serve the lab called ``name`` until SIGTERM."""
    lab = state.load(name, Path(home))
    if lab is None:
        raise LabError(f"cannot serve lab {name}: there is none in {home}")
    wakeup, bell = socket.socketpair()
    for end in (wakeup, bell):
        end.settimeout(0)
    signal.set_wakeup_fd(bell.fileno())
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    Switchboard(lab).run(wakeup)


def _start(lab: LabLayout) -> None:
    for machine in _powered(lab):
        machine.socket.unlink(missing_ok=True)  # left by a process that was killed
    code = Path(__file__).parents[2]  # where the package `edge` lies
    process = processes.start(
        (sys.executable, "-m", MODULE, lab.name, str(lab.home)),
        environ={"PYTHONPATH": str(code), "LANG": "C.UTF-8"},
        log=_log(lab),
    )
    processes.record(_record(lab), process)


def _powered(lab: LabLayout) -> list[Machine]:
    return [node for node in lab.nodes if node.namespace_path.exists()]


def _listen(machine: Machine) -> Listener:
    """Bind the machine's socket; one left by an earlier process is replaced."""
    machine.socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.settimeout(0)
    listening.bind(str(machine.socket))
    machine.socket.chmod(0o600)
    listening.listen(BACKLOG)
    found = machine.socket.stat()
    identity = (found.st_dev, found.st_ino)
    return Listener(machine=machine, socket=listening, identity=identity)


def _launch(lab: LabLayout, listener: Listener) -> int:
    machine = listener.machine
    enter = ("nsenter", f"--net={machine.namespace_path}")
    service = ("system", "service", f"--time={podman.SERVICE_FOR}")
    log = str(lab.logs / f"{machine.name}.podman.log")
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        "/bin/sh",
        ("sh", "-c", LAUNCHER, "sh", *enter, *podman.program(machine), *service),
        {**podman.environment(machine), "LISTEN_FDS": "1"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, listener.socket.fileno(), LISTEN_FD),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=(signal.SIGPIPE,),  # Python ignores it, and children would inherit
    )


def _next_ended() -> int | None:
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return pid or None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one at the same path."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _record(lab: LabLayout) -> Path:
    return lab.processes / "sockets"


def _log(lab: LabLayout) -> Path:
    return lab.logs / "sockets.log"


if __name__ == "__main__":
    main(*sys.argv[1:])
