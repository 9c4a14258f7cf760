"""From the loss of a device to its work answering on other devices.

Five devices, ten workloads of one replica each, the hub and the broker cut off. A
device's cable is pulled, then its power; the clock starts before the cable. *Answering*
is the first 200 over HTTP from any other device, asked from outside. The device comes
back before the next trial, and each workload must run exactly once again.

Swarm has the same five machines and ten services, and its manager, which the trial
leaves alone; a worker is lost each time, for good.

``--loss`` drops that share of the datagrams between any two devices, each way.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from edge.lab import network, processes
from edge.lab.fleet import LabFleet
from edge.lab.layout import BROKER, HUB
from edge.lab.substrate import Substrate
from tests.bench import answers, measure, swarm
from tests.bench import fleet as fleets
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.bench.swarm import Swarm
from tests.support import labs

NODES, WORKLOADS = 5, 10
FIRST_PORT = 8100
MEDIAN_AT_MOST, P95_AT_MOST, LOSSY_AT_MOST = 2.0, 4.0, 8.0
TIMES_SWARM = 8.0
WITHIN = 60.0
SETTLED_FOR = 4.0  # seconds in which nothing moves before the next trial
WORKLOAD = """
[workload.w{number}]
image = "{image}"
ports = ["{port}:80"]
env = {{ GREETING = "hello" }}
replicas = 1
failover = "available"
resources = {{ memory = "32MiB", cpus = 0.25 }}
"""
TRIES = 6  # questions to each device while they get lost as well
PORTS = tuple(range(FIRST_PORT, FIRST_PORT + WORKLOADS))


def options(parser: argparse.ArgumentParser) -> None:
    """Say how often, on how bad a network."""
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--swarm-rounds", type=int, default=3)
    parser.add_argument("--loss", type=float, default=0.0, help="per cent")


def measured(chosen: argparse.Namespace) -> Report:
    """Lose devices of ours, then of Swarm's."""
    with fleets.fleet("--nodes", str(chosen.nodes)) as fleet:
        fleet.pull()
        archive = fleet.save_image()
        ours = _ours(fleet, chosen)
    theirs: list[float] = []
    if chosen.swarm_rounds:
        with fleets.fleet("--nodes", "1") as room:
            folder = room.folder / "s"
            archive = room.save_image()
            with swarm.swarm(folder, room.octet, chosen.nodes, archive) as peer:
                theirs = _theirs(peer, chosen.swarm_rounds)
    return _report(ours, theirs, chosen.loss)


class Site:
    """The fleet under trial, its hub and broker out of reach."""

    def __init__(self, fleet: Fleet, tries: int) -> None:
        self.fleet = fleet
        self.tries = tries
        self.lab = LabFleet(Substrate(fleet.layout), measure.progress)
        self.nodes = [each.name for each in fleet.layout.nodes]
        self.where: dict[int, str] = {}

    def address(self, node: str) -> str:
        return self.fleet.layout.machine(node).address

    def holders(self, port: int) -> list[str]:
        """Return the devices that answer on a port, asked more than once if need be."""
        return [n for n in self.nodes if self._does_answer(n, port)]

    def _does_answer(self, node: str, port: int) -> bool:
        address = self.address(node)
        return any(answers.answers(address, port) for _ in range(self.tries))

    def settle(self) -> None:
        """Wait until each workload has run at one place for a while."""
        before: dict[int, list[str]] = {}
        since, end = time.monotonic(), time.monotonic() + 2 * WITHIN
        while time.monotonic() - since < SETTLED_FOR:
            now = {port: self.holders(port) for port in PORTS}
            is_once = all(len(found) == 1 for found in now.values())
            if now != before or not is_once:
                since, before = time.monotonic(), now
            if time.monotonic() > end:
                raise BenchFailed(f"the site does not settle: {now}")
            time.sleep(0.2)
        self.where = {port: found[0] for port, found in before.items()}

    def lose(self, node: str) -> list[float]:
        """Take a device away; return how long each of its workloads was gone."""
        lost = [port for port, holder in self.where.items() if holder == node]
        others = [self.address(n) for n in self.nodes if n != node]
        with ThreadPoolExecutor(len(lost)) as pool:
            began = time.time()
            asked = [pool.submit(_first, others, port) for port in lost]
            self.lab.substrate.cut(node)
            self.lab.substrate.kill(node)
            return [each.result() - began for each in asked]

    def bring_back(self, node: str) -> None:
        """Give a device its power and its cable back."""
        self.lab.boot(node)
        self.lab.substrate.heal(node)


