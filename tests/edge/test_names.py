"""One alphabet for everything that is named, and what lies outside it on purpose."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import names
from edge.names import KeyText, Labels, Name, Seconds, SlotName

GOOD = ["a", "n1", "store-7", "0", "x" * 63, "a--b"]
BAD = ["", "-a", "a-", "A", "a.b", "a_b", "x" * 64, "a\n", "é", "a/b", "а"]  # noqa: RUF001


def fits(shape, text: str) -> bool:
    """Return whether the strict decoder takes ``text`` as this shape."""
    try:
        msgspec.convert(text, shape)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("text", GOOD)
def test_a_dns_label_is_a_name(text):
    """Names fit topics, certificates, containers and host names unescaped."""
    assert names.is_name(text)
    assert fits(Name, text)


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_no_name(text):
    """A line break at the end and a Cyrillic look-alike included."""
    assert not names.is_name(text)
    assert not fits(Name, text)


@given(st.text(max_size=70))
def test_the_decoder_and_is_name_agree(text):
    """There is one rule, written twice."""
    assert names.is_name(text) == fits(Name, text)


@pytest.mark.parametrize(
    "text", [names.HUB_IDENTITY, "view.wall", "operator:" + "A" * 43]
)
def test_the_hubs_and_operators_identities_are_no_names(text):
    """No device can ever be issued one of them."""
    assert not names.is_name(text)


@pytest.mark.parametrize(
    ("key", "value"), [("role", "sensor"), ("a/b.c", ""), ("a", "V1.2")]
)
def test_what_operators_may_label(key, value):
    """Keys may be grouped by dots and slashes, values may be empty."""
    assert names.is_label(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fact.arch", "arm64"),
        ("", "x"),
        ("A", "x"),
        ("a", "x y"),
        ("a", "é"),
        ("a", "-"),
    ],
)
def test_what_nobody_may_label(key, value):
    """Facts are the device's own; the rest would need escaping."""
    assert not names.is_label(key, value)


def test_slots_are_named_by_number_or_by_node():
    """The two kinds of slot, and what people call them."""
    assert names.numbered_slot("web", "app", 2) == "web/app.2"
    assert names.node_slot("sensor", "reader", "n1") == "sensor/reader@n1"
    assert names.replica_of(names.numbered_slot("web", "app", 2)) == "app.2"


@pytest.mark.parametrize("slot", ["web/app.2", "web/app@n1", "web/app.99999"])
def test_a_slot_is_taken_apart_as_it_was_made(slot):
    """`SLOT` and the decoder's `SlotName` take what the two makers make."""
    assert names.SLOT.fullmatch(slot)
    assert fits(SlotName, slot)


@pytest.mark.parametrize(
    "slot", ["web", "web/app", "web/app.0", "web/app.01", "web/app.2@n1", "web/a.2\n"]
)
def test_other_spellings_are_no_slot(slot):
    """Zero, leading zeros and both endings at once would be second names."""
    assert not names.SLOT.fullmatch(slot)
    assert not fits(SlotName, slot)


def test_a_key_has_one_spelling():
    """The last digit's two spare bits are zero: "B" would be a second "A"."""
    assert fits(KeyText, "A" * 43)
    assert not fits(KeyText, "A" * 42 + "B")
    assert not fits(KeyText, "A" * 44)
    assert not fits(KeyText, "A" * 42 + "+")


@pytest.mark.parametrize("seconds", [-1.0, 1e12])
def test_an_instant_is_after_1970_and_before_5138(seconds):
    """Nothing we ever add to an instant overflows."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(seconds, Seconds)


def test_labels_are_bounded():
    """A device cannot be handed a million of them."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({str(i): "" for i in range(65)}, Labels)
