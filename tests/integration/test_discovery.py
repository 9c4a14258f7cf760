"""mDNS between two machines, each a network namespace, over one cable."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HUB, DEVICE = (f"tutti-mdns-{side}-{os.getpid()}" for side in ("hub", "dev"))
HUB_ADDRESS, DEVICE_ADDRESS = "10.231.77.1", "10.231.77.2"

ADVERTISE = """
import asyncio, sys
from netmesh import discovery

async def main():
    async with asyncio.TaskGroup() as group:
        for number in range(int(sys.argv[2])):
            group.create_task(discovery.advertise(discovery.Announcement(
                fleet=sys.argv[1], instance=f"i{number}", port=8443 + number)))

asyncio.run(main())
"""
FIND = """
import asyncio, resource, sys
from netmesh import discovery

print(*asyncio.run(discovery.find_hubs("shop", within=float(sys.argv[1]))))
print("zeroconf" in sys.modules)
"""


def ip(*words: str) -> None:
    """Run one ip command."""
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(scope="module", autouse=True)
def cable() -> Iterator[None]:
    """Two machines with one cable between them."""
    for namespace in (HUB, DEVICE):
        ip("netns", "add", namespace)
    try:
        ends = ("type", "veth", "peer", "name", "eth0", "netns", DEVICE)
        ip("-n", HUB, "link", "add", "eth0", *ends)
        for namespace, address in ((HUB, HUB_ADDRESS), (DEVICE, DEVICE_ADDRESS)):
            ip("-n", namespace, "link", "set", "lo", "up")
            ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-n", namespace, "link", "set", "eth0", "up")
        yield
    finally:
        for namespace in (HUB, DEVICE):
            ip("netns", "delete", namespace)


def inside(namespace: str, script: str, *arguments: str) -> list[str]:
    """The command that runs a script on a machine."""
    enter = ["nsenter", f"--net=/run/netns/{namespace}"]
    return [*enter, sys.executable, "-c", script, *arguments]


@contextmanager
def advertising(fleet: str, count: int = 1) -> Iterator[None]:
    """Hubs on the hub's machine."""
    process = subprocess.Popen(inside(HUB, ADVERTISE, fleet, str(count)), cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def found(within: float) -> tuple[list[str], str, float]:
    """What a device finds, whether it kept zeroconf, and how long it took."""
    began = time.monotonic()
    printed = subprocess.run(
        inside(DEVICE, FIND, str(within)),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    urls, kept = printed.splitlines()
    return urls.split(), kept, time.monotonic() - began


def test_a_device_finds_the_hub_of_its_fleet_and_keeps_nothing():
    """Not the one of the other fleet; and zeroconf is gone with its process."""
    with advertising("other"), advertising("shop"):
        urls, kept, took = found(15)
    assert urls == [f"https://{HUB_ADDRESS}:8443"]
    assert kept == "False"
    assert took < 15


def test_nobody_there_is_an_empty_answer():
    """After the time that was given."""
    urls, _, took = found(1)
    assert urls == []
    assert took < 12


def test_many_answers_are_bounded():
    """Forty hubs of one fleet are a lie; as many as the limit are looked at."""
    with advertising("shop", 40):
        time.sleep(4)  # all of them have announced themselves
        urls, _, _ = found(15)
    assert 16 < len(urls) <= 32  # a busy machine may not resolve all of them


def test_a_machine_without_a_network_is_no_error():
    """A board may start before its cable is plugged in."""
    ip("-n", DEVICE, "link", "set", "eth0", "down")
    try:
        assert found(1)[0] == []
    finally:
        ip("-n", DEVICE, "link", "set", "eth0", "up")
