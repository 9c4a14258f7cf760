"""The machine on real sockets, over loopback."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from netmesh.cipher import PairCipher
from netmesh.mesh import Ears, Mesh
from netmesh.view import Address, Roster, RosterEntry
from tests.support.builders import Device

DEVICES = tuple(Device(f"n{n}") for n in (1, 2, 3))


class Site:
    """Three devices of one machine, each with a port of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self.mail: list[tuple[str, str, bytes]] = []
        self.errors: list[str] = []
        self.meshes = {each.name: self.mesh(each, stack) for each in DEVICES}
        for each in self.meshes.values():
            each.set_roster(self.roster())

    def mesh(self, device: Device, stack: ExitStack) -> Mesh:
        """One device's mesh, started."""
        ears = Ears(
            on_message=lambda who, body: self.mail.append((device.name, who, body)),
            on_error=self.errors.append,
        )
        made = Mesh(
            device=device.id,
            cipher=PairCipher(device.mesh, device.sign),
            ears=ears,
            address=("127.0.0.1", 0),
        )
        made.start()
        stack.callback(made.stop)
        return made

    def roster(self) -> Roster:
        """Who is there, and where."""
        entries = [
            RosterEntry(
                device=each.id,
                name=each.name,
                mesh=each.keys.mesh,
                sign=each.sign.public,
                addresses=(self.meshes[each.name].address,),
            )
            for each in DEVICES
        ]
        return Roster(site="home", members={each.device: each for each in entries})

    def state(self, of: str, who: Device) -> str:
        """How one sees another."""
        peer = self.meshes[of].view.peers.get(who.id)
        return peer.state if peer else ""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that has met."""
    with ExitStack() as stack:
        made = Site(stack)
        for name in made.meshes:
            for device in DEVICES:
                if device.name != name:
                    wait(lambda n=name, d=device: made.state(n, d) == "alive")
        yield made
        assert made.errors == []


def wait(happens: Callable[[], bool], within: float = 10.0) -> None:
    """Until something is so."""
    end = time.monotonic() + within
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_device_that_ends_is_found_dead(site):
    """And the others stay alive."""
    site.meshes["n3"].stop()
    wait(lambda: site.state("n1", DEVICES[2]) == "dead")
    assert site.state("n1", DEVICES[1]) == "alive"


def test_a_device_that_starts_again_is_given_time(site):
    """Its daemon said so, and what runs there runs on."""
    site.meshes["n2"].restart()
    site.meshes["n2"].stop()
    site.meshes["n3"].stop()
    wait(lambda: site.state("n1", DEVICES[2]) == "dead")
    assert site.state("n1", DEVICES[1]) == "suspect"


def test_messages_and_claims_arrive(site):
    """From thread to thread."""
    site.meshes["n1"].tell(DEVICES[1].id, b"hello")
    site.meshes["n1"].announce("web/web.1", b"mine")
    wait(lambda: ("n2", DEVICES[0].id, b"hello") in site.mail)
    said = lambda: site.meshes["n3"].view.rumours[DEVICES[0].id]  # noqa: E731
    wait(lambda: said() == {"web/web.1": b"mine"})
    site.meshes["n1"].withdraw("web/web.1")
    wait(lambda: said() == {})
    assert site.mail == [("n2", DEVICES[0].id, b"hello")]


def test_rubbish_from_the_lan_changes_nothing(site):
    """A thousand datagrams that nobody sealed."""
    address: Address = site.meshes["n1"].address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rubbish:
        for number in range(1000):
            rubbish.sendto(bytes([1]) * (number + 1), address)
    site.meshes["n1"].tell(DEVICES[1].id, b"still here")
    wait(lambda: ("n2", DEVICES[0].id, b"still here") in site.mail)
    assert site.state("n1", DEVICES[1]) == "alive"


def test_a_machine_that_fails_starts_anew_and_knows_all(site):
    """A bug must not make a device look dead for good."""

    def fail(machine, now):
        raise RuntimeError("invented")

    site.meshes["n1"].announce("web/web.1", b"mine")
    site.meshes["n1"]._ask(fail)  # noqa: SLF001 - there is no other way to break it
    wait(lambda: bool(site.errors))
    assert "invented" in site.errors.pop()
    said = lambda: site.meshes["n2"].view.rumours[DEVICES[0].id]  # noqa: E731
    wait(lambda: said() == {"web/web.1": b"mine"})
    wait(lambda: site.state("n1", DEVICES[1]) == "alive")


def test_a_port_that_is_taken_is_an_error(site):
    """Said at the start, not found out when somebody dies."""
    taken = Mesh(
        device=DEVICES[0].id,
        cipher=PairCipher(DEVICES[0].mesh, DEVICES[0].sign),
        ears=Ears(),
        address=site.meshes["n1"].address,
    )
    with pytest.raises(OSError, match="in use"):
        taken.start()
