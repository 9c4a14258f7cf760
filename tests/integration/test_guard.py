"""The guard ends a real container in time, whatever became of the daemon."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.names import Slot
from node.guard import Leases
from tests.support.labs import ROOT
from tests.support.podman_box import PodmanBox

SLOT = Slot("shop/till.1")
SOON = 1.5
"""Seconds: the shortest lease the guard has to notice."""
LATE = 0.5
"""Seconds after the deadline by which a container is gone."""

# A daemon that starts a guard and is then the test's to kill.
DAEMON = """
import sys, time
from pathlib import Path
from node.guard import Leases
Leases(Path(sys.argv[1])).ensure(time.clock_gettime(time.CLOCK_BOOTTIME))
print("started", flush=True)
time.sleep(600)
"""


def now() -> float:
    """The clock of leases."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until(fact: Callable[[], bool], within: float) -> float:
    """When it came true; fails after `within` seconds."""
    end = now() + within
    while not fact():
        assert now() < end, "it took too long"
        time.sleep(0.005)
    return now()


class Container:
    """A running container, and what a daemon knows of it."""

    def __init__(self, box: PodmanBox) -> None:
        words = ("run", "--detach", "--init", "--network=none", "localhost/web:1")
        self.id = box.podman(*words, "sh", "-c", "sleep 1000 & sleep 1000").strip()
        shown = box.podman(
            "inspect", "--format={{.PidFile}} {{.State.Pid}}", self.id
        ).split()
        self.pidfile, self.pid = Path(shown[0]), int(shown[1])

    @property
    def processes(self) -> list[int]:
        """Every process in the container's control group."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                groups = (path / "cgroup").read_text()
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"libpod-{self.id}" in groups and state != "Z":
                found.append(int(path.name))
        return found

    @property
    def is_gone(self) -> bool:
        return not self.processes


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    """A folder of leases with its guard, who leaves with it."""
    made = Leases(tmp_path)
    made.ensure(now())
    until(lambda: made.is_guarded(now()), 2)
    yield made
    for path in made.folder.iterdir():
        path.unlink()
    made.folder.rmdir()


@pytest.fixture
def container(box, web) -> Iterator[Container]:
    """One that runs, with two processes and its init."""
    yield Container(box)
    box.podman("rm", "--all", "--force", "--time=0")


def ends_on_time(container: Container, deadline: float) -> bool:
    """Whether it lives until its deadline and is gone shortly after."""
    gone_at = until(lambda: container.is_gone, deadline - now() + 3)
    return deadline - 0.05 <= gone_at <= deadline + LATE


def test_a_lease_that_nobody_renews_ends_its_container(leases, container):
    """All its processes, at the deadline and not before."""
    deadline = now() + SOON
    leases.write(SLOT, deadline, container.pidfile, container.id)
    assert len(container.processes) > 1
    assert ends_on_time(container, deadline)


def test_a_container_lives_while_its_lease_is_renewed(leases, container):
    """And ends by the last renewal."""
    for _ in range(5):
        deadline = now() + SOON
        leases.write(SLOT, deadline, container.pidfile, container.id)
        time.sleep(0.5)
        assert not container.is_gone
    assert ends_on_time(container, deadline)


def test_what_is_started_under_a_stale_lease_ends_too(leases, container, box):
    """A daemon that woke from a long sleep may be about to start it."""
    leases.write(SLOT, now(), container.pidfile, container.id)
    until(lambda: container.is_gone, 2)
    until(lambda: is_exited(box, container), 5)
    box.podman("start", container.id)
    until(lambda: container.is_gone, 2)


def is_exited(box: PodmanBox, container: Container) -> bool:
    """Whether Podman knows of its end."""
    words = ("inspect", "--format={{.State.Status}}", container.id)
    return box.podman(*words).strip() == "exited"


def test_a_lost_pid_file_saves_nobody(leases, container, tmp_path):
    """Then every process of the device is asked whose it is."""
    leases.write(SLOT, now(), tmp_path / "nowhere", container.id)
    until(lambda: container.is_gone, 4)


def test_a_line_that_cannot_be_read_counts_as_over(leases, container):
    """Nobody can tell that it is not."""
    path = leases.folder / "shop:till.1.lease"
    path.write_text(f"garbage {container.pidfile} {container.id}\n")
    until(lambda: container.is_gone, 2)


def test_a_stale_pid_file_kills_no_foreign_container(leases, container, tmp_path):
    """Its number was given to another container's process."""
    (tmp_path / "pidfile").write_text(str(container.pid))
    leases.write(SLOT, now(), tmp_path / "pidfile", "f" * 64)
    time.sleep(SOON)
    assert not container.is_gone


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_guard_works_without_its_daemon(container, tmp_path, number):
    """Killed or stopped: the lease ends on time."""
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == b"started\n"
    leases = Leases(tmp_path)
    deadline = now() + SOON
    leases.write(SLOT, deadline, container.pidfile, container.id)
    daemon.send_signal(number)
    try:
        assert ends_on_time(container, deadline)
    finally:
        daemon.kill()
        daemon.communicate()
    for path in leases.folder.iterdir():
        path.unlink()
    leases.folder.rmdir()


async def test_podman_says_where_the_pid_file_is(device, container):
    """The daemon asks between create and start."""
    assert await device.runtime.identify(container.id) == (
        container.id,
        container.pidfile,
    )
    assert int(container.pidfile.read_text()) == container.pid
