"""Docker Swarm on machines of its own: one dockerd in each of three namespaces.

Each dockerd lives in namespaces for network, processes and mounts. Its iptables rules,
its mounts and everything it starts go with it; the kernel ends it when the bench dies.
What it would write to /etc and /run goes to folders of the bench. Nothing of a Docker
that is installed on the host is touched.

The image is the lab's own, by ``docker load``. It is tagged for a registry that refuses
at once: any other name costs Swarm seconds of look-ups.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.lab import layout, network, power, processes
from edge.lab.layout import LabLayout, Machine, Place
from tests.bench import measure
from tests.bench.measure import BenchFailed

IMAGE = "127.0.0.1:5000/web:1"
DOCKER = "/usr/bin/docker"  # Debian's, whatever else is on the PATH
DOCKERD = "/usr/sbin/dockerd"
ANSWERS_WITHIN = 30.0
GONE_WITHIN = 60.0
LOOK_EVERY = 0.02
ENDS_WITHIN = 10.0

# $1 is where /etc's changes go, the rest the daemon.
INSIDE = """
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/up,workdir=$1/work" /etc
mount -t tmpfs tmpfs /run
shift
exec docker-init -- "$@"
"""
# Docker publishes a port before the container has its address: whoever asks in between
# waits for the next ARP request, a second later by default. This is in Swarm's favour.
ASK_AGAIN = "echo 10 > /proc/sys/net/ipv4/neigh/docker0/retrans_time_ms"
# What the deployment of the benches asks for, in Swarm's words.
OPTIONS = (
    *("--limit-memory", "32M", "--limit-cpu", "0.25", "--limit-pids", "128"),
    *("--cap-drop", "ALL", "--init", "--env", "GREETING=hello"),
)
# Docker runs the check inside the container, the first one an interval after the start.
HEALTH = (
    *("--health-cmd", "wget -q -O /dev/null http://127.0.0.1/healthz"),
    *("--health-interval", "1s", "--health-retries", "3"),
)
PUBLISH = ("--publish", "mode=host,target=80,published=8080")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """A manager and its workers; ``docker`` on the first of them."""

    lab: LabLayout
    daemons: tuple["subprocess.Popen[bytes]", ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(each.address for each in self.lab.nodes)

    def command(self, *words: str, machine: int = 0) -> tuple[str, ...]:
        """Return a docker command line for one of the daemons."""
        return (DOCKER, "--host", f"unix://{_socket(self.lab.nodes[machine])}", *words)

    def docker(self, *words: str, machine: int = 0) -> str:
        """Run docker and return what it printed."""
        return measure.run(
            self.command(*words, machine=machine), env=_environment(self.lab)
        )

    def spawn(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start docker on the manager without waiting for it."""
        return subprocess.Popen(
            self.command(*words),
            env=_environment(self.lab),
            stdout=subprocess.DEVNULL,
        )

    def create(self, name: str, replicas: int, *more: str) -> tuple[str, ...]:
        """Return the words that create a service of the benches' image."""
        words = ("service", "create", "--detach", "--no-resolve-image", "--name", name)
        return (*words, "--replicas", str(replicas), *OPTIONS, *more, IMAGE)

    def containers(self) -> list[dict[str, Any]]:
        """Return what docker knows of the containers that run, on all machines."""
        found: list[dict[str, Any]] = []
        for machine in range(len(self.lab.nodes)):
            if ids := self.docker("ps", "-q", machine=machine).split():
                found += json.loads(self.docker("inspect", *ids, machine=machine))
        return found

    def running_at(self) -> list[float]:
        """Return when each of them started, in seconds since the epoch."""
        stamps = (each["State"]["StartedAt"] for each in self.containers())
        return [datetime.fromisoformat(each).timestamp() for each in stamps]

    def wait_converged(self, name: str, replicas: int) -> float:
        """Return when Swarm called the last task running, by its own time stamps."""
        end = time.monotonic() + GONE_WITHIN
        while len(stamps := self._stamps(name)) < replicas:
            if time.monotonic() > end:
                raise BenchFailed(f"service {name} does not converge")
            time.sleep(LOOK_EVERY)
        return max(stamps)

    def _stamps(self, name: str) -> list[float]:
        tasks = self.docker("service", "ps", "-q", "--no-trunc", name).split()
        shown = json.loads(self.docker("inspect", "--type", "task", *tasks))
        stamps = [
            each["Status"]["Timestamp"]
            for each in shown
            if each["Status"]["State"] == "running"
        ]
        return [datetime.fromisoformat(each).timestamp() for each in stamps]

    def remove(self, name: str) -> None:
        """Remove a service and wait until its containers are gone."""
        self.docker("service", "rm", name)
        end = time.monotonic() + GONE_WITHIN
        while any(
            self.docker("ps", "-aq", machine=machine)
            for machine in range(len(self.lab.nodes))
        ):
            if time.monotonic() > end:
                raise BenchFailed(f"service {name} does not go away")
            time.sleep(LOOK_EVERY)


