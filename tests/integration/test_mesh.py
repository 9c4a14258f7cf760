"""A site on real parts whose hub and broker are away: the tests tell one story.

Each test leaves three devices that see each other.
"""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import labs, sites
from tests.support.labs import Lab, wait

SHOP = """
name = "shop"

[workload.shop]
image = "REGISTRY/web:1"
ports = ["8081:80"]
replicas = 1
failover = "available"
stop_after = "1s"
health = { http = "http://:80/", every = "1s" }

[workload.till]
image = "REGISTRY/web:1"
ports = ["8082:80"]
replicas = 1
failover = "strict"
lease = "5s"
stop_after = "1s"
health = { http = "http://:80/", every = "1s" }
"""
NODES = ("n1", "n2", "n3")
SLOTS = {"shop/shop.1": 8081, "shop/till.1": 8082}
LEASE = 5.0
DEAF = """
nft add table inet deaf
nft add chain inet deaf input '{ type filter hook input priority 0; }'
nft add chain inet deaf output '{ type filter hook output priority 0; }'
nft add rule inet deaf input udp dport 5353 drop
nft add rule inet deaf output udp dport 5353 drop
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices with one replica of each kind, which all of them know of."""
    with labs.lab(tmp_path_factory.mktemp("mesh"), "--nodes", "3") as lab:
        lab.edgectl("site", "voters", "lab", "--set", ",".join(NODES))
        lab.edgectl("deploy", lab.manifest("shop", SHOP), "--yes")
        settle(lab)
        yield lab


def settled(lab: Lab) -> bool:
    """Whether all see each other, and one answers for each slot: the same for all."""
    if not sites.see_each_other(lab, NODES):
        return False
    known = [sites.slots(lab, node) for node in NODES]
    return all(
        [each.get(slot, {}).get("holder") for each in known]
        == sites.answering(lab, NODES, port) * len(NODES)
        for slot, port in SLOTS.items()
    )


def told(lab: Lab) -> str:
    """What each device believes, for a failing test."""
    shown = (json.dumps(sites.status(lab, node).get("site_view")) for node in NODES)
    return "\n".join(["", *shown])


def holders(lab: Lab) -> dict[str, str]:
    """Slot → the one device that answers for it."""
    found = {slot: sites.answering(lab, NODES, port) for slot, port in SLOTS.items()}
    assert all(len(each) == 1 for each in found.values()), found
    return {slot: each[0] for slot, each in found.items()}


def slot_terms(lab: Lab) -> dict[str, int]:
    """Slot → the term in which it is held, as n1 knows it."""
    return {slot: each["term"] for slot, each in sites.slots(lab, "n1").items()}


def cut(lab: Lab) -> None:
    """Take hub and broker away."""
    lab.lab("cut", "hub")
    lab.lab("cut", "broker")


def heal(lab: Lab) -> None:
    """Bring everything back."""
    lab.lab("heal")
    settle(lab)


def settle(lab: Lab) -> None:
    """Until there is one of each, and all know where."""
    try:
        wait(lambda: settled(lab), "the site is whole")
    except AssertionError as error:
        raise AssertionError(f"{error}{told(lab)}{lab.logs()}") from error


def alive(lab: Lab, node: str) -> list[str]:
    """Whom a device sees."""
    return [name for name, state in sites.peers(lab, node).items() if state == "alive"]


def other_address(lab: Lab, node: str) -> str:
    """One that nobody has."""
    return f"{lab.prefix}.{90 + int(node[1:])}"


def readdress(lab: Lab, node: str, old: str, new: str) -> None:
    """Give a device another address, as DHCP would, which tells all of it by ARP."""
    cable = f"$(ip -o -4 addr show to {old} | awk '{{ print $2 }}')"
    change = f"ip addr del {old}/24 dev $c && ip addr add {new}/24 dev $c"
    lab.run(node, f"c={cable}; {change}")
    for each in NODES:
        lab.run(each, "ip neigh flush all")
    subprocess.run(["ip", "neigh", "flush", "to", f"{lab.prefix}.0/24"], check=True)


def test_a_daemon_that_starts_again_moves_nothing(fleet):
    """Containers run on, and stay whose they are."""
    before = holders(fleet)
    terms = slot_terms(fleet)
    pid = sites.status(fleet, before["shop/shop.1"])["pid"]
    fleet.run(before["shop/shop.1"], f"kill {pid}")
    # Started while the old one still ends, it would be taken for running.
    wait(lambda: not Path(f"/proc/{pid}").exists(), "the old daemon's end")
    fleet.lab("start", before["shop/shop.1"])
    wait(
        lambda: sites.status(fleet, before["shop/shop.1"])["pid"] != pid, "a new daemon"
    )
    settle(fleet)
    assert holders(fleet) == before
    assert slot_terms(fleet) == terms


