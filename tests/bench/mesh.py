"""What the neighbours say to each other, and whether anybody is taken for dead.

Real devices in a lab, hub and broker cut off. First what each sends on a clean network:
UDP payload, counted by the kernel. Then a bad one: a share of the datagrams between any
two devices lost, each 50 to 250 ms late, and one device's processors busy. Every death
that anybody tells is a false one, and so is every takeover. Last, all devices start
anew at the same moment: how long until each sees all others.
"""

import argparse
import json
import time
from pathlib import Path

from edge.lab.fleet import NODE_PROGRAM, LabFleet
from edge.lab.layout import BROKER, HUB
from edge.lab.substrate import Substrate
from tests.bench import fleet as fleets
from tests.bench import measure
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.support import sites

PORT = 8445
HEADERS = 28  # bytes of IPv4 and UDP before the payload
BYTES_AT_MOST = 1000.0
COLD_AT_MOST = 10.0
CLEAN_FOR = 60.0
COLD_WITHIN = 120.0
DELAY = (0.025, 0.125)  # seconds on each cable; a datagram passes two
COUNT = """
add table inet mesh
add chain inet mesh out {{ type filter hook output priority 0; }}
add rule inet mesh out udp dport {port} counter
"""
DEAF = """
add table inet deaf
add chain inet deaf input { type filter hook input priority 0; }
add chain inet deaf output { type filter hook output priority 0; }
add rule inet deaf input udp dport 5353 drop
add rule inet deaf output udp dport 5353 drop
"""
WORKLOAD = """
[workload.w{number}]
image = "{image}"
ports = ["{port}:80"]
replicas = 1
failover = "available"
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Say how large a site, how bad a network, for how long."""
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--loss", type=float, default=20.0, help="per cent")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument(
        "--no-multicast", action="store_true", help="start cold without mDNS"
    )


def measured(chosen: argparse.Namespace) -> Report:
    """Measure a clean network, then a bad one, then a cold start."""
    with fleets.fleet("--nodes", str(chosen.nodes)) as fleet:
        site = Site(fleet)
        fleet.pull()
        fleet.edgectl("deploy", site.manifest(), "--yes")
        for machine in (HUB, BROKER):
            site.lab.substrate.cut(machine)
        site.wait_whole()
        sent = site.payload(CLEAN_FOR)
        measure.progress(f"bytes a second: {', '.join(f'{x:.0f}' for x in sent)}")
        deaths = site.suffer(chosen.loss, chosen.minutes * 60)
        if chosen.no_multicast:
            site.block_multicast()
        cold = site.start_cold()
    return _report(sent, deaths, cold, chosen)


