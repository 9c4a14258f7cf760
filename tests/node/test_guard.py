"""The guard is started, replaced when it hangs, and told what to guard.

That it kills, and whom it does not kill: tests/integration/test_guard.py.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.names import Slot
from node import guard
from node.guard import GuardedLease, Leases

ROOT = Path(__file__).parents[2]

SLOT = Slot("shop/till.1")
CONTAINER = "c" * 64
HOUR = 3600.0


def now() -> float:
    """The clock of leases."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until(fact: Callable[[], bool], within: float = 5.0) -> None:
    """Wait for a fact."""
    end = time.monotonic() + within
    while not fact():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def guards_of(leases: Leases) -> list[int]:
    """The guards at work in this folder, by their command lines."""
    found = subprocess.run(
        ["pgrep", "-f", f"guard.sh {leases.folder}$"],
        capture_output=True,
        check=False,
    )
    return [int(pid) for pid in found.stdout.split()]


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    """A folder of leases, without a guard."""
    made = Leases(tmp_path)
    yield made
    for pid in guards_of(made):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def guarded(leases: Leases) -> Leases:
    """One with its guard."""
    leases.ensure(now())
    until(lambda: leases.is_guarded(now()))
    return leases


def test_a_daemon_that_starts_again_reads_what_it_wrote(leases):
    """It must not forget what the guard will end."""
    leases.write(SLOT, 12.345, Path("/run/x/pidfile"), CONTAINER)
    lease = GuardedLease(
        deadline=12.35, pidfile=Path("/run/x/pidfile"), container=CONTAINER
    )
    assert leases.read_all() == {SLOT: lease}


def test_a_renewal_replaces_the_lease_before(leases):
    """One slot, one lease."""
    leases.write(SLOT, 10, Path("/a"), CONTAINER)
    leases.write(SLOT, 20, Path("/a"), CONTAINER)
    assert [each.deadline for each in leases.read_all().values()] == [20]


def test_a_slot_is_guarded_no_more(leases):
    """Removing twice is as good as once."""
    leases.write(SLOT, 10, Path("/a"), CONTAINER)
    leases.remove(SLOT)
    leases.remove(SLOT)
    assert leases.read_all() == {}


def test_a_lease_that_cannot_be_read_is_left_out(leases):
    """The guard takes it for over; the daemon writes a new one."""
    leases.write(SLOT, 10, Path("/a"), CONTAINER)
    (leases.folder / "shop:till.2.lease").write_text("garbage")
    assert list(leases.read_all()) == [SLOT]


def test_nothing_is_guarded_before_the_guard_runs(leases):
    """A `strict` container must not start then."""
    assert not leases.is_guarded(now())


def test_the_guard_runs_beside_the_daemon_and_not_below_it(guarded):
    """It has a session of its own and no parent that could take it along."""
    (pid,) = guards_of(guarded)
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(stat[1]) != os.getpid()
    assert os.getsid(pid) != os.getsid(0)


def test_a_guard_at_work_is_left_alone(guarded):
    """A daemon that starts again finds the one from before."""
    before = guards_of(guarded)
    guarded.ensure(now())
    assert guards_of(guarded) == before


def test_a_guard_that_hangs_is_replaced(guarded):
    """Its heartbeat tells: stopped is as bad as gone."""
    (pid,) = guards_of(guarded)
    os.kill(pid, signal.SIGSTOP)
    until(lambda: not guarded.is_guarded(now()))
    guarded.ensure(now())
    until(lambda: guarded.is_guarded(now()))
    assert pid not in guards_of(guarded)


def test_of_two_guards_one_leaves(guarded):
    """Two daemons at once would start two."""
    second = subprocess.Popen(guard.command(guarded.folder.parent))
    assert second.wait(timeout=5) == 0
    assert guarded.is_guarded(now())


def test_a_guard_goes_with_its_folder(guarded):
    """Nothing is left of a device that was wiped."""
    for path in guarded.folder.iterdir():
        path.unlink()
    guarded.folder.rmdir()
    until(lambda: not guards_of(guarded))
    assert guards_of(guarded) == []


def test_a_heartbeat_of_another_boot_counts_for_nothing(guarded):
    """Where /proc/uptime is not the clock the daemon reads, nothing is guarded."""
    assert not guarded.is_guarded(now() - HOUR)
    assert not guarded.is_guarded(now() + HOUR)


def test_where_the_guard_is_a_unit_the_daemon_starts_none(tmp_path):
    """It is systemd's business: a child of the daemon's unit would end with it."""
    leases = Leases(tmp_path, is_unit=True)
    leases.ensure(now())
    assert guards_of(leases) == []


def test_the_unit_s_command_becomes_the_guard(leases):
    """No Python stays behind; the folder is the unit's to make."""
    leases.folder.mkdir()
    words = (sys.executable, "-m", "node.cli", "guard", "--run")
    unit = subprocess.Popen((*words, str(leases.folder.parent)), cwd=ROOT)
    until(lambda: leases.is_guarded(now()))
    assert guards_of(leases) == [unit.pid]
    unit.kill()
    unit.wait()


LINES = (
    "",
    "\n",
    "garbage",
    "1.00 {pidfile}",
    "1.00 {pidfile} not-a-container",
    "1.00 {pidfile} {container}",
    "{pidfile} 1.00 {container}",
    "1e3 {pidfile} {container}",
    "-5.00 {pidfile} {container}",
    "1.00 /nowhere {container}",
    "\0\0\0\0 {container} {container}",
    "99999999999999999999999999.00 {pidfile} {container}",
)


def test_no_line_makes_it_kill_a_process_outside_the_container(guarded, tmp_path):
    """A pid file may name anybody by now; the control group says who it is."""
    bystander = subprocess.Popen(["sleep", "60"])
    pidfile = tmp_path / "pidfile"
    pidfile.write_text(str(bystander.pid))
    for number, line in enumerate(LINES, start=1):
        text = line.format(pidfile=pidfile, container=CONTAINER)
        (guarded.folder / f"shop:till.{number}.lease").write_text(text)
    seen = now()
    until(lambda: beat(guarded) > seen + 1)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def beat(leases: Leases) -> float:
    """When the guard last looked."""
    return float((leases.folder / "guard").read_text().split()[0])
