"""A ``strict`` replica loses its device, round after round: never two copies.

Each round something happens to the device that holds it, or to both others, for as long
as the seed says; then all is well again and exactly one copy runs. `just rounds 200`
plays two hundred; ``TUTTI_ROUNDS`` and ``TUTTI_ROUNDS_SEED`` say how many, and which.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from tests.chaos import storm as faults
from tests.chaos.record import Record
from tests.chaos.storm import Fault, Storm
from tests.support import labs, sites
from tests.support.labs import wait

FLEET = """
name = "shop"

[workload.till]
image = "REGISTRY/web:1"
ports = ["8082:80"]
replicas = 1
failover = "strict"
lease = "4s"
stop_after = "1s"
"""
SLOT, LEASE = "shop/till.1", 4.0
NODES = ("n1", "n2", "n3")
ROUNDS = int(os.environ.get("TUTTI_ROUNDS", "2"))
SHORTEST, LONGEST = 1.0, 12.0  # seconds a fault lasts
WITHIN = 45.0  # seconds until one copy runs after the fault
SETTLES = 1.0
SET_UP = 120.0


def alone(storm: Storm, node: str) -> Fault:
    """Pull the cables of both others: the holder is left without a majority."""
    both = [each for each in storm.nodes if each != node]
    for each in both:
        storm.fleet.substrate.cut(each)

    def end() -> None:
        for each in both:
            storm.fleet.substrate.heal(each)

    return Fault(name="alone", node=node, end=end)


def hung_then_cut(storm: Storm, node: str) -> Fault:
    """Stop the daemon, then pull the cable: only the guard is left to end the copy."""
    hung, cut = faults.hang(storm, node), faults.cable(storm, node)

    def end() -> None:
        cut.end()
        hung.end()

    return Fault(name="hung_then_cut", node=node, end=end)


KINDS: tuple[Callable[[Storm, str], Fault], ...] = (
    *(faults.power, faults.power, faults.cable, faults.cable, faults.deaf),
    *(faults.mute, faults.partition, faults.hang, faults.daemon, faults.clock),
    *(faults.guard, faults.container, alone, hung_then_cut, hung_then_cut),
)
LOST = {"power", "cable", "hung_then_cut"}
"""Faults after which nobody reaches the holder: another one must take over."""


@dataclass(slots=True)
class Played:
    """What came of the rounds so far."""

    record: Record
    moved: int = 0
    takeovers: list[float] = field(default_factory=list)
    """Seconds from the loss of the holder to a copy elsewhere."""

    @property
    def holder(self) -> str:
        """The device that runs the one copy, "" for none or two."""
        nodes = {each.node for each in self.record.now() if each.slot == SLOT}
        return nodes.pop() if len(nodes) == 1 else ""

    def settle(self) -> str:
        """Wait until one copy runs, and still does a moment later; return where."""
        wait(lambda: self.holder, "one copy runs", within=WITHIN)
        time.sleep(SETTLES)
        wait(lambda: self.holder, "one copy runs on", within=WITHIN)
        return self.holder


@pytest.mark.timeout(SET_UP + ROUNDS * (WITHIN + LONGEST))
def test_round_after_round_there_is_one_copy_at_most(tmp_path):
    """Whatever happens to whom, and however long."""
    seed = int(os.environ.get("TUTTI_ROUNDS_SEED", "0")) or int(time.time())
    rng = Random(seed)
    replay = f"seed {seed}: just rounds {ROUNDS} {seed}"
    with labs.lab(tmp_path, "--nodes", "3") as lab:
        lab.edgectl("deploy", lab.manifest("shop", FLEET), "--yes")
        wait(lambda: sites.see_each_other(lab, NODES), "they see each other")
        storm = Storm(lab, seed)
        with Record(lab) as record:
            played = Played(record)
            for number in range(ROUNDS):
                play(storm, played, rng, f"{number + 1} of {ROUNDS}")
                assert record.overlaps(SLOT) == [], replay
    say(
        f"{ROUNDS} rounds, {played.moved} moves, 0 overlaps; {_spent(played)}; {replay}"
    )
    assert all(each <= LEASE + 2 + SLACK for each in played.takeovers), replay


SLACK = 3.0
"""Seconds for a machine that is busy otherwise; figures are in the benchmarks."""


def play(storm: Storm, played: Played, rng: Random, which: str) -> None:
    """Play one round."""
    holder = played.settle()
    kind, lasts = rng.choice(KINDS), rng.uniform(SHORTEST, LONGEST)
    say(f"round {which}: {kind.__name__} {holder} for {lasts:.1f} s")
    began = time.monotonic()
    fault = kind(storm, holder)
    taken_at = None
    while time.monotonic() < began + lasts:
        if taken_at is None and played.holder not in {"", holder}:
            taken_at = time.monotonic()
        time.sleep(0.05)
    if kind.__name__ in LOST and taken_at is not None:
        played.takeovers.append(taken_at - began)
    fault.end()
    storm.calm()
    played.moved += played.settle() != holder


def _spent(played: Played) -> str:
    if not played.takeovers:
        return "nobody was lost for long enough"
    middle, worst = statistics.median(played.takeovers), max(played.takeovers)
    count = len(played.takeovers)
    return f"taken over after {middle:.1f} s, at worst {worst:.1f} s ({count} times)"


def say(text: str) -> None:
    """Print progress."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
