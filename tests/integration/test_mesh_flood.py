"""An enemy on a site's LAN who sends as much as he can: nobody dies of it.

He forges and replays the mesh's datagrams, and answers for everybody by mDNS, from the
host's own cable into the lab. Hub and broker are away: the site has nobody else to ask.
"""

import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from zeroconf import (  # type: ignore[attr-defined]
    DNSAddress,
    DNSOutgoing,
    DNSService,
    DNSText,
)

from netmesh import lookout, wire
from tests.bench import usage
from tests.support import labs, sites
from tests.support.labs import Lab, wait

NODES = ("n1", "n2", "n3")
PORT = 8445
SHOP = """
name = "shop"

[workload.shop]
image = "REGISTRY/web:1"
ports = ["8081:80"]
replicas = 1
failover = "available"
stop_after = "1s"
"""
COUNT = """
nft add table inet quiet
nft add chain inet quiet out "{ type filter hook output priority 0; }"
nft add rule inet quiet out udp sport 8445 counter
"""
QUIET_FOR = 10.0
PAYLOAD_MAX, HEADERS = 1000, 28  # bytes a second; of IP and UDP in a datagram
MEMORY_MAX = 45.0  # MiB, as if no other Python shared pages
FOR = 12.0  # seconds of attack
DATAGRAMS, RECORDS = 500, 170  # a second; a device may send 150, and 10,000 a minute
A, TXT, SRV, OURS, ANSWER = 1, 16, 33, 0x8001, 0x8400  # RFC 1035, RFC 6762
GROUP = ("224.0.0.251", 5353)
# Whatever passes this machine's cable on the mesh's port, for some seconds, in hex.
SNIFF = """
import socket, sys, time
cable = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
cable.settimeout(0.2)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    try:
        packet = cable.recv(4096)
    except TimeoutError:
        continue
    start = (packet[0] & 15) * 4
    if packet[9] == 17 and packet[start + 2 : start + 4] == (8445).to_bytes(2, "big"):
        print(packet[start + 8 :].hex())
"""
UNWANTED = {"dead", "takeover", "moved", "yielded"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices that see each other, and something that could move."""
    with labs.lab(tmp_path_factory.mktemp("flood"), "--nodes", "3") as lab:
        lab.edgectl("deploy", lab.manifest("shop", SHOP), "--yes")
        wait(lambda: sites.see_each_other(lab, NODES), "all see all")
        wait(lambda: all(terms(lab, each) for each in NODES), "all know the plan")
        lab.lab("cut", "hub")
        lab.lab("cut", "broker")
        yield lab


def terms(lab: Lab, node: str) -> dict[str, tuple[str, int]]:
    """Who holds what in which term, as a device knows it."""
    found = sites.slots(lab, node)
    return {slot: (each["holder"], each["term"]) for slot, each in found.items()}


def devices(lab: Lab) -> dict[str, str]:
    """Name → device id."""
    return {node: str(sites.status(lab, node)["device"]) for node in NODES}


def told(lab: Lab, node: str) -> list[tuple[str, str]]:
    """What of a device's log must not happen."""
    log = sites.events(lab, node)
    found = ((each["kind"], each["subject"]) for each in log)
    return [each for each in found if each[0] in UNWANTED]


def sniffed(lab: Lab, node: str) -> list[bytes]:
    """Genuine datagrams, seen on a device's cable."""
    lines = lab.run(node, f"python3 -c '{SNIFF}' 3").split()
    found = [bytes.fromhex(line) for line in lines]
    assert len(found) > 10
    return found


def forged(seen: list[bytes], rng: random.Random) -> bytes:
    """A datagram as an enemy makes it: noise, replayed, bent, or under a known name."""
    data = rng.choice(seen)
    match rng.randrange(4):
        case 0:
            return rng.randbytes(rng.randrange(1, 1300))
        case 1:
            return data[: wire.HEADER_BYTES] + rng.randbytes(200)
        case 2:
            place = rng.randrange(len(data))
            return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        case _:
            return data


def lie(who: str, rng: random.Random) -> list[bytes]:
    """Records that put a device somewhere else, or say that it went."""
    name, host = f"{who}.{lookout.SERVICE}", f"{who}.local."
    ttl = rng.choice((0, 120, 2**31 - 1))
    said = (b"fleet=" + rng.choice((b"shop", b"x" * 200)), b"device=" + who.encode())
    text = b"".join(bytes([len(each)]) + each for each in (*said, b"v=1", b"y" * 250))
    answer = DNSOutgoing(ANSWER)
    for record in (
        DNSService(name, SRV, OURS, ttl, 0, 0, PORT, host),
        DNSText(name, TXT, OURS, ttl, text),
        DNSAddress(host, A, OURS, ttl, bytes([10]) + rng.randbytes(3)),
    ):
        answer.add_answer_at_time(record, 0)
    return answer.packets()


@contextmanager
def attacking(once: Callable[[], None], rate: float) -> Iterator[list[int]]:
    """Do something so often a second meanwhile; it counts how often."""
    is_over, done = Event(), [0]

    def run() -> None:
        began = time.monotonic()
        while not is_over.is_set():
            while done[0] < (time.monotonic() - began) * rate:
                once()
                done[0] += 1
            time.sleep(0.005)

    thread = Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        is_over.set()
        thread.join()


@contextmanager
def cable(lab: Lab) -> Iterator[socket.socket]:
    """The enemy's socket, on the lab's LAN."""
    own = f"{lab.prefix}.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((own, 0))
        made.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own)
        )
        yield made


