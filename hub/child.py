"""A child process that never outlives the hub, and runs as less than root.

- ``setpriv`` asks the kernel to kill it when the hub ends, after it took another
  account: changing accounts later would cancel that. SIGKILL, because a program that
  is just starting may miss anything milder (Mosquitto does).
- A file keeps its number and start time, so that a hub that comes back after worse
  (the machine's process table is the same) ends what it left, and nothing else.
"""

import asyncio
import os
import pwd
import resource
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from edge import files
from edge.errors import ConfigError

PROC = Path("/proc")
START_FIELD = 19  # proc(5): field 22 of stat, counted from after the ")" of the name
RECORD_MAX = 64  # bytes: two numbers
END_WITHIN = 5.0  # seconds to finish its work and go before it is killed
ASK_EVERY = 0.5
LOOK_EVERY = 0.02


def find(program: str) -> str:
    """Return the path of a program; raise `ConfigError` if this machine has none.

    Daemons live in /usr/sbin, which is not on everybody's PATH.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    found = shutil.which(program, path=path)
    if found is None:
        problem = f"cannot start {program}: there is no such program on this machine"
        raise ConfigError(f"{problem}; install its Debian package")
    return found


def tied(argv: tuple[str, ...], account: str = "") -> tuple[str, ...]:
    """Return the command that runs ``argv`` so that it ends with this process.

    ``account`` is whom it becomes; empty stays who we are.
    """
    words = [find("setpriv"), "--pdeathsig", "KILL"]
    if account:
        found = pwd.getpwnam(account)
        words += [f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}"]
        words += ["--clear-groups", "--no-new-privs"]
    return (*words, "--", *argv)


def has_account(account: str, folder: Path) -> bool:
    """Return whether we may become ``account``, and it could reach ``folder``."""
    if os.geteuid() != 0 or account not in {entry.pw_name for entry in pwd.getpwall()}:
        return False
    above = (parent for parent in folder.parents if parent.exists())
    return all(parent.stat().st_mode & 0o001 for parent in above)


def give(path: Path, account: str, *, whole: bool) -> None:
    """Let ``account`` read ``path`` (its group), or own the ``whole`` of it.

    An empty account changes nothing. Links are not followed.
    """
    if account:
        found = pwd.getpwnam(account)
        owner = found.pw_uid if whole else -1
        os.chown(path, owner, found.pw_gid, follow_symlinks=False)


def raise_descriptors(pid: int, count: int) -> None:
    """Let a process open ``count`` files, or as many as the machine allows."""
    with suppress(
        OSError, ValueError
    ):  # not ours to raise here: the unit's limit holds
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        soft = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def remember(record: Path, pid: int) -> None:
    """Write down which process is ours."""
    files.write(record, f"{pid} {_started(pid)}".encode())


async def end_orphan(record: Path) -> bool:
    """End the process that an earlier hub left behind; return whether there was one."""
    written = (files.read(record, at_most=RECORD_MAX) or b"").split()
    if len(written) != 2 or not all(word.isdigit() for word in written):  # noqa: PLR2004
        return False
    pid, started = (int(word) for word in written)
    if not started or _started(pid) != started:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if await _is_gone(pid, started):
            break
    files.remove(record)
    return True


async def end(
    process: asyncio.subprocess.Process, *, within: float = END_WITHIN
) -> None:
    """End a child of ours: politely, again and again, and after ``within`` s not."""
    for _ in range(max(1, round(within / ASK_EVERY))):
        if process.returncode is not None:
            return
        # Again, because Mosquitto forgets a signal that comes while it starts.
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_EVERY):
                await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _is_gone(pid: int, started: int) -> bool:
    try:
        async with asyncio.timeout(END_WITHIN):
            while _started(pid) == started:  # noqa: ASYNC110 - not our child: no signal
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        return False
    return True


def _started(pid: int) -> int:
    """Return when a process started, in ticks since boot; 0 when it is not there."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[START_FIELD])
