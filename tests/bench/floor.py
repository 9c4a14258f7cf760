"""The floor of a deploy: bare ``podman create`` and ``podman start``, in parallel.

On the fleet's own machines and with the options Tutti's containers get, so that the
difference is what signing, placing, publishing and checking cost.
"""

import subprocess
import time

from edge.lab import podman
from edge.lab.layout import Machine
from tests.bench import measure
from tests.bench.fleet import Fleet, inspect

LABEL = "bench=floor"
# What node.container_spec asks for, in the words of Podman's command line.
OPTIONS = (
    *("--publish", "8080:80", "--env", "GREETING=hello", "--init"),
    *("--memory", "32m", "--memory-swap", "32m", "--cpus", "0.25"),
    *("--pids-limit", "128", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--no-healthcheck"),
    *("--sysctl", "net.ipv4.ip_unprivileged_port_start=0", "--systemd", "false"),
    *("--restart", "on-failure:5", "--log-driver", "k8s-file"),
    *("--log-opt", "max-size=1mb", "--label", LABEL),
)
CREATE_AND_START = '"$@" && exec {podman} start {name}'


def begin(made: Fleet, name: str) -> "list[subprocess.Popen[bytes]]":
    """Start a container on every machine at once; return the commands that do it."""
    return [_begin(node, made.image, name) for node in made.layout.nodes]


def end(commands: "list[subprocess.Popen[bytes]]") -> float:
    """Wait for the commands; return the wall-clock time when the last returned."""
    for each in commands:
        if each.wait():
            raise measure.BenchFailed("podman create or start failed, see above")
    return time.time()


def containers(made: Fleet) -> list[dict]:
    """Return Podman's description of all of them."""
    return [x for node in made.layout.nodes for x in inspect(node, f"label={LABEL}")]


def remove(made: Fleet, name: str) -> None:
    """Remove them."""
    for node in made.layout.nodes:
        words = ("rm", "--force", "--time", "1", name)
        measure.run((*podman.command(node), *words))


def _begin(node: Machine, image: str, name: str) -> "subprocess.Popen[bytes]":
    command = podman.command(node)
    script = CREATE_AND_START.format(podman=" ".join(command), name=name)
    create = (*command, "create", "--name", name, *OPTIONS, image)
    return subprocess.Popen(
        ("sh", "-c", script, "sh", *create), stdout=subprocess.DEVNULL
    )