@contextmanager
def swarm(folder: Path, octet: int, machines: int, image: Path) -> Iterator[Swarm]:
    """Run a Swarm in ``folder`` on 10.``octet``.1.0/24, and remove all of it.

    ``image`` is an archive of the image, as ``podman save`` writes it.
    """
    if not Path(DOCKERD).exists():
        raise BenchFailed("cannot run Swarm: run `./dev bench`, it installs docker.io")
    places = tuple(Place(name=f"n{n}", site="swarm") for n in range(1, machines + 1))
    lab = layout.plan(f"s{octet}", f"10.{octet}.1.0/24", places, folder)
    _clear(lab)
    network.lay(lab)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for machine in lab.nodes:
            network.plug(lab, machine)
            daemons.append(_start(lab, machine))
        made = Swarm(lab=lab, daemons=tuple(daemons))
        _join(made, image)
        yield made
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()
        _clear(lab)


def pids(made: Swarm, machine: int) -> set[int]:
    """Return Docker's processes on a machine: not the init above, no container's."""
    first = _first_inside(made.daemons[machine].pid)
    namespace = Path(f"/proc/{first}/ns/pid").readlink()
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (path / "ns" / "pid").readlink() == namespace:
                found.add(int(path.name))
    return found - {first}


def _first_inside(pid: int) -> int:
    """Return the one child of ``unshare``: the first process of its namespace."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def _start(lab: LabLayout, machine: Machine) -> "subprocess.Popen[bytes]":
    for folder in (machine.folder / "etc" / "up", machine.folder / "etc" / "work"):
        folder.mkdir(parents=True)
    log = (machine.folder / "log").open("wb")
    return subprocess.Popen(
        (
            *("setpriv", "--pdeathsig", "KILL"),
            *("nsenter", f"--net={machine.namespace_path}"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("sh", "-euc", INSIDE, "sh", str(machine.folder / "etc")),
            *_daemon(lab, machine),
        ),
        env=_environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def _daemon(lab: LabLayout, machine: Machine) -> Sequence[str]:
    return (
        *(DOCKERD, "--data-root", str(machine.folder / "data")),
        *("--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"),
        *("--host", f"unix://{_socket(machine)}", "--log-level", "warn"),
        *("--cgroup-parent", f"/{lab.name}-{machine.name}"),
    )


def _join(made: Swarm, image: Path) -> None:
    for machine, daemon in enumerate(made.daemons):
        _wait_ready(made, machine, daemon)
        inside = f"--net={made.lab.nodes[machine].namespace_path}"
        measure.run(("nsenter", inside, "sh", "-c", ASK_AGAIN))
        said = made.docker("load", "--quiet", "--input", str(image), machine=machine)
        name = said.strip().rpartition(": ")[2]
        made.docker("tag", name, IMAGE, machine=machine)
    first, *others = made.addresses
    made.docker("swarm", "init", "--advertise-addr", first)
    token = made.docker("swarm", "join-token", "--quiet", "worker").strip()
    for machine, address in enumerate(others, start=1):
        words = ("--token", token, "--advertise-addr", address, f"{first}:2377")
        made.docker("swarm", "join", *words, machine=machine)


def _wait_ready(made: Swarm, machine: int, daemon: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + ANSWERS_WITHIN
    while True:
        with suppress(BenchFailed):
            made.docker("version", machine=machine)
            return
        if daemon.poll() is not None or time.monotonic() > end:
            log = (made.lab.nodes[machine].folder / "log").read_text()
            raise BenchFailed(f"cannot start dockerd: {log[-1000:]}")
        time.sleep(LOOK_EVERY)


def _clear(lab: LabLayout) -> None:
    """Remove what is there, also of a bench that was killed."""
    for machine in lab.nodes:
        found = processes.network_at(machine.namespace_path)
        if found is not None:
            processes.kill_every(processes.is_inside(found))
            network.unplug(lab, machine)
    network.remove(lab)
    power.unmount(lab.folder)
    _remove_cgroups(lab)


def _remove_cgroups(lab: LabLayout) -> None:
    """Remove the groups the daemons made; one is busy until its last task is reaped."""
    names = [f"{lab.name}-{machine.name}" for machine in lab.nodes]
    end = time.monotonic() + ENDS_WITHIN
    while found := [
        Path(path)
        for name in names
        for top in (*Path("/sys/fs/cgroup").glob(f"*/{name}"), _unified(name))
        for path, _, _ in os.walk(top, topdown=False)
    ]:
        for path in found:
            with suppress(OSError):
                path.rmdir()
        if time.monotonic() > end:
            raise BenchFailed(f"cannot remove cgroup {found[0]}")


def _unified(name: str) -> Path:
    return Path("/sys/fs/cgroup", name)


def _socket(machine: Machine) -> Path:
    return machine.folder / "docker.sock"


def _environment(lab: LabLayout) -> dict[str, str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": str(lab.folder), "DOCKER_CONFIG": str(lab.folder)}