class Site:
    """The devices of the lab."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.lab = LabFleet(Substrate(fleet.layout), measure.progress)
        self.nodes = [each.name for each in fleet.layout.nodes]

    def manifest(self) -> str:
        """Return the path of a deployment with one workload for each device."""
        parts = [
            WORKLOAD.format(number=n, image=self.fleet.image, port=8100 + n)
            for n in range(len(self.nodes))
        ]
        return self.fleet.lab.manifest("many", 'name = "many"\n' + "".join(parts))

    def wait_whole(self, within: float = 120.0) -> float:
        """Return when everybody sees everybody, in seconds from now."""
        began = time.monotonic()
        while not sites.see_each_other(self.fleet.lab, self.nodes):
            if time.monotonic() - began > within:
                raise BenchFailed(f"they do not see each other: {self._views()}")
            time.sleep(0.05)
        return time.monotonic() - began

    def payload(self, seconds: float) -> list[float]:
        """Return the bytes of UDP payload that each device sends in a second."""
        for node in self.nodes:
            words = ("sh", "-c", f"nft -f - <<'X'\n{COUNT.format(port=PORT)}X")
            measure.run(self.lab.command(node, words))
        time.sleep(seconds)
        return [self._counted(node) / seconds for node in self.nodes]

    def suffer(self, loss: float, seconds: float) -> int:
        """Make the network bad for a while; return how many deaths were told."""
        each = 100 * (1 - (1 - loss / 100) ** 0.5)
        before = self._told()
        for node in self.nodes:
            self.lab.faults.delay(node, *DELAY)
            self.lab.substrate.lose(node, each)
        # Splicing a cable cuts it for a moment: that is no part of the trial.
        self.wait_whole()
        time.sleep(5)
        before = self._told()
        self.lab.faults.hog(self.nodes[0], 2, seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(30.0, max(0.1, end - time.monotonic())))
            measure.progress(f"{self._told() - before} deaths and takeovers so far")
        told = self._told() - before
        self.lab.heal(None)
        self.wait_whole()
        return told

    def block_multicast(self) -> None:
        """Drop mDNS on every device, as many access points do."""
        for node in self.nodes:
            words = ("sh", "-c", f"nft -f - <<'X'\n{DEAF}X")
            measure.run(self.lab.command(node, words))

    def start_cold(self) -> list[float]:
        """Start all daemons anew at once; return when each saw all the others."""
        for node in self.nodes:
            self.lab.substrate.end(node, NODE_PROGRAM)
            self._status(node).unlink(missing_ok=True)
        began = time.monotonic()
        for node in self.nodes:
            self.lab.start(node)
        took: dict[str, float] = {}
        while len(took) < len(self.nodes):
            for node in self.nodes:
                if node not in took and self._sees_all(node):
                    took[node] = time.monotonic() - began
            if time.monotonic() - began > COLD_WITHIN:
                raise BenchFailed(f"cold start failed: {self._views()}")
            time.sleep(0.05)
        return [took[node] for node in self.nodes]

    def _sees_all(self, node: str) -> bool:
        seen = sites.peers(self.fleet.lab, node)
        return len(seen) == len(self.nodes) - 1 and set(seen.values()) == {"alive"}

    def _status(self, node: str) -> Path:
        return Path("/run/tutti") / self.fleet.lab.name / node / "node" / "status.json"

    def _counted(self, node: str) -> float:
        listed = json.loads(
            measure.run(
                self.lab.command(node, ("nft", "-j", "list", "table", "inet", "mesh"))
            )
        )
        for each in listed["nftables"]:
            for part in each.get("rule", {}).get("expr", ()):
                if "counter" in part:
                    counter = part["counter"]
                    return float(counter["bytes"] - HEADERS * counter["packets"])
        raise BenchFailed(f"no counter on {node}")

    def _told(self) -> int:
        """Return how many deaths and takeovers all devices have told of so far."""
        kinds = {"dead", "takeover"}
        found = 0
        for node in self.nodes:
            log = self.fleet.layout.machine(node).state / "events.jsonl"
            for line in log.read_text().splitlines():
                found += json.loads(line).get("kind") in kinds
        return found

    def _views(self) -> dict[str, dict[str, str]]:
        return {node: sites.peers(self.fleet.lab, node) for node in self.nodes}


def _report(
    sent: list[float], deaths: int, cold: list[float], chosen: argparse.Namespace
) -> Report:
    figure = Figure(
        what="UDP payload sent each second", who="tutti", unit="B", values=tuple(sent)
    )
    start = Figure(
        what="cold start → sees all others", who="tutti", unit="s", values=tuple(cold)
    )
    mdns = "multicast blocked" if chosen.no_multicast else "with multicast"
    bad = f"{chosen.loss:g} % loss and 50–250 ms for {chosen.minutes:g} minutes"
    return Report(
        bench="mesh",
        figures=(figure, start),
        targets=(
            Target(
                what="payload, the most talkative",
                value=figure.most,
                at_most=BYTES_AT_MOST,
                unit="B",
            ),
            Target(
                what="false deaths and takeovers",
                value=float(deaths),
                at_most=0.0,
                unit="",
            ),
            Target(
                what="cold start, p95",
                value=start.percentile(0.95),
                at_most=COLD_AT_MOST,
                unit="s",
            ),
        ),
        notes=(
            f"{chosen.nodes} devices; {bad}, one of them busy",
            f"cold start {mdns}",
        ),
    )
