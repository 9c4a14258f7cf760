"""A site's mesh with the enemy on its cable: he records, bends, replays and floods.

He has every datagram that was ever sent, and the keys of a device that is no member.
Nothing of it makes anybody look dead or moved, nothing is believed, and each attempt
is counted under a name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from edge.sealing import to_text
from netmesh import wire
from netmesh.cipher import PairCipher
from netmesh.gossip import Rumours
from netmesh.membership import Settings
from netmesh.post import Send
from netmesh.view import Address, Roster
from netmesh.wire import Hello, News, Ping, Plain, Tell
from tests.adversary import attack
from tests.support import mesh_net
from tests.support.builders import Device
from tests.support.mesh_net import Net

PART = 1.0
NAMES = ("n1", "n2", "n3")
STRANGER = Device("n9")
ELSEWHERE: Address = ("10.6.6.6", 9)
AT_ONCE = 20
FLIGHT = 0.01  # seconds; whoever is faster than the cable needs no replay
REASONS = {"stranger", "forged", "flood", "other session", "replayed"}


@dataclass
class Enemy:
    """Whoever shares the cable."""

    net: Net
    rng: Random
    recorded: list[tuple[float, str, bytes]] = field(default_factory=list)
    """When, by whom, what."""
    kinds: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Listen from now on."""
        self.cipher = PairCipher(STRANGER.mesh, STRANGER.sign)
        self.cipher.set_roster(self._roster())
        self.net.tap = self._record

    def attack(self, count: int) -> None:
        """Send one attempt after the other, and let time pass."""
        for number in range(count):
            way = self.rng.choice(WAYS)
            self.kinds[way.__name__] = self.kinds.get(way.__name__, 0) + 1
            self.send(self.rng.choice(NAMES), way(self))
            if number % AT_ONCE == 0:
                self.net.run(0.05)

    def send(self, target: str, datagram: bytes) -> None:
        """Deliver a datagram; it is refused, and counted once."""
        machine = self.net.machines[target]
        before = machine.post.refused.total()
        source = self.rng.choice((ELSEWHERE, None))
        effects = machine.receive(datagram, source, self.net.now)
        assert machine.post.refused.total() == before + 1, "it was not counted"
        assert not [each for each in effects if isinstance(each, Send)][1:]
        self.net.act(target, effects)

    def noise(self) -> bytes:
        """Nothing anybody ever sent."""
        return self.rng.randbytes(self.rng.randrange(wire.DATAGRAM_MAX + 2))

    def headed(self) -> bytes:
        """Noise under the header of a member."""
        return self._some()[: wire.HEADER_BYTES] + self.noise()[:1000]

    def cut(self) -> bytes:
        """A datagram without its end."""
        data = self._some()
        return data[: self.rng.randrange(len(data))]

    def longer(self) -> bytes:
        """A datagram with something behind it."""
        return self._some() + self.noise()[:200] + b"."

    def flipped(self) -> bytes:
        """One to four bits of a datagram, changed."""
        data = bytearray(self._some())
        for place in self.rng.sample(range(len(data)), self.rng.randint(1, 4)):
            data[place] ^= 1 << self.rng.randrange(8)
        return bytes(data)

    def replayed(self) -> bytes:
        """A datagram as it was, to whomever."""
        return self._some()

    def spliced(self) -> bytes:
        """The header of one on the content of another."""
        one, other = self._some(), self._some()
        middle = self.rng.choice((1, 9, 17, wire.HEADER_BYTES))
        spliced = one[:middle] + other[middle:]
        return spliced if spliced != other else other + b"."

    def foreign(self) -> bytes:
        """Well sealed, with the wrong key, under his own name or a member's."""
        to = self.net.devices[self.rng.choice(NAMES)]
        who = self.rng.choice((STRANGER, *self.net.devices.values()))
        machine = self.net.machines[to.name]
        header = wire.Header(
            hint=wire.hint(who.id),
            session=self.rng.randbytes(wire.SESSION_BYTES),
            count=self.rng.randrange(2**32),
        )
        plain = Plain(machine.post.session, 0, 2**31, self._body(), self._gossip())
        sealed = wire.encode(plain)
        return self.cipher.seal(to.id, wire.write_header(header), sealed)

    def _body(self) -> wire.Body:
        return self.rng.choice((Hello(), News(), Ping(1, 2), Tell(b"evil")))

    def _gossip(self) -> tuple[wire.Gossip, ...]:
        rumours = Rumours(me=STRANGER.id, cipher=self.cipher, sequence=2**50)
        return (rumours.announce("web/web.1", b"evil"),)

    def _some(self) -> bytes:
        until = self.net.now - FLIGHT
        while True:
            at, _, data = self.rng.choice(self.recorded)
            if at < until:
                return data

    def _record(self, name: str, sent: Send) -> None:
        if sent.address != ELSEWHERE:  # an answer to him, which nobody else has seen
            self.recorded.append((self.net.now, name, sent.datagram))

    def _roster(self) -> Roster:
        return mesh_net.roster((STRANGER, *self.net.devices.values()))