def _ours(fleet: Fleet, chosen: argparse.Namespace) -> list[float]:
    site = Site(fleet, TRIES if chosen.loss else 1)
    fleet.edgectl("deploy", _manifest(fleet), "--yes")
    site.settle()
    time.sleep(SETTLED_FOR)
    for machine in (HUB, BROKER):
        site.lab.substrate.cut(machine)
    for node in site.nodes:
        # Each datagram passes two cables.
        each = 100 * (1 - (1 - chosen.loss / 100) ** 0.5)
        site.lab.substrate.lose(node, each)
    took: list[float] = []
    for trial in range(chosen.trials):
        site.settle()
        measure.wait_quiet()
        node = _pick(site, trial)
        found = site.lose(node)
        took += found
        shown = ", ".join(f"{each:.2f}" for each in found)
        measure.progress(f"trial {trial}: {node} is gone, back after {shown} s")
        site.bring_back(node)
        if chosen.loss:
            site.lab.substrate.lose(node, each)
    return took


def _pick(site: Site, trial: int) -> str:
    """Return the next device in turn that runs something."""
    start = trial % len(site.nodes)
    for node in (*site.nodes[start:], *site.nodes[:start]):
        if node in site.where.values():
            return node
    raise BenchFailed("nothing runs anywhere")


def _manifest(fleet: Fleet) -> str:
    parts = [
        WORKLOAD.format(number=n, image=fleet.image, port=port)
        for n, port in enumerate(PORTS)
    ]
    return fleet.lab.manifest("many", 'name = "many"\n' + "".join(parts))


def _first(addresses: Iterable[str], port: int) -> float:
    """Return when any of these first answers on a port."""
    wanted = tuple(addresses)
    end = time.monotonic() + WITHIN
    while time.monotonic() < end:
        for each in wanted:
            if answers.answers(each, port):
                return time.time()
        time.sleep(answers.ASK_EVERY)
    raise BenchFailed(f"nobody answers on port {port} within {WITHIN:g} s")


def _theirs(peer: Swarm, rounds: int) -> list[float]:
    for number, port in enumerate(PORTS):
        publish = ("--publish", f"mode=host,target=80,published={port}")
        peer.docker(*peer.create(f"w{number}", 1, *publish))
    took: list[float] = []
    for turn in range(rounds):
        where = {port: _holder(peer, port) for port in PORTS}
        measure.wait_quiet()
        machine = peer.lab.nodes[len(peer.lab.nodes) - 1 - turn]
        lost = [port for port, found in where.items() if found == machine.address]
        others = [each for each in peer.addresses if each != machine.address]
        with _asking(lost, others) as asked:
            began = time.time()
            network.set_link(peer.lab, machine, up=False)
            found = processes.network_at(machine.namespace_path)
            if found is not None:
                processes.kill_every(processes.is_inside(found))
            took += [each.result() - began for each in asked]
        shown = ", ".join(f"{each:.1f}" for each in took)
        measure.progress(f"swarm lost {machine.name}: {shown} s")
    return took


@contextmanager
def _asking(ports: list[int], addresses: list[str]) -> Iterator[list]:  # type: ignore[type-arg]
    with ThreadPoolExecutor(max(1, len(ports))) as pool:
        yield [pool.submit(_first, addresses, port) for port in ports]


def _holder(peer: Swarm, port: int) -> str:
    """Return which machine answers on a port."""
    with suppress(AssertionError):
        return str(
            labs.wait(
                lambda: next(
                    (a for a in peer.addresses if answers.answers(a, port)), ""
                ),
                f"swarm answers on {port}",
            )
        )
    raise BenchFailed(f"swarm does not answer on {port}")


def _report(ours: list[float], theirs: list[float], loss: float) -> Report:
    what = "device lost → answering elsewhere"
    figure = Figure(what=what, who="tutti", unit="s", values=tuple(ours))
    figures = [figure]
    p95 = figure.percentile(0.95)
    targets = [
        Target(
            what=f"{what}, p95",
            value=p95,
            at_most=LOSSY_AT_MOST if loss else P95_AT_MOST,
            unit="s",
        )
    ]
    if not loss:
        targets.append(
            Target(
                what=f"{what}, median",
                value=figure.median,
                at_most=MEDIAN_AT_MOST,
                unit="s",
            )
        )
    if theirs:
        peer = Figure(what=what, who="swarm", unit="s", values=tuple(theirs))
        figures.append(peer)
        targets.append(
            measure.ratio(f"{what}, to Swarm", figure, peer, 1 / TIMES_SWARM)
        )
    notes = (f"{loss:g} % loss between devices; {len(ours)} workloads moved",)
    return Report(
        bench="failover", figures=tuple(figures), targets=tuple(targets), notes=notes
    )
