"""What a device says of itself, from the texts the kernel writes."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.errors import RuntimeFailure
from edge.model import Port
from node import facts, hardware
from tests.support import builders as a

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000
   2: 0B005A0A:0016 0100005A:C350 01 00000000:00000000 00:00000000
"""
UDP = """  sl  local_address rem_address   st tx_queue rx_queue tr
   0: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000
   1: 00000000:C000 00000000:0000 07 00000000:00000000 00:00000000
"""


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm/v7"), ("mips", "mips")],
)
def test_architectures_are_spelled_as_images_spell_them(machine, expected):
    """An unknown one is told as it is."""
    assert facts.architecture(machine) == expected


def test_listening_sockets_are_taken_ports():
    """Not those on the loopback, nor connections."""
    assert facts.parse_sockets(TCP, facts.LISTEN) == {8080}


def test_udp_sockets_of_clients_are_not_taken_ports():
    """A resolver's question is not a server."""
    assert facts.parse_sockets(UDP, facts.UDP_BOUND) == {5353}


def test_meminfo_is_read_in_bytes():
    """It is written in KiB."""
    text = "MemTotal:  2 kB\nMemAvailable: 1 kB\nHugePages_Total:   0\n"
    assert facts.parse_meminfo(text)["MemTotal"] == 2048


def test_this_device_has_facts(tmp_path):
    """Whatever it is, it has memory, a processor and a disk."""
    found = facts.read(tmp_path)
    assert min(found.memory, found.cpus, found.disk) > 0
    assert found.architecture == facts.architecture()


def test_our_own_ports_are_not_told_as_taken(tmp_path):
    """They are ours to move."""
    taken = facts.read(tmp_path).ports
    again = facts.read(tmp_path, ours=taken).ports
    assert set(again).isdisjoint(taken)


def test_devices_are_the_kernel_s(tmp_path):
    """Which of them count: `tests/node/test_hardware.py`."""
    assert facts.read(tmp_path).devices == hardware.devices(Path("/"))


def test_a_store_that_is_not_there_is_a_temporary_failure():
    """It may be mounted later."""
    with pytest.raises(RuntimeFailure, match="/no/such"):
        facts.room(Path("/no/such"))


def test_a_port_is_told_with_its_protocol(tmp_path):
    """Both may be taken by different programs."""
    (tmp_path / "tcp").write_text(TCP)
    (tmp_path / "udp").write_text(UDP)
    assert facts.taken_ports(tmp_path, ()) == (
        Port(host=5353, container=5353, protocol="udp"),
        Port(host=8080, container=8080, protocol="tcp"),
    )


@pytest.mark.parametrize(("disk", "told"), [(95, 100), (105, 100), (80, 80)])
def test_free_disk_is_told_when_it_changed_by_a_tenth(disk, told):
    """A log that grows is no news."""
    before, now = (replace(a.facts(), disk=size) for size in (100, disk))
    assert facts.settled(before, now).disk == told


def test_a_port_that_was_taken_is_told():
    """It decides what may be placed here."""
    ports = (Port(host=80, container=80, protocol="tcp"),)
    now = replace(a.facts(), ports=ports)
    assert facts.settled(a.facts(), now).ports == ports