def payload(lab: Lab, node: str) -> int:
    """Bytes a device has said to its neighbours since it was counted."""
    listed = lab.run(node, "nft list table inet quiet")
    found = re.search(r"packets (\d+) bytes (\d+)", listed)
    assert found
    return int(found[2]) - HEADERS * int(found[1])


def test_a_quiet_site_costs_little(fleet):
    """Less than a kilobyte a second, and no process beside edge-node and its guard."""
    for node in NODES:
        fleet.run(node, COUNT)
    began, before = time.monotonic(), {node: payload(fleet, node) for node in NODES}
    time.sleep(QUIET_FOR)
    for node in NODES:
        said = payload(fleet, node) - before[node]
        assert said / (time.monotonic() - began) < PAYLOAD_MAX
        assert usage.named("netmesh.lookout", sites.status(fleet, node)["device"]) == (
            set()
        )
        ours = {sites.status(fleet, node)["pid"]}
        guard = usage.named("guard.sh", f"/run/tutti/{fleet.name}/{node}/")
        assert usage.memory(ours | guard).alone < MEMORY_MAX


def test_a_flood_of_datagrams_kills_nobody(fleet):
    """At one device, in its neighbours' names; the events are counted."""
    before = {node: (told(fleet, node), terms(fleet, node)) for node in NODES}
    seen, rng = sniffed(fleet, "n1"), random.Random(1)
    with cable(fleet) as out:
        target = (fleet.address("n1"), PORT)
        send = lambda: out.sendto(forged(seen, rng), target)  # noqa: E731
        with attacking(send, DATAGRAMS) as count:
            time.sleep(FOR)
    assert count[0] > FOR * DATAGRAMS / 2
    assert sites.see_each_other(fleet, NODES)
    assert before == {node: (told(fleet, node), terms(fleet, node)) for node in NODES}


def test_a_flood_of_names_hides_nobody(fleet):
    """While one is looked for, he answers for it, and for those who look."""
    ids, rng = devices(fleet), random.Random(2)
    idle = [node for node in NODES if not fleet.fetch(node, port=8081)]
    gone, *rest = (idle[0], *(node for node in NODES if node != idle[0]))
    fleet.run(gone, f"kill {sites.status(fleet, gone)['pid']}")
    wait(lambda: all(sites.peers(fleet, n)[gone] == "dead" for n in rest), "it is gone")
    before = {node: (told(fleet, node), terms(fleet, node)) for node in rest}
    with cable(fleet) as out:
        names = list(ids.values())
        send = lambda: [  # noqa: E731
            out.sendto(each, GROUP) for each in lie(rng.choice(names), rng)
        ]
        with attacking(send, RECORDS / 3) as count:
            time.sleep(FOR)
            assert before == {n: (told(fleet, n), terms(fleet, n)) for n in rest}
            fleet.lab("start", gone)
            wait(lambda: sites.see_each_other(fleet, NODES), "it is back", within=30)
    assert count[0] > FOR * RECORDS / 6
    assert before == {node: (told(fleet, node), terms(fleet, node)) for node in rest}
