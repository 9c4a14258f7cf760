import pytest

from netmesh import wire
from netmesh.cipher import Cipher, ClearCipher, PairCipher
from netmesh.wire import Header
from tests.support.builders import Device
from tests.support.mesh_net import roster

N1, N2, N3 = (Device(f"n{n}") for n in (1, 2, 3))
SITE = roster((N1, N2, N3))


def pair(device: Device) -> PairCipher:
    """The real cipher of a device that knows the site."""
    made = PairCipher(device.mesh, device.sign)
    made.set_roster(SITE)
    return made


def header(device: Device, count: int = 0) -> bytes:
    """The header of one datagram."""
    made = Header(hint=wire.hint(device.id), session=b"session1", count=count)
    return wire.write_header(made)


def test_only_the_receiver_opens_what_the_sender_sealed():
    """Only the receiver opens what the sender sealed."""
    datagram = pair(N1).seal(N2.id, header(N1), b"hello")
    assert pair(N2).open(N1.id, datagram) == b"hello"
    assert pair(N3).open(N1.id, datagram) is None
    assert pair(N2).open(N3.id, datagram) is None


@pytest.mark.parametrize("place", [3, 12, 20, 25, -1])
def test_no_byte_of_it_can_be_changed(place):
    """Neither of the header nor of the box."""
    datagram = bytearray(pair(N1).seal(N2.id, header(N1), b"hello"))
    datagram[place] ^= 1
    assert pair(N2).open(N1.id, bytes(datagram)) is None


def test_a_device_outside_the_roster_can_neither_seal_nor_sign():
    """A device outside the roster can neither seal nor sign."""
    stranger = Device("n9")
    cipher = pair(N2)
    assert cipher.open(stranger.id, b"\0" * 100) is None
    signed = stranger.sign.sign(b"m")
    assert not cipher.is_signed(stranger.id, b"m", signed)


@pytest.mark.parametrize("made", [pair(N1), ClearCipher(N1.id)])
def test_signatures_name_their_device_and_message(made: Cipher):
    """Signatures name their device and message."""
    signed = made.sign(b"said")
    assert made.is_signed(N1.id, b"said", signed)
    assert not made.is_signed(N2.id, b"said", signed)
    assert not made.is_signed(N1.id, b"other", signed)


def test_the_clear_one_is_as_long_as_the_real_one():
    """The clear one is as long as the real one."""
    real = pair(N1).seal(N2.id, header(N1), b"hello")
    clear = ClearCipher(N1.id).seal(N2.id, header(N1), b"hello")
    other = ClearCipher(N2.id)
    other.set_roster(SITE)
    assert len(clear) == len(real)
    assert other.open(N1.id, clear) == b"hello"
    assert other.open("d-unknown", clear) is None
