"""A device hands in what a hub lost: what it holds, in the order it was asked."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import envelope
from node import recovery
from tests.support import builders
from tests.support.builders import signed

WEB, SHOP = (signed(builders.deployment(name=name)) for name in ("web", "shop"))
HELD = {"deployment/web": (WEB,), "deployment/shop": (SHOP,)}


def handed(*streams: str) -> list[bytes]:
    """The envelopes of all messages."""
    found = recovery.bundles(streams, HELD, HELD.__getitem__)
    return [each for message in found for each in envelope.unbundle(message)]


def test_what_is_asked_for_and_held_is_handed_in():
    """In the order of the question, which is the order of judging."""
    assert handed("deployment/shop", "deployment/web") == [SHOP, WEB]


def test_what_is_not_held_is_left_out():
    """A stream becomes a file's name: only those that are known do."""
    assert handed("deployment/web", "deployment/till", "../heads") == [WEB]
    assert handed() == []


def test_much_is_several_messages():
    """Each of which the hub takes."""
    many = {f"deployment/w{n}": (WEB * 1,) for n in range(900)}
    messages = list(recovery.bundles(many, many, many.__getitem__))
    assert len(messages) > 1
    taken = [each for message in messages for each in envelope.unbundle(message)]
    assert taken == [WEB] * 900


@pytest.mark.parametrize(
    ("payload", "streams"),
    [
        (b'{"streams":["trust","node/d-1","trust"]}', ("trust", "node/d-1")),
        (b'{"streams":[]}', ()),
        (b"{}", ()),
        (b"", ()),
        (b'{"streams":"trust"}', ()),
        (b'{"streams":[1]}', ()),
        (b"[" * 10_000, ()),
    ],
)
def test_a_question_is_a_list_of_streams(payload, streams):
    """Anything else asks for nothing."""
    assert recovery.asked(payload) == streams


WORDS = st.lists(st.text(max_size=3) | st.integers() | st.none(), max_size=300)


@given(
    st.binary(max_size=200)
    | WORDS.map(lambda words: msgspec.json.encode({"streams": words}))
)
def test_no_question_breaks_it(payload):
    """Whoever may write at the broker may ask: for streams, each once, not too many."""
    streams = recovery.asked(payload)
    assert all(isinstance(each, str) for each in streams)
    assert len(streams) == len(set(streams)) <= recovery.STREAMS_MAX
