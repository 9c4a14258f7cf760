"""The site plays on: hub and broker are gone, a device dies, its neighbours carry on.

One lab for the module; the tests tell one story, in order.
"""

import json
import time
from typing import Any

import pytest

from tests.support import labs
from tests.support.labs import Lab, wait

SHOP = """
name = "shop"

[workload.shop]
image = "REGISTRY/web:1"
ports = ["8081:80"]
replicas = 1
failover = "available"
"""
RECORDER = """
name = "recorder"

[workload.recorder]
image = "REGISTRY/web:1"
ports = ["8082:80"]
replicas = 1
failover = "strict"
lease = "4s"
health = { tcp = ":80", every = "1s", fail_after = 3 }
"""
WEB = """
name = "web"

[workload.web]
image = "REGISTRY/web:1"
ports = ["8080:80"]
replicas = 3
failover = "available"
"""
NODES = ("n1", "n2", "n3")
SHOP_PORT, RECORDER_PORT, WEB_PORT = 8081, 8082, 8080
LEASE = 4.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices that enrolled by themselves."""
    with labs.lab(tmp_path_factory.mktemp("failover"), "--nodes", "3") as lab:
        yield lab


def site(lab: Lab, node: str) -> dict[str, Any]:
    """What a device says of its site, with no hub asked; empty before it started."""
    shown = json.loads(lab.run(node, "edge-node status -o json || echo {}"))
    return dict(shown.get("site_view", {"peers": (), "slots": ()}))


def peers(lab: Lab, node: str) -> dict[str, str]:
    """How a device sees its neighbours."""
    return {each["name"]: each["state"] for each in site(lab, node)["peers"]}


def slots(lab: Lab, node: str) -> dict[str, dict[str, Any]]:
    """Who holds what, as a device sees it."""
    return {each["slot"]: each for each in site(lab, node)["slots"]}


def answering(lab: Lab, port: int) -> list[str]:
    """The devices that answer on a port."""
    return [node for node in NODES if lab.fetch(node, port=port)]


def only(lab: Lab, port: int) -> str:
    """The one device that answers on a port, once it is the only one."""
    found = wait(
        lambda: len(now := answering(lab, port)) == 1 and now, f"one answers {port}"
    )
    return str(found[0])


def events(lab: Lab, node: str) -> list[str]:
    """What a device told, oldest first: kind and subject."""
    rows = json.loads(lab.run(node, "edge-node events -n 500 -o json"))
    return [f"{each['kind']} {each['subject']}" for each in rows]


def is_whole(lab: Lab) -> bool:
    """Whether everybody sees everybody alive."""
    return all(
        peers(lab, node) == {each: "alive" for each in NODES if each != node}
        for node in NODES
    )


def test_neighbours_find_each_other(fleet):
    """By the hub's plan; status says how each of them is."""
    wait(lambda: is_whole(fleet), "everybody sees everybody")


def test_everybody_knows_what_may_move(fleet):
    """The hub's plan is on every device, with voters for the strict one."""
    for name, text in (("web", WEB), ("shop", SHOP), ("recorder", RECORDER)):
        fleet.edgectl("deploy", fleet.manifest(name, text), "--yes")
    known = {"shop/shop.1", "recorder/recorder.1", "web/web.1"}
    for node in NODES:
        wait(lambda n=node: known <= set(slots(fleet, n)), f"{node} knows the plan")
    holder = only(fleet, RECORDER_PORT)
    assert slots(fleet, holder)["recorder/recorder.1"]["lease_left"] > 0


@pytest.mark.parametrize(
    ("port", "slot", "within"),
    [
        (SHOP_PORT, "shop/shop.1", 8.0),
        (RECORDER_PORT, "recorder/recorder.1", LEASE + 8.0),
    ],
)
def test_work_moves_without_hub_and_broker_and_is_there_once_afterwards(
    fleet, port, slot, within
):
    """The device that runs it dies, a neighbour answers; it comes back, one is left."""
    for machine in ("hub", "broker"):
        fleet.lab("cut", machine)
    holder = only(fleet, port)
    web = len(answering(fleet, WEB_PORT))
    began = time.monotonic()
    fleet.lab("kill", holder)
    taker = wait(lambda: answering(fleet, port), "a neighbour answers", within=within)
    assert taker != [holder]
    assert time.monotonic() - began < within
    assert any(each == f"takeover {slot}" for each in events(fleet, taker[0]))
    # The third web server has nowhere to go, and it is said.
    assert len(answering(fleet, WEB_PORT)) == web - 1
    wait(
        lambda: any(each["homeless"] for each in slots(fleet, taker[0]).values()),
        "it is said what nobody can take",
    )
    fleet.lab("boot", holder)
    wait(lambda: is_whole(fleet), "the site is whole")
    wait(lambda: len(answering(fleet, WEB_PORT)) == web, "its web server is back")
    time.sleep(5)
    assert len(answering(fleet, port)) == 1


def test_the_hub_learns_who_holds_what(fleet):
    """The higher term wins: nothing moves back, and the story can be read."""
    before = (only(fleet, SHOP_PORT), only(fleet, RECORDER_PORT))
    for machine in ("hub", "broker"):
        fleet.lab("heal", machine)

    def shown() -> tuple[str, ...]:
        rows = fleet.rows_or_none("ps")
        found = {r["deployment"]: r["node"] for r in rows if r["state"] == "running"}
        return (found.get("shop", ""), found.get("recorder", ""))

    wait(lambda: shown() == before, f"the hub sees them on {before}")
    time.sleep(5)
    assert (only(fleet, SHOP_PORT), only(fleet, RECORDER_PORT)) == before
    said = fleet.edgectl("events", "-o", "json", code=None).stdout
    assert "takeover" in said
