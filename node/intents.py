"""What devices of a site tell each other before one stops a copy to replace it.

An *intent* is a rumour, one for each deployment a device carries: how many of its
replicas cannot move, how many are down, and whether it waits to stop one more. `Ask`
and `Answer` go straight between two devices; `node.permits` says when.
MessagePack, as claims are: datagrams have 1,200 bytes.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.names import Counter, Name

PREFIX = "switch:"
"""Of a rumour's key, before the deployment's name; slots have a slash."""
INTENT_MAX = 32  # bytes of a body; a real one has about 10
MESSAGE_MAX = 128  # bytes; a deployment's name has at most 63
Few = Annotated[int, Meta(ge=0, le=1024)]


class _Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    fixed: Few
    down: Few
    ticket: Counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One device's word on its replicas of one deployment."""

    fixed: int = 0
    """Replicas it has that no neighbour can take over: with it they are gone."""
    down: int = 0
    """Replicas that are not healthy, or about to be stopped."""
    ticket: int = 0
    """Names one stretch of waiting to stop a copy; 0: it does not wait."""


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Asks what is down at a neighbour, and that it stays so for a moment."""

    deployment: Name
    ticket: Counter
    round: Counter
    """Given back with the answer."""


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """Promises that no more than ``taken`` replicas are stopped at the neighbour."""

    deployment: Name
    ticket: Counter
    round: Counter
    replicas: Few
    """How many it carries."""
    taken: Few


Message = Ask | Answer


def key(deployment: str) -> str:
    """Return the key of the rumour about a deployment."""
    return f"{PREFIX}{deployment}"


def encode(intent: Intent) -> bytes:
    """Return the body of the rumour."""
    return msgspec.msgpack.encode(_Body(intent.fixed, intent.down, intent.ticket))


def decode(body: bytes) -> Intent | None:
    """Return a peer's intent; None for an ended one and for what is none."""
    if not body or len(body) > INTENT_MAX:
        return None
    try:
        said = msgspec.msgpack.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return Intent(fixed=said.fixed, down=said.down, ticket=said.ticket)


def encode_message(message: Message) -> bytes:
    """Return a message's bytes."""
    return msgspec.msgpack.encode(message)


def decode_message(body: bytes) -> Message | None:
    """Return what a peer said, None for what is no such message."""
    if len(body) > MESSAGE_MAX:
        return None
    try:
        return msgspec.msgpack.decode(body, type=Message)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
