"""What a device with five workloads costs while nothing happens, beside Swarm's worker.

Tutti: everything of it that stays resident, which is edge-node and a conmon for each
container; five HTTP probes every ten seconds. Podman's service must not run, and what
it used if it ran in between is counted. The containers' own processes (their programs,
and the init in front of them) count on neither side.

Swarm: dockerd, containerd, a shim and two port proxies for each container, on a worker
that is not the manager; no health checks, which Docker would run as processes inside
the containers.

Traffic is all of the device's cable, both ways, as the kernel counts it.
"""

import argparse
import time
from dataclasses import dataclass

from edge.lab import processes
from tests.bench import answers, measure, swarm, usage
from tests.bench import fleet as fleets
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.bench.swarm import Swarm
from tests.bench.usage import Memory

WORKLOADS = 5
FIRST_PORT = 8081
WITHIN = 60.0
SETTLE_FOR = 30.0  # until the deploy's own work, and Podman's service, are over
MEMORY_AT_MOST, CPU_AT_MOST, WIRE_AT_MOST = 45.0, 0.5, 0.5
WORKER = 1  # the second of Swarm's machines; the first is its manager
PER_CENT = 100
BITS, KILO = 8, 1000
LONG, USUAL = 600.0, 120.0

WORKLOAD = """
[workload.w{number}]
image = "{image}"
ports = ["{port}:80"]
resources = {{ memory = "32MiB" }}
health = {{ http = "http://:80/healthz", every = "10s" }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one moment: processor seconds, and bytes on the cable."""

    cpu: float
    wire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one system's device cost; ``cpu`` in % of a core, ``wire`` in kbit/s."""

    memory: Memory
    cpu: float
    wire: float


def options(parser: argparse.ArgumentParser) -> None:
    """Say how long."""
    parser.add_argument("--seconds", type=float, default=USUAL)
    parser.add_argument(
        "--long", action="store_const", const=LONG, dest="seconds", help="ten minutes"
    )


def measured(chosen: argparse.Namespace) -> Report:
    """Measure both over the same time."""
    with fleets.fleet("--nodes", "1") as fleet:
        fleet.edgectl("deploy", _manifest(fleet), "--yes")
        archive = fleet.save_image()
        folder = fleet.folder / "s"
        with swarm.swarm(folder, fleet.octet, 2, archive) as peer:
            _fill(peer)
            time.sleep(SETTLE_FOR)
            ours, theirs = _observe(fleet, peer, chosen.seconds)
    targets = (
        ("resident, alone", ours.memory.alone, MEMORY_AT_MOST, "MiB"),
        ("processor", ours.cpu, CPU_AT_MOST, "%"),
        ("traffic", ours.wire, WIRE_AT_MOST, "kbit/s"),
    )
    return Report(
        bench="idle",
        figures=(*_figures("tutti", ours), *_figures("swarm", theirs)),
        targets=tuple(
            Target(what=what, value=value, at_most=limit, unit=unit)
            for what, value, limit, unit in targets
        ),
        notes=(f"{WORKLOADS} containers on each; over {chosen.seconds:g} s",),
    )


def _manifest(fleet: Fleet) -> str:
    workloads = (
        WORKLOAD.format(number=number, image=fleet.image, port=FIRST_PORT + number)
        for number in range(WORKLOADS)
    )
    return fleet.lab.manifest("five", 'name = "five"\n' + "".join(workloads))


def _fill(peer: Swarm) -> None:
    for number in range(WORKLOADS):
        port = FIRST_PORT + number
        publish = f"mode=host,target=80,published={port}"
        more = ("--publish", publish, "--constraint", "node.role==worker")
        peer.docker(*peer.create(f"w{number}", 1, *more))
    for number in range(WORKLOADS):
        answers.first(peer.addresses[WORKER], WITHIN, FIRST_PORT + number)


def _observe(fleet: Fleet, peer: Swarm, seconds: float) -> tuple[Cost, Cost]:
    mine, theirs = _resident(fleet), swarm.pids(peer, WORKER)
    before = _read(fleet), _read_peer(peer)
    measure.progress(f"watching {len(mine)} and {len(theirs)} processes")
    began = time.monotonic()
    time.sleep(seconds)
    if services := fleet.services():
        raise BenchFailed(f"Podman's service runs on an idle device: {services}")
    took = time.monotonic() - began
    after = _read(fleet), _read_peer(peer)
    if _resident(fleet) != mine:
        raise BenchFailed("a process of Tutti's came or went meanwhile")
    return (
        _cost(usage.memory(mine), before[0], after[0], took),
        _cost(usage.memory(theirs), before[1], after[1], took),
    )


def _resident(fleet: Fleet) -> set[int]:
    """Return edge-node and the monitors of its containers."""
    (node,) = fleet.layout.nodes
    monitors = fleet.monitors(node)
    if len(monitors) != WORKLOADS:
        raise BenchFailed(f"expected {WORKLOADS} conmon, found {len(monitors)}")
    return {fleet.agent(node.name), *monitors}


def _read(fleet: Fleet) -> Reading:
    """Read our counters, with those of Podman services that came and left."""
    (node,) = fleet.layout.nodes
    agent = fleet.agent(node.name)
    board = processes.recall(fleet.layout.processes / "sockets")
    if board is None:
        raise BenchFailed("the lab's sockets are gone")
    spent = usage.cpu(_resident(fleet)) + usage.children_cpu(board.pid)
    return Reading(cpu=spent, wire=usage.wire(agent))


def _read_peer(peer: Swarm) -> Reading:
    pids = swarm.pids(peer, WORKER)
    return Reading(cpu=usage.cpu(pids), wire=usage.wire(min(pids)))


def _cost(memory: Memory, before: Reading, after: Reading, took: float) -> Cost:
    return Cost(
        memory=memory,
        cpu=(after.cpu - before.cpu) / took * PER_CENT,
        wire=(after.wire - before.wire) * BITS / KILO / took,
    )


def _figures(who: str, cost: Cost) -> tuple[Figure, ...]:
    values = (
        ("resident, RSS", cost.memory.rss, "MiB"),
        ("resident, PSS", cost.memory.pss, "MiB"),
        ("resident, alone", cost.memory.alone, "MiB"),
        ("processor, of a core", cost.cpu, "%"),
        ("traffic", cost.wire, "kbit/s"),
    )
    return tuple(
        Figure(what=what, who=who, unit=unit, values=(value,))
        for what, value, unit in values
    )
