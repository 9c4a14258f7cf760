"""A site on real parts in a storm of faults, and what must hold all the same.

``TUTTI_CHAOS_SECONDS`` says how long (60 by default), ``TUTTI_CHAOS_SEED`` which storm,
a failure names the seed. `just chaos 600` is the long form.
"""

import os
import time

import pytest

from tests.chaos.record import Record
from tests.chaos.storm import Storm
from tests.support import labs, sites
from tests.support.labs import Lab, wait

FLEET = """
name = "shop"

[workload.shop]
image = "REGISTRY/web:1"
ports = ["8081:80"]
replicas = 1
failover = "available"
stop_after = "1s"

[workload.till]
image = "REGISTRY/web:1"
ports = ["8082:80"]
replicas = 1
failover = "strict"
lease = "4s"
stop_after = "1s"
"""
NODES = ("n1", "n2", "n3")
SLOTS = ("shop/shop.1", "shop/till.1")
WITHIN = 60.0  # seconds after the last fault
SECONDS = float(os.environ.get("TUTTI_CHAOS_SECONDS", "60"))
SET_UP = 150.0  # seconds for the lab, the deploy and the end


@pytest.fixture
def fleet(tmp_path):
    """Three devices with one replica of each kind."""
    with labs.lab(tmp_path, "--nodes", "3") as lab:
        lab.edgectl("deploy", lab.manifest("shop", FLEET), "--yes")
        wait(lambda: sites.see_each_other(lab, NODES), "they see each other")
        yield lab


@pytest.mark.timeout(SECONDS + WITHIN + SET_UP)
def test_the_laws_hold_in_a_storm(fleet):
    """Never two tills, only what was signed, and one of each in the end."""
    seed = int(os.environ.get("TUTTI_CHAOS_SEED", "0")) or int(time.time())
    storm = Storm(fleet, seed)
    replay = f"seed {seed}: just chaos {SECONDS:g} {seed}"
    with Record(fleet) as record:
        storm.rage(SECONDS)
        is_once = lambda: running_once(record)  # noqa: E731
        wait(is_once, f"one of each again, {replay}{told(fleet)}", within=WITHIN)
        time.sleep(3)
        assert running_once(record), f"{record.now()}, {replay}"
    assert record.looks > SECONDS
    assert record.overlaps("shop/till.1") == [], replay
    assert record.revisions() == {(slot, 1) for slot in SLOTS}, replay


def running_once(record: Record) -> bool:
    """Whether each slot runs on exactly one device now."""
    return sorted(each.slot for each in record.now()) == sorted(SLOTS)


def told(lab: Lab) -> str:
    """What each device believes, for a failing test."""
    return "".join(f"\n{node}: {sites.slots(lab, node)}" for node in NODES)