WAYS: tuple[Callable[[Enemy], bytes], ...] = (
    Enemy.noise,
    Enemy.headed,
    Enemy.cut,
    Enemy.longer,
    Enemy.flipped,
    Enemy.replayed,
    Enemy.replayed,
    Enemy.spliced,
    Enemy.foreign,
)


def site(seed: int) -> Net:
    """Three devices with real keys that have met."""
    net = Net(count=3, seed=seed, is_sealed=True)
    net.run_until(net.is_whole, 30)
    return net


def settle(net: Net, enemy: Enemy) -> None:
    """Let honest things happen, a restart among them, so that there is much to bend."""
    net.say("n2", lambda machine: machine.announce("web/web.1", b"mine", net.now))
    net.say("n1", lambda machine: machine.tell(net.devices["n3"].id, b"hi", net.now))
    net.run(2)
    net.kill("n3")
    net.start("n3")
    net.run_until(net.is_whole, 30)
    net.say("n1", lambda machine: machine.tell(net.devices["n3"].id, b"ho", net.now))
    net.run(2)
    assert enemy.recorded


def demand(net: Net) -> None:
    """Everything is as if nobody had attacked."""
    assert net.deaths() == []
    assert net.is_whole()
    assert net.mail == {"n1": [], "n2": [], "n3": [("n1", b"ho")]}
    for of in NAMES:
        view = net.machines[of].view(net.now)
        for who in NAMES:
            if of != who:
                device = net.devices[who].id
                said = {"web/web.1": b"mine"} if who == "n2" else {}
                assert view.rumours[device] == said
                assert view.peers[device].address == mesh_net.address(who)
        assert set(net.machines[of].post.refused) <= REASONS


@pytest.mark.timeout(600)
def test_the_mesh_believes_only_its_members(seed):
    """Whatever arrives, in whatever order; a device that restarts included."""
    kinds: set[str] = set()
    for rng, count in attack.episodes(seed, "mesh", PART):
        net = site(rng.randrange(2**32))
        enemy = Enemy(net=net, rng=rng)
        settle(net, enemy)
        enemy.attack(count)
        net.run(2)
        demand(net)
        kinds |= enemy.kinds.keys()
    assert kinds == {way.__name__ for way in WAYS}


@pytest.mark.parametrize("rate", [200, 2000])
def test_a_flood_of_replays_makes_nobody_look_dead(seed, rate):
    """What is authentic but old costs its sender nothing of what it may send."""
    net = site(seed % 2**32)
    enemy = Enemy(net=net, rng=Random(seed))
    net.run(3)
    old = [data for at, who, data in enemy.recorded if who == "n2"]
    for _ in range(3 * rate):
        net.machines["n1"].receive(enemy.rng.choice(old), None, net.now)
        net.run(1 / rate)
    assert net.deaths() == []
    assert "suspect" not in {state for _, state in net.states["n1", "n2"]}


def test_no_number_of_false_hints_hides_a_device(seed):
    """Whoever answers for it on the LAN only adds places to try."""
    net = site(seed % 2**32)
    rng, n2 = Random(seed), net.devices["n2"].id
    net.kill("n2")
    net.kill("n3")
    net.kill("n1")
    net.start("n1")
    for _ in range(1000):
        place = (f"10.7.{rng.randrange(256)}.{rng.randrange(256)}", 8445)
        net.say("n1", lambda machine, at=place: machine.hint(n2, at, net.now))
    net.sent.clear()
    net.run(10)
    assert net.sent["n1"] < 20_000
    net.start("n2")
    net.machines["n2"].settings = Settings(greets=False)
    net.run_until(lambda: net.sees("n1", "n2") == "alive", 10)


def test_what_a_device_says_elsewhere_is_worth_nothing_here(seed):
    """Another fleet's device with the same name, and the keys of its own."""
    net = site(seed % 2**32)
    machine, twin = net.machines["n1"], Device("n2 of another fleet")
    cipher = PairCipher(twin.mesh, twin.sign)
    cipher.set_roster(mesh_net.roster((*net.devices.values(), twin)))
    header = wire.Header(
        hint=wire.hint(net.devices["n2"].id), session=b"12345678", count=1
    )
    plain = wire.encode(Plain(machine.post.session, 0, 0, Hello()))
    data = cipher.seal(net.devices["n1"].id, wire.write_header(header), plain)
    before = machine.view(0.0)
    assert machine.receive(data, ("10.6.6.6", 9), net.now) == []
    assert machine.post.refused["forged"] == 1
    assert machine.view(0.0) == before
    assert to_text(twin.mesh) not in repr(before)
