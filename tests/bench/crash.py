"""From ``kill -9`` of a container to answering again over HTTP, on the same device.

The first process of the container is killed from outside; what it started dies with it
(the kernel ends a PID namespace with its first process), and only when all of it is
gone is the first question asked. Bridge network, published port. Podman's service is
cold each time, so whoever repairs pays for starting what it needs.

Tutti leaves the first crashes to Podman's own ``on-failure`` and repairs the sixth
itself (docs/adr/0009-crash-repair.md): ten rounds have both. Swarm waits five seconds
before it restarts anything; the second figure of it has that set to nothing.
"""

import argparse
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import answers, measure, swarm
from tests.bench import fleet as fleets
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.bench.swarm import Swarm

AT_MOST = 0.5
WITHIN = 60.0
DIES_WITHIN = 5000  # milliseconds; pidfds say it in less than one
NAME = "bench"
AT_ONCE = ("--restart-delay", "0s")


def options(parser: argparse.ArgumentParser) -> None:
    """Say how often."""
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--swarm-rounds", type=int, default=5)


def measured(chosen: argparse.Namespace) -> Report:
    """Kill ours, then Swarm's, on the same machine with both there all the time."""
    with fleets.fleet("--nodes", "1") as fleet:
        fleet.edgectl("deploy", fleet.web(NAME, 1, health=True), "--yes")
        archive = fleet.save_image()
        folder = fleet.folder / "s"
        with swarm.swarm(folder, fleet.octet, 1, archive) as peer:
            ours = [_tutti(fleet, turn) for turn in range(chosen.rounds)]
            theirs = _rounds(peer, chosen.swarm_rounds)
            eager = _rounds(peer, chosen.swarm_rounds, *AT_ONCE)
    figure = _figure("kill -9 → answering", "tutti", ours)
    return Report(
        bench="crash",
        figures=(
            figure,
            _figure("kill -9 → answering", "swarm", theirs),
            _figure("… restart delay 0", "swarm", eager),
        ),
        targets=(
            Target(
                what="kill -9 → answering, median",
                value=figure.median,
                at_most=AT_MOST,
                unit="s",
            ),
            Target(
                what="kill -9 → answering, the worst",
                value=figure.most,
                at_most=AT_MOST,
                unit="s",
            ),
        ),
    )


def kill(pid: int) -> float:
    """Kill a container's first process; return when, once all of it is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        began = time.time()
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(DIES_WITHIN):
            raise BenchFailed(f"process {pid} does not die")
        return began
    finally:
        os.close(descriptor)


def _tutti(fleet: Fleet, turn: int) -> float:
    fleet.wait_cold()
    measure.wait_quiet()
    took = _repair(fleet.addresses[0], lambda: _pid(fleet))
    measure.progress(f"turn {turn}: tutti {took:.3f} s")
    return took


def _pid(fleet: Fleet) -> int:
    (container,) = fleet.containers(NAME)
    return int(container["State"]["Pid"])


def _rounds(peer: Swarm, rounds: int, *more: str) -> list[float]:
    peer.docker(*peer.create(NAME, 1, *swarm.PUBLISH, *more))
    (address,) = peer.addresses
    answers.first(address, WITHIN)
    took = []
    for turn in range(rounds):
        measure.wait_quiet()
        took.append(_repair(address, lambda: _first_process(peer)))
        measure.progress(f"turn {turn}: swarm {took[-1]:.3f} s")
    peer.remove(NAME)
    answers.wait_silent(peer.addresses)
    return took


def _first_process(peer: Swarm) -> int:
    """Return the host's number of it: Docker tells its own namespace's."""
    (container,) = peer.containers()
    group = f"{peer.lab.name}-{peer.lab.nodes[0].name}/{container['Id']}"
    for top in ("memory", "."):
        tasks = Path("/sys/fs/cgroup", top, group, "cgroup.procs")
        if tasks.exists():
            return min(int(each) for each in tasks.read_text().split())
    raise BenchFailed(f"cannot find the processes of {container['Id']}")


def _repair(address: str, find: Callable[[], int]) -> float:
    pid = find()
    if not answers.answers(address):
        raise BenchFailed(f"{address} does not answer before it is killed")
    began = kill(pid)
    return answers.first(address, WITHIN) - began


def _figure(what: str, who: str, values: list[float]) -> Figure:
    return Figure(what=what, who=who, unit="s", values=tuple(values))
