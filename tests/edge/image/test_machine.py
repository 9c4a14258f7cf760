"""The command that runs a device in QEMU."""

import pytest

from edge.image import machine
from edge.image.machine import Files, Hardware

STATE = Files(disk="/x/a,b.qcow2", variables="/x/v.fd", console="/x/c.log")


def hardware(**changes: object) -> Hardware:
    """A small device with a cable."""
    parts = {"architecture": "amd64", "serial": "s-1", "mac": "52:54:00:00:00:01"}
    return Hardware(**{**parts, **changes})


def test_a_guest_of_a_lab_is_plugged_in_to_its_tap():
    """And started where the tap is."""
    enter = ("nsenter", "--net=/run/netns/x")
    words = machine.command(hardware(tap="g1"), STATE, enter)
    assert words[: words.index("qemu-system-x86_64")][-2:] == list(enter)
    assert "tap,id=lan,ifname=g1,script=no,downscript=no" in words
    assert "virtio-net-pci,netdev=lan,mac=52:54:00:00:00:01,romfile=" in words


def test_without_a_lab_the_guest_has_a_network_of_its_own():
    """Where this machine is 10.0.2.2."""
    assert "user,id=lan" in machine.command(hardware(), STATE)


def test_the_guest_ends_with_whoever_started_it():
    """A killed test leaves no machine behind that nobody stops."""
    words = machine.command(hardware(), STATE)
    assert words[:3] == ["setpriv", "--pdeathsig", "KILL"]


def test_a_comma_in_a_path_is_no_option():
    """QEMU would take what follows for one."""
    joined = " ".join(machine.command(hardware(), STATE))
    assert "file=/x/a,,b.qcow2" in joined


def test_accelerators_are_tried_in_order():
    """KVM where there is one, software where there is none."""
    words = machine.command(hardware(accelerators=("kvm", "tcg")), STATE)
    at = words.index("-accel")
    assert words[at : at + 4] == ["-accel", "kvm", "-accel", "tcg"]


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_each_machine_has_a_watchdog_a_serial_and_half_a_gigabyte(architecture):
    """A small device, whatever it is made of."""
    words = machine.command(hardware(architecture=architecture), STATE)
    assert machine.PROGRAMS[architecture] in words
    assert words[words.index("-m") + 1] == "512"
    assert "i6300esb" in words
    assert any("serial=s-1" in each for each in words)
    assert f"file={machine.FIRMWARE[architecture]}" in " ".join(words)
