"""The agent's memory: signs our documents for a while, and gives no seed back."""

import msgspec
import pytest

from edge import documents, envelope, sealing
from edge.ctl import keyring, keys
from edge.ctl.keyring import Add, Forget, Keyring, Open, Show, Sign
from tests.support import builders as a

SEEDS = a.seed("sign operator") + a.seed("open operator")
KEY = keys.from_seeds("operator", SEEDS).public


def ask(ring, request, now=0.0):
    """Return the answer to a request as it travels."""
    return ring.answer(msgspec.json.encode(request), now)


@pytest.fixture
def ring():
    """An agent that holds the operator's key for 100 s."""
    made = Keyring()
    ask(made, Add(name="operator", seeds=sealing.to_text(SEEDS), hold_for=100.0))
    return made


def message_of(document):
    """Return what signing a document signs."""
    kind = documents.payload_type(type(document))
    return envelope.pre_authentication(kind, documents.encode(document))


def test_a_document_is_signed(ring):
    """The signature is the key's own."""
    message = message_of(a.deployment())
    answer = ask(ring, Sign(key=KEY, message=sealing.to_text(message)))
    assert sealing.is_signed(KEY, message, answer.value)


@pytest.mark.parametrize(
    "message",
    [
        b"anything",
        b"DSSEv1 9 something 1 x",
        b"ssh DSSEv1 application/vnd.tutti.",
        b"DSSEv1 " + b"x" * 64 + b"application/vnd.tutti.deployment",
    ],
)
def test_nothing_else_is_signed(ring, message):
    """A program of the same user cannot use the key against another system."""
    answer = ask(ring, Sign(key=KEY, message=sealing.to_text(message)))
    assert answer.problem == "cannot sign: it is no document of ours"


def test_a_box_is_opened(ring):
    """Syncing secrets needs no passphrase either."""
    box = sealing.seal(a.OPERATOR_SEAL.public, b"hunter2")
    answer = ask(ring, Open(key=KEY, box=sealing.to_text(box)))
    assert sealing.from_text(answer.value) == b"hunter2"


def test_another_box_stays_closed(ring):
    """The agent answers with a sentence, it does not die."""
    box = sealing.seal(a.opening_key("stranger").public, b"hunter2")
    assert "cannot open" in ask(ring, Open(key=KEY, box=sealing.to_text(box))).problem


def test_a_key_is_dropped_when_its_time_is_up(ring):
    """Nobody signs from a laptop that was left on."""
    message = sealing.to_text(message_of(a.deployment()))
    assert ask(ring, Sign(key=KEY, message=message), now=99.0).value
    assert "not held" in ask(ring, Sign(key=KEY, message=message), now=100.0).problem
    assert ring.next_end is None


def test_forgetting_drops_every_key(ring):
    """`edgectl key lock` works at once."""
    ask(ring, Forget())
    assert ask(ring, Show()).keys == ()


def test_what_is_shown_holds_nothing_private(ring):
    """Name, public keys, time left."""
    shown = msgspec.json.encode(ask(ring, Show(), now=40.0))
    assert b'"left":60.0' in shown
    for half in (SEEDS[:32], SEEDS[32:]):
        assert sealing.to_text(half).encode() not in shown


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"type":"add","name":"x","seeds":"AA","hold_for":1}',
        b'{"type":"add","name":"x","seeds":"!","hold_for":1}',
        b'{"type":"add","name":"x","seeds":"","hold_for":1e9}',
        b'{"type":"sign","key":"x","message":""}',
        b'{"type":"show","extra":1}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_bad_request_is_answered_with_a_problem(ring, data):
    """The next one is answered as before."""
    assert ring.answer(data, 0.0).problem
    assert ask(ring, Show()).keys


def test_a_week_is_the_longest(ring):
    """A forgotten unlock ends."""
    add = Add(name="x", seeds=sealing.to_text(SEEDS), hold_for=keyring.HELD_MAX + 1)
    assert "cannot read the request" in ask(ring, add).problem
