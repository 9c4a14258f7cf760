"""Processes are started detached, known exactly, and ended for sure."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from edge.errors import LabError
from edge.lab import processes
from edge.lab.processes import Process

SLEEP = ("sleep", "60.1234")
STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")


def within(seconds: float, fact: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def has_lines(log: Path, count: int) -> bool:
    """Whether that much was written."""
    return log.read_text().count("\n") == count


def start(log: Path, *argv: str, **environ: str) -> Process:
    """A detached process with that environment."""
    return processes.start(argv, environ=environ, log=log)


def test_a_process_runs_detached(tmp_path: Path) -> None:
    """It belongs to init: the command that started it may leave."""
    process = start(tmp_path / "log", *SLEEP)
    parent = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1]
    processes.end(process, within=1)
    assert int(parent) != os.getpid()


def test_it_is_known_by_the_number_it_keeps(tmp_path: Path) -> None:
    """The shell in between becomes the program."""
    process = start(tmp_path / "log", *SLEEP)
    command = Path(f"/proc/{process.pid}/cmdline")
    became = within(1, lambda: command.read_bytes().startswith(b"sleep\0"))
    processes.end(process, within=1)
    assert became


def test_its_output_is_appended_to_the_log(tmp_path: Path) -> None:
    """An earlier run's last words stay readable."""
    log = tmp_path / "logs" / "log"
    for lines in (2, 4):
        start(log, "sh", "-c", "echo out; echo err >&2; exec sleep 0.2")
        assert within(1, partial(has_lines, log, lines))
    assert log.read_text() == "out\nerr\nout\nerr\n"


def test_nothing_of_our_environment_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine must not know who started it."""
    monkeypatch.setenv("EDGE_SECRET", "x")
    log = tmp_path / "log"
    start(log, "sh", "-c", "env; exec sleep 0.2", EDGE_MINE="1")
    assert within(1, lambda: "EDGE_MINE=1" in log.read_text())
    assert "EDGE_SECRET" not in log.read_text()


def test_ending_asks_first(tmp_path: Path) -> None:
    """A daemon may tidy up on SIGTERM."""
    log = tmp_path / "log"
    told = "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.02; done"
    process = start(log, "sh", "-c", told)
    assert within(1, lambda: "ready" in log.read_text())
    processes.end(process, within=2)
    assert log.read_text() == "ready\nbye\n"


def test_ending_kills_what_does_not_listen(tmp_path: Path) -> None:
    """A process that ignores SIGTERM is gone all the same."""
    log = tmp_path / "log"
    process = start(log, *STUBBORN)
    assert within(1, lambda: "ready" in log.read_text())
    processes.end(process, within=0.1)
    assert not processes.is_alive(process)


def test_ending_twice_is_fine(tmp_path: Path) -> None:
    """The second `down` finds nothing."""
    process = start(tmp_path / "log", *SLEEP)
    for _ in range(2):
        processes.end(process, within=1)
    assert not processes.is_alive(process)


def test_a_number_given_away_again_is_not_ended() -> None:
    """Our own number with another start time is somebody else's process."""
    myself = processes.identify(os.getpid())
    assert myself is not None
    processes.end(msgspec.structs.replace(myself, started=1), within=0.1)
    assert processes.is_alive(myself)


def test_a_process_of_an_earlier_boot_is_not_alive() -> None:
    """The host was restarted: numbers begin again."""
    myself = processes.identify(os.getpid())
    assert myself is not None
    assert not processes.is_alive(msgspec.structs.replace(myself, boot="earlier"))


def test_a_recorded_process_is_recalled(tmp_path: Path) -> None:
    """Another command, later, must find it."""
    myself = processes.identify(os.getpid())
    assert myself is not None
    processes.record(tmp_path / "me", myself)
    assert processes.recall(tmp_path / "me") == myself


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0" * 9999])
def test_a_damaged_record_recalls_nothing(tmp_path: Path, content: bytes) -> None:
    """It names nobody we could end with a clear conscience."""
    (tmp_path / "me").write_bytes(content)
    assert processes.recall(tmp_path / "me") is None


def test_a_missing_record_recalls_nothing(tmp_path: Path) -> None:
    """It was never started."""
    assert processes.recall(tmp_path / "me") is None


def test_every_process_that_belongs_is_killed(tmp_path: Path) -> None:
    """Found by a word on the command line, as a lab's own two are."""
    mark = f"mark-{tmp_path.name}-{os.getpid()}"
    wait = "while :; do sleep 0.05; done"
    pair = [start(tmp_path / "log", "sh", "-c", wait, "sh", mark) for _ in range(2)]
    processes.kill_every(processes.mentions("sh", mark))
    assert not any(processes.is_alive(process) for process in pair)


def test_a_zombie_does_not_hold_up_a_kill(tmp_path: Path) -> None:
    """Its parent may take its time; there is nothing left to kill."""
    child = os.posix_spawn("/bin/sleep", ["sleep", "60.4321"], {})
    os.kill(child, signal.SIGKILL)
    began = time.monotonic()
    processes.kill_every(lambda pid: pid == child)
    assert time.monotonic() - began < 1
    os.waitpid(child, 0)


def test_what_cannot_be_started_says_where_to_look(tmp_path: Path) -> None:
    """A log that cannot be written is the first thing to go wrong."""
    log = tmp_path / "log"
    log.mkdir()
    with pytest.raises(LabError, match=f"cannot start sleep 60.1234: see {log}"):
        start(log, *SLEEP)
