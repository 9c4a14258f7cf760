from hypothesis import given
from hypothesis import strategies as st

from netmesh import gossip, wire
from netmesh.cipher import PairCipher
from netmesh.gossip import BEAT, KEYS_MAX, Rumours
from tests.support.builders import Device
from tests.support.mesh_net import roster

N1, N2, N3 = DEVICES = tuple(Device(f"n{n}") for n in (1, 2, 3))


def rumours(device: Device, sequence: int = 0) -> Rumours:
    """What a device of the site keeps."""
    cipher = PairCipher(device.mesh, device.sign)
    cipher.set_roster(roster(DEVICES))
    made = Rumours(me=device.id, cipher=cipher, sequence=sequence)
    made.set_devices(each.id for each in DEVICES)
    return made


def test_the_newest_wins_in_whatever_order_it_comes():
    """The newest wins in whatever order it comes."""
    n1 = rumours(N1)
    first, second = n1.announce("a/b.1", b"one"), n1.announce("a/b.1", b"two")
    n2 = rumours(N2)
    assert n2.receive(second, 0.0)
    assert not n2.receive(first, 0.0)
    assert not n2.receive(second, 0.0)
    assert n2.said_by(N1.id) == {"a/b.1": b"two"}
    assert n2.digest == n1.digest


def test_nobody_says_anything_in_anothers_name():
    """Nobody says anything in anothers name."""
    forged = rumours(N2).announce("a/b.1", b"lie")
    forged = wire.Rumour(
        wire.hint(N1.id), forged.key, forged.sequence, forged.body, forged.signature
    )
    n3 = rumours(N3)
    assert not n3.receive(forged, 0.0)
    assert n3.said_by(N1.id) == {}


def test_what_ended_is_said_no_more_and_does_not_come_back():
    """What ended is said no more and does not come back."""
    n1, n2 = rumours(N1), rumours(N2)
    said, ended = n1.announce("a/b.1", b"x"), n1.announce("a/b.1", b"")
    assert n2.receive(ended, 0.0)
    assert not n2.receive(said, 0.0)
    assert n2.said_by(N1.id) == {}


def test_an_older_life_of_ours_is_overruled():
    """The clock went back to 1970, neighbours remember higher numbers."""
    before = rumours(N1, sequence=1_000_000)
    old = [before.announce("a/b.1", b"old"), before.announce("c/d.1", b"gone")]
    n1, n2 = rumours(N1), rumours(N2)
    n1.announce("a/b.1", b"new")
    for number, each in enumerate(old):
        assert n2.receive(each, 0.0)
        n1.receive(each, 10.0 * number)
    for each in n1.of(N1.id):
        n2.receive(each, 0.0)
    assert n2.said_by(N1.id) == {"a/b.1": b"new"}


@given(st.integers(1, 400))
def test_what_a_device_says_is_bounded(count):
    """What a device says is bounded."""
    n1 = rumours(N1)
    for number in range(count):
        n1.announce(f"a/b.{number}", b"x" if number % 7 else b"")
        n1.announce(f"a/b.{number}", b"")
    n1.announce("a/b.9999", b"last")
    assert len(n1.feed(N1.id).rumours) <= KEYS_MAX
    assert n1.said_by(N1.id) == {"a/b.9999": b"last"}


def test_a_chatterbox_is_heard_so_often_a_second():
    """A chatterbox is heard so often a second."""
    n1, n2 = rumours(N1), rumours(N2)
    taken = sum(n2.receive(n1.announce("a/b.1", b"x"), 1.0) for _ in range(2000))
    assert taken <= gossip.RATE.burst
    assert n2.receive(n1.announce("a/b.1", b"x"), 2.0)


def test_news_rides_a_limited_number_of_times_and_fits():
    """News rides a limited number of times and fits."""
    n1 = rumours(N1)
    for number in range(40):
        n1.announce(f"a/b.{number}", b"x" * 30)
    assert n1.take(0) == ()
    rides = 0
    while batch := n1.take(420):
        assert sum(wire.size(each) for each in batch) <= 420
        rides += len(batch)
    assert rides == 40 * gossip.SENDS * len(n1.devices).bit_length()


def test_comparing_finds_what_differs_and_nothing_else():
    """Comparing finds what differs and nothing else."""
    n1, n2 = rumours(N1), rumours(N2)
    n1.announce("a/b.1", b"x")
    own = n2.announce("c/d.1", b"y")
    n1.receive(own, 0.0)
    listed = [each for page in n2.list_feeds() for each in page]
    assert [each.key for each in n1.differing(listed)] == ["a/b.1"]


def test_a_beat_proves_its_device_and_nothing_else_does():
    """A beat proves its device and nothing else does."""
    n1 = rumours(N1)
    beat = wire.write_rumour(n1.announce(BEAT, b"1"))
    other = wire.write_rumour(n1.announce("a/b.1", b"1"))
    assert gossip.verify_beat(beat, N1.id, N1.sign.public) == 1
    assert gossip.verify_beat(beat, N1.id, N2.sign.public) is None
    assert gossip.verify_beat(beat, N2.id, N1.sign.public) is None
    assert gossip.verify_beat(other, N1.id, N1.sign.public) is None
    assert gossip.verify_beat(beat[:-1], N1.id, N1.sign.public) is None
    assert n1.said_by(N1.id) == {"a/b.1": b"1"}


def test_beats_do_not_make_feeds_differ():
    """Otherwise every ten seconds everybody would compare."""
    n1, n2 = rumours(N1), rumours(N2)
    n1.announce(BEAT, b"1")
    assert n1.digest == n2.digest == 0
