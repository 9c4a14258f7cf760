from random import Random

from edge import sealing
from edge.documents import Report
from edge.model import Neighbour
from hub import beats
from hub.beats import FRESH_FOR, Beat
from netmesh import wire
from netmesh.cipher import PairCipher
from netmesh.gossip import BEAT, Rumours
from tests.support import builders
from tests.support.builders import NOW, Device, enrolled, ledger_of, signed

N1, N2 = Device("n1"), Device("n2")
LEDGER = ledger_of(enrolled(N1, N2))


def signs_of(device: Device, count: int, *, by: Device | None = None) -> list[str]:
    """The first signs of life of a device, as neighbours pass them on."""
    signer = by or device
    own = Rumours(
        me=device.id,
        cipher=PairCipher(signer.mesh, signer.sign),
        sequence=Random(1).randrange(100),
    )
    rumours = (own.announce(BEAT, b"1") for _ in range(count))
    return [sealing.to_text(wire.write_rumour(each)) for each in rumours]


def passing_on(beat: str, of: Device = N2) -> Report:
    """A report of n1 with a sign of life of another."""
    said = Neighbour(device=of.id, name=of.name, state="alive", beat=beat)
    return builders.report(N1, neighbours=(said,))


def heard(*steps: tuple[str, float], ledger: object = LEDGER) -> dict[str, Beat]:
    """What the hub knows after reports at these times."""
    known: dict[str, Beat] = {}
    for beat, at in steps:
        known |= beats.hear(known, ledger, passing_on(beat), at)
    return known


def test_the_first_sign_of_life_proves_nothing_yet() -> None:
    """It may be a year old."""
    (first,) = signs_of(N2, 1)
    known = heard((first, NOW))
    assert not beats.is_fresh(known[N2.id], NOW)


def test_a_number_that_rose_proves_life_for_a_moment() -> None:
    """Nobody else can make the next one."""
    first, second = signs_of(N2, 2)
    known = heard((first, NOW), (second, NOW + 15))[N2.id]
    assert beats.is_fresh(known, NOW + 15 + FRESH_FOR)
    assert not beats.is_fresh(known, NOW + 16 + FRESH_FOR)


def test_an_old_sign_said_again_proves_nothing() -> None:
    """Neither the same one nor the one before."""
    first, second = signs_of(N2, 2)
    before = heard((first, NOW), (second, NOW + 15))
    for again in (first, second):
        assert beats.hear(before, LEDGER, passing_on(again), NOW + 90) == {}


def test_what_the_broker_kept_does_not_make_it_fresh() -> None:
    """Nobody knows when it was said."""
    first, second = signs_of(N2, 2)
    assert heard((first, NOW), (second, 0.0))[N2.id].at == 0.0


def test_only_the_device_itself_can_say_that_it_lives() -> None:
    """A neighbour that invents one is not believed; neither is one of a stranger."""
    (forged,) = signs_of(N2, 1, by=N1)
    (others,) = signs_of(N1, 1)
    assert heard((forged, NOW), (others, NOW), ("x", NOW), ("é", NOW)) == {}
    (strange,) = signs_of(Device("n9"), 1)
    told = passing_on(strange, Device("n9"))
    assert beats.hear({}, LEDGER, told, NOW) == {}


def test_a_revoked_device_has_no_signs_of_life() -> None:
    """It is no part of the fleet."""
    gone = signed(builders.revocation(devices=(N2.id,)))
    ledger = ledger_of((*enrolled(N1, N2), gone))
    assert heard((signs_of(N2, 1)[0], NOW), ledger=ledger) == {}


def test_nothing_is_fresh_of_whom_nothing_was_heard() -> None:
    """Most devices speak for themselves."""
    assert not beats.is_fresh(None, NOW)