@pytest.mark.parametrize("slot", SLOTS)
def test_both_kinds_answer_elsewhere_without_hub_and_broker(fleet, slot):
    """The device that ran it has lost its power; back again, there is one copy."""
    cut(fleet)
    lost = holders(fleet)[slot]
    rest = [node for node in NODES if node != lost]
    began = time.monotonic()
    fleet.lab("kill", lost)
    within = LEASE + 8
    wait(lambda: sites.answering(fleet, rest, SLOTS[slot]), "an answer", within=within)
    print(f"{slot} answers after {time.monotonic() - began:.1f} s")
    fleet.lab("boot", lost)
    heal(fleet)
    holders(fleet)


def test_they_find_each_other_without_multicast(fleet):
    """The plan on disk says where they were."""
    cut(fleet)
    for node in NODES:
        fleet.run(node, DEAF)
        fleet.lab("kill", node)
    for node in NODES:
        fleet.lab("boot", node)
        fleet.run(node, DEAF)
    wait(lambda: sites.see_each_other(fleet, NODES), "all see all", within=30)
    for node in NODES:
        fleet.run(node, "nft delete table inet deaf")
    heal(fleet)


def test_they_find_each_other_at_addresses_nobody_knew(fleet):
    """The switch was off, then DHCP gave each device another one; mDNS finds them."""
    cut(fleet)
    for node in NODES:
        fleet.lab("cut", node)
    wait(lambda: not any(alive(fleet, node) for node in NODES), "all lost all")
    for node in NODES:
        readdress(fleet, node, fleet.address(node), other_address(fleet, node))
    for node in NODES:
        fleet.lab("heal", node)
    wait(lambda: sites.see_each_other(fleet, NODES), "all see all", within=40)
    for node in NODES:
        readdress(fleet, node, other_address(fleet, node), fleet.address(node))
    heal(fleet)


def test_a_cold_start_at_each_others_addresses(fleet):
    """All that disks remember leads to somebody else; mDNS finds them all the same."""
    cut(fleet)
    before, terms = holders(fleet), slot_terms(fleet)
    pids = {node: sites.status(fleet, node)["pid"] for node in NODES}
    for node, pid in pids.items():
        gone = f"while kill -0 {pid} 2> /dev/null; do sleep 0.1; done"
        fleet.run(node, f"kill {pid}; {gone}")
    moved = dict(zip(NODES, (*NODES[1:], NODES[0]), strict=True))
    for node, place in moved.items():
        readdress(fleet, node, fleet.address(node), fleet.address(place))
    began = time.monotonic()
    for node in NODES:
        fleet.lab("start", node)
    for node, pid in pids.items():
        new = lambda n=node, p=pid: sites.status(fleet, n).get("pid", p) != p  # noqa: E731
        wait(new, "a new daemon")
    wait(lambda: sites.see_each_other(fleet, NODES), "all see all", within=40)
    print(f"all see all after {time.monotonic() - began:.1f} s")
    assert len(sites.answering(fleet, NODES, SLOTS["shop/till.1"])) <= 1
    for node in NODES:  # while they swap back, no two hold the same address
        fleet.lab("cut", node)
    for node, place in moved.items():
        readdress(fleet, node, fleet.address(place), fleet.address(node))
    # Without daemons and neighbours the lease of `strict` may have ended, and while
    # three swap their addresses, two of them hold the same: a copy may have moved.
    heal(fleet)
    after, now = holders(fleet), slot_terms(fleet)
    elsewhere = [slot for slot in SLOTS if after[slot] != before[slot]]
    assert all(now[slot] > terms[slot] for slot in elsewhere)


def test_a_device_that_leaves_hands_over(fleet):
    """Nothing that moves runs there afterwards; a restart ends its leaving."""
    before = holders(fleet)
    leaver = before["shop/shop.1"]
    fleet.run(leaver, "edge-node leave --within 30")
    (taker,) = sites.answering(fleet, NODES, SLOTS["shop/shop.1"])
    assert taker != leaver
    # A `strict` copy starts only when the one before it has ended: there is a gap.
    till = lambda: sites.answering(fleet, NODES, SLOTS["shop/till.1"])  # noqa: E731
    wait(till, "somebody has the lease", within=LEASE)
    assert leaver not in holders(fleet).values()
    pid = sites.status(fleet, leaver)["pid"]
    fleet.run(leaver, f"kill {pid}")
    # Started while the old one still ends, it would be taken for running.
    wait(lambda: not Path(f"/proc/{pid}").exists(), "the old daemon's end")
    fleet.lab("start", leaver)
    settle(fleet)
