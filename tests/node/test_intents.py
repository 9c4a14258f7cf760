"""What devices say of switches survives the wire, and nothing else becomes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmesh import wire
from node import intents, lease
from node.intents import Answer, Ask, Intent

LONG = "a" * 63
HUGE = 2**53 - 1
INTENT = Intent(fixed=1, down=2, ticket=HUGE)
MESSAGES = (Ask(LONG, HUGE, HUGE), Answer(LONG, HUGE, HUGE, 1024, 1024))


def test_intent_comes_back_from_the_wire() -> None:
    """What a neighbour reads is what was said, and fits a rumour."""
    body = intents.encode(INTENT)
    assert intents.decode(body) == INTENT
    assert len(body) <= intents.INTENT_MAX <= wire.RUMOUR_MAX
    assert len(intents.key(LONG)) <= wire.KEY_MAX


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_come_back_and_are_no_lease_messages(message: Ask | Answer) -> None:
    """Both kinds of mail arrive at one door."""
    body = intents.encode_message(message)
    assert intents.decode_message(body) == message
    assert len(body) <= intents.MESSAGE_MAX <= wire.BODY_MAX
    assert lease.decode(body) is None
    assert (
        intents.decode_message(lease.encode(lease.Released("web/web.1", 1, 1))) is None
    )


@given(st.binary(max_size=200))
def test_random_bytes_are_no_intent_or_a_small_one(body: bytes) -> None:
    """No bytes raise; ended rumours are empty."""
    found = intents.decode(body)
    assert found is None or found.down <= 1024
    intents.decode_message(body)
