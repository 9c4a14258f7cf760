"""A guest on the lab's switch gets the address that its MAC stands for."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import LabError
from edge.lab import guests, layout, network, processes, state
from edge.lab.substrate import Substrate
from tests.support.labs import subnet

NAME = "guesttest"
CLIENT = "asks"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Substrate]:
    """A lab of one node; `down` takes guests and their DHCP with it."""
    with subnet() as octet:
        places = layout.parse_places(1, None)
        made = layout.plan(NAME, f"10.{octet}.21.0/24", places, tmp_path)
        try:
            Substrate(made).up()
            yield Substrate(made)
        finally:
            Substrate(state.recover(NAME, tmp_path)).down()


def ask(lab: Substrate, mac: str) -> str:
    """Ask for an address from the node's namespace by a cable with this MAC."""
    inside = lab.lab.machine("n1").namespace
    network.batch(
        f"link add name {CLIENT} type veth peer name {CLIENT} netns {inside}",
        f"link set dev {CLIENT} master {network.BRIDGE} up",
        namespace=lab.lab.lan,
    )
    network.batch(
        f"link set dev {CLIENT} address {mac}",
        f"link set dev {CLIENT} up",
        namespace=inside,
    )
    told = lab.lab.run / "told.sh"
    told.write_text('#!/bin/sh\n[ "$1" != bound ] || echo "$ip/$mask via $router"\n')
    told.chmod(0o755)
    words = ("busybox", "udhcpc", "-i", CLIENT, "-n", "-q", "-f", "-s", str(told))
    asked = (*lab.enter("n1"), *words)
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_guest_gets_the_address_of_its_mac(lab: Substrate) -> None:
    """A second start of `attach` finds everything done; what is gone comes back."""
    cable = guests.attach(lab.lab, 2)
    assert guests.attach(lab.lab, 2) == cable
    assert network.links(lab.lab)[cable.tap]
    assert ask(lab, cable.mac) == f"{cable.address}/24 via {lab.lab.host_address}"
    server = processes.recall(lab.lab.processes / "dhcp")
    assert server is not None
    guests.set_link(lab.lab, 2, up=False)
    assert not network.links(lab.lab)[cable.tap]
    guests.detach(lab.lab, 2)
    guests.detach(lab.lab, 2)
    assert cable.tap not in network.links(lab.lab)
    Substrate(lab.lab).down()
    assert not processes.is_alive(server)


def test_guest_of_a_lab_that_is_not_up_says_so(tmp_path: Path) -> None:
    """There is no switch to plug it in; nor is there room for a hundred."""
    places = layout.parse_places(1, None)
    made = layout.plan("absent", "10.254.21.0/24", places, tmp_path)
    with pytest.raises(LabError, match="absent is not up"):
        guests.attach(made, 1)
    with pytest.raises(LabError, match="1 to 24"):
        guests.plan(made, 100)
