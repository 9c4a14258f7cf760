"""What a device with five workloads costs while nothing happens, beside Swarm's worker.

Tutti: everything of it that stays resident, which is edge-node, a conmon for each
container, and the guard, as one of the five is ``strict``; five HTTP probes every ten
seconds. The device is one of three of a site, with as much to do each. Podman's service
must not run, and what it used if it ran in between is counted. The containers' own
processes (their programs, and the init in front of them) count on neither side.

Swarm: dockerd, containerd, a shim and two port proxies for each container, on a worker
that is not the manager; no health checks, which Docker would run as processes inside
the containers.

Traffic is all of the device's cable, both ways, as the kernel counts it, in two parts:
the mesh of the site, which stays on its LAN, and everything else.
"""

import argparse
import re
import time
from dataclasses import dataclass

from edge.lab import processes
from edge.lab.layout import Machine
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
MEMORY_AT_MOST, CPU_AT_MOST, WIRE_AT_MOST, MESH_AT_MOST = 45.0, 0.5, 0.5, 8.0
NODES = 3
HEADERS, FRAME = 28, 14  # bytes: IP and UDP, Ethernet
MESH = """
nft add table inet bench
for way in input output; do
    nft add chain inet bench $way "{ type filter hook $way priority 0; }"
    nft add rule inet bench $way udp sport 8445 udp dport 8445 counter
done
"""
COUNTER = re.compile(r"counter packets (\d+) bytes (\d+)")
WORKER = 1  # the second of Swarm's machines; the first is its manager
PER_CENT = 100
BITS, KILO = 8, 1000
LONG, USUAL = 600.0, 120.0

WORKLOAD = """
[workload.w{number}]
image = "{image}"
ports = ["{port}:80"]
replicas = {nodes}
failover = "{failover}"
resources = {{ memory = "32MiB" }}
health = {{ http = "http://:80/healthz", every = "10s" }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one moment: processor seconds, and bytes on the cable.

    Of the mesh: payload that was sent. ``wire`` is without it.
    """

    cpu: float
    wire: int
    mesh: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one system's device cost; ``cpu`` in % of a core, traffic in kbit/s."""

    memory: Memory
    cpu: float
    wire: float
    mesh: float


def options(parser: argparse.ArgumentParser) -> None:
    """Say how long."""
    parser.add_argument("--seconds", type=float, default=USUAL)
    parser.add_argument(
        "--long", action="store_const", const=LONG, dest="seconds", help="ten minutes"
    )


def measured(chosen: argparse.Namespace) -> Report:
    """Measure both over the same time."""
    with fleets.fleet("--nodes", str(NODES)) as fleet:
        fleet.edgectl("deploy", _manifest(fleet), "--yes")
        fleet.lab.run(_device(fleet).name, MESH)
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
        ("mesh, payload sent", ours.mesh, MESH_AT_MOST, "kbit/s"),
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
        WORKLOAD.format(
            number=number,
            image=fleet.image,
            port=FIRST_PORT + number,
            nodes=NODES,
            failover="available" if number else "strict",
        )
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


def _device(fleet: Fleet) -> Machine:
    """Return the device that is watched."""
    return fleet.layout.nodes[0]


def _resident(fleet: Fleet) -> set[int]:
    """Return edge-node, the guard, and the monitors of its containers."""
    node = _device(fleet)
    monitors = fleet.monitors(node)
    if len(monitors) != WORKLOADS:
        raise BenchFailed(f"expected {WORKLOADS} conmon, found {len(monitors)}")
    guards = usage.named("guard.sh", f"{node.run}/")
    if len(guards) != 1:
        raise BenchFailed(f"expected one guard, found {len(guards)}")
    return {fleet.agent(node.name), *monitors, *guards}


def _read(fleet: Fleet) -> Reading:
    """Read our counters, with those of Podman services that came and left."""
    node = _device(fleet)
    board = processes.recall(fleet.layout.processes / "sockets")
    if board is None:
        raise BenchFailed("the lab's sockets are gone")
    spent = usage.cpu(_resident(fleet)) + usage.children_cpu(board.pid)
    listed = fleet.lab.run(node.name, "nft list table inet bench")
    counts = [(int(packets), int(size)) for packets, size in COUNTER.findall(listed)]
    packets, size = counts[1]  # what it sent
    ours = sum(size + FRAME * packets for packets, size in counts)
    return Reading(
        cpu=spent,
        wire=usage.wire(fleet.agent(node.name)) - ours,
        mesh=size - HEADERS * packets,
    )


def _read_peer(peer: Swarm) -> Reading:
    pids = swarm.pids(peer, WORKER)
    return Reading(cpu=usage.cpu(pids), wire=usage.wire(min(pids)))


def _cost(memory: Memory, before: Reading, after: Reading, took: float) -> Cost:
    return Cost(
        memory=memory,
        cpu=(after.cpu - before.cpu) / took * PER_CENT,
        wire=(after.wire - before.wire) * BITS / KILO / took,
        mesh=(after.mesh - before.mesh) * BITS / KILO / took,
    )


def _figures(who: str, cost: Cost) -> tuple[Figure, ...]:
    values = (
        ("resident, RSS", cost.memory.rss, "MiB"),
        ("resident, PSS", cost.memory.pss, "MiB"),
        ("resident, alone", cost.memory.alone, "MiB"),
        ("processor, of a core", cost.cpu, "%"),
        ("traffic", cost.wire, "kbit/s"),
        ("mesh, payload sent", cost.mesh, "kbit/s"),
    )
    return tuple(
        Figure(what=what, who=who, unit=unit, values=(value,))
        for what, value, unit in values
    )
