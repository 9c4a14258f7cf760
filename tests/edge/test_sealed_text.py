"""Text that goes through the hub and is read by operators alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import sealed_text, sealing
from edge.errors import TrustError
from edge.model import SealedText
from tests.support.builders import opening_key

ANNA, BERT, EVE = (opening_key(name) for name in ("anna", "bert", "eve"))


def sealed(text: str = "no such table") -> SealedText:
    """Return a text for two."""
    found = sealed_text.seal(text, (ANNA.public, BERT.public, ANNA.public))
    assert found is not None
    return found


@given(st.text(min_size=1, max_size=4096))
def test_each_reader_reads_it_and_nothing_of_it_shows(text):
    """Whatever a program prints."""
    found = sealed(text)
    assert {sealed_text.read(found, key.public, key) for key in (ANNA, BERT)} == {text}
    if len(text) > 3:
        assert text.encode() not in msgspec.json.encode(found)


def test_a_stranger_cannot_read_it():
    """Not with the key of a reader written over another's either."""
    found = sealed()
    with pytest.raises(TrustError, match="other operators"):
        sealed_text.read(found, EVE.public, EVE)
    swapped = msgspec.structs.replace(found, keys={EVE.public: found.keys[ANNA.public]})
    with pytest.raises(TrustError, match="not sealed to this key"):
        sealed_text.read(swapped, EVE.public, EVE)


def test_what_was_changed_on_the_way_is_refused():
    """By one letter, or by another spelling."""
    found = sealed()
    content = sealing.from_text(found.box)
    other = sealing.to_text(content[:-1] + bytes([content[-1] ^ 1]))
    for box in (other, "", "=!"):
        with pytest.raises(TrustError):
            sealed_text.read(msgspec.structs.replace(found, box=box), ANNA.public, ANNA)


def test_nothing_is_sealed_to_nobody():
    """Nor silence to anybody; and a key that keeps no secret is nobody's."""
    assert sealed_text.seal("", (ANNA.public,)) is None
    assert sealed_text.seal("text", ()) is None
    assert sealed_text.seal("text", (sealing.to_text(bytes(32)),)) is None


def test_the_longest_log_for_all_operators_fits_the_wire():
    """4 KiB for 64 of them."""
    readers = [opening_key(str(number)).public for number in range(64)]
    found = sealed_text.seal("x" * 4096, readers)
    again = msgspec.json.decode(msgspec.json.encode(found), type=SealedText)
    assert again == found
