"""What the hub shows of devices it does not hear itself, on real parts: one story."""

import json
from typing import Any

import pytest

from tests.support import labs, sites
from tests.support.labs import Lab, wait

NODES = ("n1", "n2", "n3")
NO_HUB = """
nft add table inet nohub
nft add chain inet nohub output '{ type filter hook output priority 0; }'
nft add rule inet nohub output tcp dport 8883 drop
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices that see each other, n3 without a way to the broker in the end."""
    with labs.lab(tmp_path_factory.mktemp("hearsay"), "--nodes", "3") as lab:
        wait(lambda: sites.see_each_other(lab, NODES), "everybody sees everybody")
        yield lab


def rows(lab: Lab) -> dict[str, dict[str, Any]]:
    """The devices by name, as the hub shows them."""
    shown = json.loads(lab.edgectl("get", "nodes", "-o", "json").stdout)
    return {row["name"]: row for row in shown}


def states(lab: Lab) -> list[str]:
    """One word for each device."""
    return [row["state"] for _, row in sorted(rows(lab).items())]


def test_a_device_without_a_way_to_the_hub_is_relayed_by_its_neighbours(fleet):
    """Its signs of life arrive, and nothing else of it."""
    wait(lambda: states(fleet) == ["ready"] * 3, "all are heard")
    fleet.run("n3", NO_HUB)
    known = {"cut from hub", "relayed"}
    wait(lambda: states(fleet)[2] in known, "neighbours say that it is alive")
    wait(lambda: states(fleet)[2] == "relayed", "they pass on its signs of life")


def test_a_device_that_is_off_is_dead(fleet):
    """Its neighbours say so; the hub would have waited for its last will only."""
    fleet.lab("kill", "n3")
    wait(lambda: states(fleet) == ["ready", "ready", "dead"], "neighbours say so")
