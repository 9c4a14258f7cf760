"""Keys, signatures and boxes: one spelling each, and no weak ones."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge import sealing
from edge.errors import TrustError
from tests.support import builders as a

SIGN = a.signing_key("someone")
OPEN = a.opening_key("someone")
L = 2**252 + 27742317777372353535851937790883648493  # order of the Ed25519 group
P = 2**255 - 19

# Points of low order on Curve25519 and their other spellings: cr.yp.to/ecdh.html.
LOW_ORDER = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
    P,
    P + 1,
]


@given(st.binary(max_size=200))
def test_text_carries_any_bytes(data):
    """Unpadded base64url, there and back."""
    assert sealing.from_text(sealing.to_text(data)) == data


@given(st.text(max_size=60))
def test_a_text_is_the_one_spelling_or_none(text):
    """Whatever is taken apart comes out the same when put together."""
    try:
        data = sealing.from_text(text)
    except ValueError:
        return
    assert sealing.to_text(data) == text


@pytest.mark.parametrize("text", ["AB", "A", "AA==", "A A", "AA\n", "++++", "é", "AAB"])
def test_other_spellings_are_refused(text):
    """Padding, white space, the other alphabet, spare bits that are not zero."""
    with pytest.raises(ValueError, match=r".+"):
        sealing.from_text(text)


@given(st.binary(max_size=300))
def test_a_signature_holds_for_its_message_and_key(message):
    """And for no other message."""
    signature = sealing.to_text(SIGN.sign(message))
    assert sealing.is_signed(SIGN.public, message, signature)
    assert not sealing.is_signed(SIGN.public, message + b"!", signature)
    assert not sealing.is_signed(a.STRANGER.public, message, signature)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "A" * 86, "A" * 200])
def test_what_is_no_signature_does_not_hold(signature):
    """And raises nothing."""
    assert not sealing.is_signed(SIGN.public, b"m", signature)


@pytest.mark.parametrize("public", ["", "A", "hint", "A" * 42 + "B", "é" * 43])
def test_what_is_no_key_signed_nothing(public):
    """A key id is whatever a sender wrote."""
    assert not sealing.is_signed(public, b"m", sealing.to_text(SIGN.sign(b"m")))


def test_a_signature_has_one_form():
    """S and S + L verify alike in careless libraries: another envelope, same words."""
    signature = SIGN.sign(b"m")
    second = int.from_bytes(signature[32:], "little") + L
    bent = signature[:32] + second.to_bytes(32, "little")
    assert not sealing.is_signed(SIGN.public, b"m", sealing.to_text(bent))


@pytest.mark.parametrize(
    "point", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]
)
def test_a_key_of_low_order_signs_nothing(point):
    """Under such a key a signature of zeros would hold for many messages."""
    for signature in (bytes(64), point + bytes(32)):
        text = sealing.to_text(signature)
        assert not sealing.is_signed(sealing.to_text(point), b"m", text)


@given(st.binary(max_size=300))
def test_a_box_is_opened_by_its_key_alone(content):
    """Every other key gets a named refusal."""
    box = sealing.seal(OPEN.public, content)
    assert OPEN.open(box) == content
    with pytest.raises(TrustError) as caught:
        a.opening_key("else").open(box)
    assert caught.value.reason == "not-sealed-to-us"


@pytest.mark.parametrize("box", [b"", b"short", bytes(48), bytes(1000)])
def test_what_is_no_box_is_a_named_refusal(box):
    """Too short for a box, or never sealed."""
    with pytest.raises(TrustError, match="cannot open"):
        OPEN.open(box)


@given(st.data())
def test_a_bent_box_does_not_open(data):
    """One byte anywhere."""
    box = bytearray(sealing.seal(OPEN.public, b"value"))
    place = data.draw(st.integers(0, len(box) - 1))
    box[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TrustError):
        OPEN.open(bytes(box))


@pytest.mark.parametrize("point", LOW_ORDER)
def test_nothing_is_sealed_to_a_key_of_low_order(point):
    """Everyone would know the shared secret; a member may carry any bytes as a key."""
    public = sealing.to_text(point.to_bytes(32, "little"))
    assert not sealing.can_seal(public)
    with pytest.raises(TrustError, match="cannot seal"):
        sealing.seal(public, b"value")


@pytest.mark.parametrize("public", ["", "A" * 42, "A" * 42 + "B", "AAAA", "é" * 43])
def test_nothing_is_sealed_to_what_is_no_key(public):
    """A typo is a refusal of ours, not a crash of libsodium's."""
    assert not sealing.can_seal(public)
    with pytest.raises(TrustError):
        sealing.seal(public, b"value")


def test_an_ordinary_key_can_seal():
    """The check refuses the weak ones only."""
    assert sealing.can_seal(OPEN.public)


def test_keys_follow_from_their_seed_and_hide_it():
    """The same seed gives the same key; printing one shows the public half."""
    assert a.signing_key("x").public == a.signing_key("x").public
    for key in (SIGN, OPEN):
        assert key.public in repr(key)
        assert sealing.to_text(key.seed) not in repr(key)
        assert repr(key.seed) not in repr(key)


@given(st.binary(min_size=32, max_size=32))
def test_the_public_half_for_an_exchange_is_x25519s(private):
    """The same as OpenSSL's."""
    other = X25519PrivateKey.from_private_bytes(private).public_key()
    exchanged = sealing.from_text(sealing.exchange_public(private))
    assert exchanged == other.public_bytes_raw()


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_private_key_of_another_length_is_refused(length):
    """Libsodium would read past the end of it."""
    with pytest.raises(ValueError, match="cannot use"):
        sealing.exchange_public(bytes(length))


@pytest.mark.parametrize(
    ("text", "verdict"), [("A" * 43, True), ("A" * 42 + "B", False), ("A", False)]
)
def test_what_is_spelled_like_a_key(text, verdict):
    """32 bytes, 43 digits, spare bits zero."""
    assert sealing.is_key(text) is verdict
