"""Processes of a lab: started detached, written down, ended exactly.

A process is known by its number, its start time and the host's boot, so a number
that was given away again is never mistaken for it. Ending waits on a pidfd.
"""

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from edge import files
from edge.errors import LabError, StoreError
from edge.lab import programs

RECORD_MAX = 4096
PROC = Path("/proc")
# The shell opens the log, says its number, then becomes the program: the number stays
# the same. A log that cannot be opened ends it before it has said anything, so there
# is no moment in which it is taken for the program. $0 is the log. setsid --fork hands
# it to init, so no command of ours must stay for it.
LAUNCHER = 'exec 3>&1 </dev/null >>"$0" 2>&1; echo $$ >&3; exec "$@" 3>&-'
NETWORK_HANDLES = ("task/*/ns/net", "fd/*")
CONTAINER_CGROUP = re.compile(r"libpod-([0-9a-f]{64})")
KILL_WITHIN = 5.0  # a killed process is gone in milliseconds unless a disk hangs
GONE_WITHIN = 1.0

# A network namespace: device and inode of its file, as namespaces(7) tells them apart.
Network = tuple[int, int]
Belongs = Callable[[int], bool]


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process: ``started`` is in clock ticks since the boot ``boot``."""

    pid: int
    started: int
    boot: str


def start(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    namespace: Path | None = None,
) -> Process:
    """Start a detached process, in a network namespace if one is given.

    ``environ`` is the whole environment, but for PATH; output is appended to ``log``.

    Raises:
        LabError: it could not be started, or ended at once.
    """
    inside = ("nsenter", f"--net={namespace}") if namespace else ()
    launch = ("setsid", "--fork", "sh", "-c", LAUNCHER, str(log), *inside, *argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    said = _launch(launch, {"PATH": programs.PATH, **environ})
    process = identify(int(said)) if said.strip().isdigit() else None
    if process is None:
        raise LabError(f"cannot start {' '.join(argv)}: see {log}")
    return process


def identify(pid: int) -> Process | None:
    """Return what tells the process from later ones, None when it is gone."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold anything: count fields after its end (proc(5)).
    state, *fields = stat.rpartition(")")[2].split()
    if state == "Z":
        return None
    boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    return Process(pid=pid, started=int(fields[18]), boot=boot)


def state(pid: int) -> str:
    """Return the state of a process in one letter (proc(5)), "" when it is gone."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


def is_alive(process: Process) -> bool:
    """Return whether exactly this process still runs."""
    return identify(process.pid) == process


def record(path: Path, process: Process) -> None:
    """Write the process down, for another command to find."""
    files.write(path, msgspec.json.encode(process))


def recall(path: Path) -> Process | None:
    """Return the living process written down in ``path``, None where there is none.

    A damaged record counts as none: what it named is found by its namespace.
    """
    try:
        content = files.read(path, at_most=RECORD_MAX)
        known = msgspec.json.decode(content, type=Process) if content else None
    except (StoreError, msgspec.MsgspecError):
        return None
    return known if known and is_alive(known) else None


def end(process: Process, *, within: float) -> None:
    """Ask the process to end; kill it when it has not after ``within`` seconds."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(process) and not _ends(descriptor, signal.SIGTERM, within):
            _ends(descriptor, signal.SIGKILL, KILL_WITHIN)
    finally:
        os.close(descriptor)


def kill_every(belongs: Belongs) -> None:
    """SIGKILL every process that belongs, and those they start meanwhile.

    Returns when a look through all processes finds none but zombies, which init may
    leave lying for seconds and which still stand in their cgroup.

    Raises:
        LabError: one cannot be killed (it hangs in the kernel).
    """
    deadline = time.monotonic() + KILL_WITHIN
    while found := [pid for pid in _all() if belongs(pid) and identify(pid)]:
        if time.monotonic() > deadline:
            raise LabError(f"cannot kill processes {found}: they hang in the kernel")
        _kill(found, belongs)


def freeze(belongs: Belongs) -> None:
    """Stop every process that belongs: what it holds can be looked at in peace."""
    for pid in _all():
        descriptor = _open(pid) if belongs(pid) else None
        if descriptor is not None:
            if belongs(pid):
                _send(descriptor, signal.SIGSTOP)
            os.close(descriptor)


def networks_of(belongs: Belongs) -> frozenset[Network]:
    """Return the network namespaces these processes hold or work in.

    One is held by a thread or by an open file long before anything else shows it.
    """
    return frozenset(
        network
        for pid in _all()
        if belongs(pid)
        for pattern in NETWORK_HANDLES
        for path in (PROC / str(pid)).glob(pattern)
        if (network := network_at(path)) is not None
    )


def is_inside(network: Network) -> Belongs:
    """Select the processes whose network namespace is this one."""
    return lambda pid: network_at(PROC / str(pid) / "ns" / "net") == network


def is_of(containers: frozenset[str]) -> Belongs:
    """Select the processes in the cgroups of these containers (full ids)."""
    return lambda pid: not containers.isdisjoint(_containers_of(pid))


def mentions(*words: str) -> Belongs:
    """Select the processes that have all these words on their command line.

    For the lab's own two, which are told the lab's folder.
    """
    wanted = set(words)
    return lambda pid: wanted.issubset(command_line(pid))


def command_line(pid: int) -> list[str]:
    """Return the words a process was started with, none when it is gone."""
    try:
        line = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in line.rstrip(b"\0").split(b"\0")]


def network_at(path: Path) -> Network | None:
    """Return which network namespace ``path`` leads to, None where it is gone.

    For any other file it returns something that equals no namespace.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _launch(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            cwd="/",
            env=environ,
        ).stdout
    except OSError as error:
        raise LabError(f"cannot start {' '.join(argv)}: {error}") from error


def _all() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _kill(pids: Iterable[int], belongs: Belongs) -> None:
    with ExitStack() as opened:
        descriptors = []
        for pid in pids:
            descriptor = _open(pid)
            if descriptor is not None:
                opened.callback(os.close, descriptor)
                descriptors.append((pid, descriptor))
        for pid, descriptor in descriptors:
            # Asked again now that the descriptor pins it: the number may be another's.
            if belongs(pid):
                _send(descriptor, signal.SIGKILL)
        for _, descriptor in descriptors:
            _wait(descriptor, GONE_WITHIN)


def _containers_of(pid: int) -> set[str]:
    try:
        groups = (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return set()
    return set(CONTAINER_CGROUP.findall(groups))


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _send(descriptor: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return


def _ends(descriptor: int, number: signal.Signals, within: float) -> bool:
    _send(descriptor, number)
    return _wait(descriptor, within)


def _wait(descriptor: int, within: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0, round(within * 1000))))
