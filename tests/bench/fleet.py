"""The fleet a bench measures: a lab of its own, driven as a person would drive it.

What is read from it is read beside the fleet, from the kernel and from each machine's
own Podman, so that asking costs the fleet nothing while the clock runs.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.lab import podman, state
from edge.lab.layout import LabLayout, Machine
from edge.lab.substrate import Substrate
from tests.bench import measure, usage
from tests.bench.measure import BenchFailed
from tests.support import labs
from tests.support.labs import Lab

# Short: Docker's sockets are below it, and a socket's path ends at 108 bytes.
FOLDER_PREFIX = "tb-"
COLD_WITHIN = 30.0  # the lab's Podman service leaves after 5 idle seconds
LOOK_EVERY = 0.05
NODE_PROGRAM = "edge-node"

WEB = """
name = "{name}"

[workload.web]
image = "{image}"
ports = ["8080:80"]
env = {{ GREETING = "hello" }}
replicas = {replicas}
failover = "available"
resources = {{ memory = "32MiB", cpus = 0.25 }}
{health}
"""
HEALTH = 'health = { http = "http://:80/healthz", every = "1s", fail_after = 3 }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A lab that is up, and the names of its parts."""

    lab: Lab
    layout: LabLayout

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(each.address for each in self.layout.nodes)

    @property
    def folder(self) -> Path:
        """A folder of the bench's own, removed at the end."""
        return self.lab.folder

    @property
    def octet(self) -> int:
        return int(self.layout.hub.address.split(".")[1])

    @property
    def image(self) -> str:
        """The lab's ready-made web server."""
        return f"{self.lab.registry}/web:1"

    def edgectl(self, *words: str) -> str:
        """Run edgectl as a person would and return what it printed."""
        return self.lab.edgectl(*words).stdout

    def spawn(self, *words: str) -> "subprocess.Popen[str]":
        """Press Enter: start edgectl and do not wait for it."""
        return subprocess.Popen(
            (str(Path(sys.executable).with_name("edgectl")), *words),
            env=measure.compiled(self.lab.environment, self.folder),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def web(self, name: str, replicas: int, *, health: bool) -> str:
        """Write the manifest the benches deploy; return its path."""
        text = WEB.format(
            name=name,
            image=self.image,
            replicas=replicas,
            health=HEALTH if health else "",
        )
        return self.lab.manifest(name, text)

    def pull(self) -> None:
        """Have the image on every machine: no bench measures the registry."""
        for node in self.layout.nodes:
            measure.run((*podman.command(node), "pull", "--quiet", self.image))

    def save_image(self) -> Path:
        """Write the image to an archive that ``docker load`` reads."""
        archive = self.folder / "web.tar"
        words = ("save", "--quiet", "--format", "docker-archive", "-o", str(archive))
        first = podman.command(self.layout.nodes[0])
        measure.run((*first, "pull", "--quiet", self.image))
        measure.run((*first, *words, self.image))
        return archive

    def remove(self, name: str) -> None:
        """Delete a deployment and wait until no container of it is left."""
        self.edgectl("delete", name)
        labs.wait(lambda: not self.containers(name), f"{name} to be gone")

    def containers(self, name: str) -> list[dict[str, Any]]:
        """Return what the machines' Podmans know of a deployment's containers.

        Their command line is asked: the service stays as cold as it was.
        """
        return [
            each
            for node in self.layout.nodes
            for each in inspect(node, f"label=tutti.deployment={name}")
        ]

    def wait_cold(self) -> None:
        """Return when no machine's Podman service runs any more."""
        end = time.monotonic() + COLD_WITHIN
        while services := self.services():
            if time.monotonic() > end:
                raise BenchFailed(f"Podman's service does not leave: {services}")
            time.sleep(LOOK_EVERY)

    def services(self) -> set[int]:
        """Return the processes that serve Podman's API on the machines."""
        return usage.named("system service", f"--root={self.layout.folder}/")

    def agent(self, node: str) -> int:
        """Return the process of a machine's edge-node."""
        pid = Substrate(self.layout).pid_of(node, NODE_PROGRAM)
        if pid is None:
            raise BenchFailed(f"edge-node on {node} is gone: {self.lab.logs()}")
        return pid

    def monitors(self, node: Machine) -> set[int]:
        """Return the conmon processes of a machine's containers."""
        return usage.named("conmon", str(node.store))


@contextmanager
def fleet(*words: str) -> Iterator[Fleet]:
    """Bring a lab up with these options of ``edgectl lab up``, and remove it."""
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder,
        labs.lab(Path(folder), *words) as lab,
    ):
        found = state.load(lab.name, Path(folder) / "labs")
        assert found is not None
        measure.progress(f"lab {lab.name} is up")
        yield Fleet(lab=lab, layout=found)


def inspect(node: Machine, chosen: str) -> list[dict[str, Any]]:
    """Return Podman's description of the containers that a filter chooses."""
    ids = measure.run(
        (*podman.command(node), "ps", "-aq", "--no-trunc", "--filter", chosen)
    ).split()
    if not ids:
        return []
    return json.loads(measure.run((*podman.command(node), "inspect", *ids)))


def started_at(containers: list[dict[str, Any]]) -> list[float]:
    """Return when each of them started, in seconds since the epoch."""
    stamps = (each["State"]["StartedAt"] for each in containers)
    return [datetime.fromisoformat(each).timestamp() for each in stamps]
