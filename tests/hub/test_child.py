"""A process that ends with the hub, and orphans that are ended for sure."""

import asyncio
import os
import pwd
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import ConfigError
from hub import child

# Ignores SIGTERM and says when it does.
STUBBORN = "import signal,time;signal.signal(15,signal.SIG_IGN);print(1,flush=True);"
STUBBORN += "time.sleep(1000)"
# Forgets the first SIGTERM, as Mosquitto does while it starts.
FORGETFUL = """
import signal, time
signal.signal(15, lambda *_: signal.signal(15, signal.SIG_DFL))
print(1, flush=True)
while True:
    time.sleep(1000)
"""


def sleeper() -> subprocess.Popen[bytes]:
    """A process that is somebody's orphan."""
    return subprocess.Popen(["sleep", "1000"])


async def started(*argv: str) -> asyncio.subprocess.Process:
    """A child that has said that it is ready."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


def test_a_program_of_the_system_is_found():
    """Mosquitto lies in /usr/sbin."""
    assert Path(child.find("mosquitto")).is_absolute()


def test_a_program_that_is_missing_is_named():
    """The operator reads what to install."""
    with pytest.raises(ConfigError, match="cannot start no-such-program"):
        child.find("no-such-program")


def test_a_child_is_tied_and_less_than_root():
    """The death signal is set after the account: a later change would cancel it."""
    words = child.tied(("prog", "-c", "x"), "nobody")
    assert words[1:3] == ("--pdeathsig", "KILL")
    assert "--no-new-privs" in words
    assert words[-4:] == ("--", "prog", "-c", "x")


def test_without_an_account_nothing_else_changes():
    """A hub that is not root stays who it is."""
    assert child.tied(("prog",))[1:] == ("--pdeathsig", "KILL", "--", "prog")


@pytest.mark.parametrize(
    ("account", "mode", "expected"),
    [("nobody", 0o711, True), ("nobody", 0o700, False), ("no-such", 0o711, False)],
)
def test_an_account_must_exist_and_reach_the_folder(account, mode, expected):
    """Below a private folder only root can go on."""
    above = Path(f"/tmp/tutti-child-{os.getpid()}")
    above.mkdir(mode=0o700)
    try:
        above.chmod(mode)
        can = os.geteuid() == 0  # who is not root stays who it is
        assert child.has_account(account, above / "broker") is (expected and can)
    finally:
        above.rmdir()


def test_a_link_in_the_folder_is_not_followed(tmp_path):
    """Whoever can write there must not have us give away another file."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")  # following it would fail
    child.give(link, pwd.getpwuid(os.getuid()).pw_name, whole=True)
    assert link.lstat().st_uid == os.getuid()


def test_a_child_may_open_as_many_files_as_it_has_clients():
    """The usual 1,024 would be the end of a fleet of 1,000."""
    process = sleeper()
    try:
        child.raise_descriptors(process.pid, 2000)
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == 2000
    finally:
        process.kill()
        process.wait()


async def test_an_orphan_is_ended(tmp_path):
    """It is the process that was written down, and it goes."""
    orphan, record = sleeper(), tmp_path / "pid"
    child.remember(record, orphan.pid)
    reaping = asyncio.create_task(asyncio.to_thread(orphan.wait))
    assert await child.end_orphan(record)
    assert await reaping == -signal.SIGTERM
    assert not record.exists()


async def test_a_number_that_was_given_away_is_left_alone(tmp_path):
    """After a reboot the number may be anybody's."""
    other, record = sleeper(), tmp_path / "pid"
    try:
        child.remember(record, other.pid)
        pid, begun = record.read_text().split()
        record.write_text(f"{pid} {int(begun) - 1}")
        assert not await child.end_orphan(record)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    "written", [b"", b"1", b"x y", b"-1 5", b"999999999 1", b"1 0"]
)
async def test_a_record_that_names_nobody_ends_nobody(tmp_path, written):
    """A torn or invented record is not an order to kill."""
    (tmp_path / "pid").write_bytes(written)
    assert not await child.end_orphan(tmp_path / "pid")


async def test_no_record_is_no_orphan(tmp_path):
    """The first start."""
    assert not await child.end_orphan(tmp_path / "pid")


async def test_a_child_that_forgets_a_signal_is_asked_again():
    """Mosquitto does while it starts."""
    process = await started(sys.executable, "-c", FORGETFUL)
    await child.end(process)
    assert process.returncode == -signal.SIGTERM


async def test_a_child_that_does_not_listen_is_killed():
    """After the time it has to finish; the hub does not hang at its end."""
    process = await started(sys.executable, "-c", STUBBORN)
    await child.end(process, within=0.5)
    assert process.returncode == -signal.SIGKILL


async def test_ending_what_has_ended_is_fine():
    """Twice is not an error."""
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    await child.end(process)
    assert process.returncode == 0
