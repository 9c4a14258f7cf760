"""Mesh datagrams: a header in clear, sealed MessagePack behind it, 1,200 bytes at most.

The header says whose it is (a hint, proven by the seal), in which of its sessions, and
the how manieth it is in there; it is the nonce of the seal, so no two datagrams share
one. Inside stands the session of the receiver it is meant for: what was recorded before
the receiver's last start opens no more. `docs/protocol.md` has the layout.
"""

import hashlib
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

VERSION = 1
DATAGRAM_MAX = 1200  # bytes: fits the smallest MTU of IPv6 with room to spare
HINT_BYTES, SESSION_BYTES = 8, 8
HEADER_BYTES = 1 + HINT_BYTES + SESSION_BYTES + 4
SEAL_BYTES = 16  # Poly1305
BODY_MAX = 600  # bytes of one message of whoever uses the mesh
INNER_MAX = 1000  # bytes of a datagram that a peer passes on inside another one
KEY_MAX = 160  # characters of a rumour's key
RUMOUR_MAX = 128  # bytes of a rumour's body
LISTED_MAX = 60  # feeds in one `Compare`

Hint = Annotated[bytes, Meta(min_length=HINT_BYTES, max_length=HINT_BYTES)]
Number = Annotated[int, Meta(ge=0, lt=2**32)]
Sequence = Annotated[int, Meta(ge=0, lt=2**62)]
Digest = Annotated[int, Meta(ge=0, lt=2**32)]


class Rumour(
    msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True
):
    """What a device says of itself under a key, signed by it; b"" ends it."""

    about: Hint
    key: Annotated[str, Meta(max_length=KEY_MAX)]
    sequence: Sequence
    body: Annotated[bytes, Meta(max_length=RUMOUR_MAX)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Suspicion(
    msgspec.Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True
):
    """The sender finds a device silent; stale once that has a higher incarnation."""

    about: Hint
    incarnation: Number


Gossip = Rumour | Suspicion


class Hello(
    msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True
):
    """Here is my session; answer with yours. The only one that needs no session."""


class Ping(
    msgspec.Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True
):
    """Answer with `Ack`, the same way back; more than once if you are suspected."""

    number: Number
    digest: Digest
    """Of all rumours the sender has."""
    is_suspect: bool = False


class Ack(
    msgspec.Struct, frozen=True, array_like=True, tag=3, forbid_unknown_fields=True
):
    """The answer to a `Ping`: sealed from target to prober, whoever passes it on."""

    number: Number
    digest: Digest


class Carry(
    msgspec.Struct, frozen=True, array_like=True, tag=4, forbid_unknown_fields=True
):
    """Pass a datagram on to a third device, which finds it in a `Carried`."""

    to: Hint
    datagram: Annotated[bytes, Meta(max_length=INNER_MAX)]


class Carried(
    msgspec.Struct, frozen=True, array_like=True, tag=5, forbid_unknown_fields=True
):
    """A datagram of a third device, passed on by the sender."""

    datagram: Annotated[bytes, Meta(max_length=INNER_MAX)]


class Tell(
    msgspec.Struct, frozen=True, array_like=True, tag=6, forbid_unknown_fields=True
):
    """A message for whoever uses the mesh."""

    body: Annotated[bytes, Meta(max_length=BODY_MAX)]


class News(
    msgspec.Struct, frozen=True, array_like=True, tag=7, forbid_unknown_fields=True
):
    """Nothing but the gossip beside it."""


class Compare(
    msgspec.Struct, frozen=True, array_like=True, tag=8, forbid_unknown_fields=True
):
    """What the sender has of each device; the answer is `News` where ours differs."""

    feeds: Annotated[tuple[tuple[Hint, Digest], ...], Meta(max_length=LISTED_MAX)]


Body = Hello | Ping | Ack | Carry | Carried | Tell | News | Compare


class Plain(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is sealed."""

    session: Annotated[bytes, Meta(max_length=SESSION_BYTES)]
    """The receiver's, b"" where the sender does not know it."""
    flags: Annotated[int, Meta(ge=0, le=255)]
    incarnation: Number
    body: Body
    gossip: Annotated[tuple[Gossip, ...], Meta(max_length=32)] = ()


class Header(msgspec.Struct, frozen=True):
    """Who sends, in which session, the how manieth datagram."""

    hint: bytes
    session: bytes
    count: int


HAS_HUB, IS_LEAVING, IS_RESTARTING = 1, 2, 4
"""Flags: the sender's own link to the hub is up; it goes; its daemon starts again."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Plain)
_rumours = msgspec.msgpack.Decoder(Rumour)


@lru_cache(maxsize=512)
def hint(device: str) -> bytes:
    """Return the 8 bytes that stand for a device id."""
    return hashlib.blake2b(device.encode(), digest_size=HINT_BYTES).digest()


def write_header(header: Header) -> bytes:
    """Return the bytes in clear."""
    count = header.count.to_bytes(4, "big")
    return bytes([VERSION]) + header.hint + header.session + count


def read_header(datagram: bytes) -> Header | None:
    """Return who claims to send it; None for what cannot be ours."""
    shortest = HEADER_BYTES + SEAL_BYTES
    if not shortest < len(datagram) <= DATAGRAM_MAX or datagram[0] != VERSION:
        return None
    middle, end = 1 + HINT_BYTES, HEADER_BYTES - 4
    return Header(
        hint=datagram[1:middle],
        session=datagram[middle:end],
        count=int.from_bytes(datagram[end:HEADER_BYTES], "big"),
    )


def encode(plain: Plain) -> bytes:
    """Return the bytes to be sealed."""
    return _encoder.encode(plain)


def decode(content: bytes) -> Plain | None:
    """Return what was sealed; None for what is no message of this version."""
    try:
        return _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def write_rumour(rumour: Rumour) -> bytes:
    """Return a rumour alone, as it is handed on outside the mesh."""
    return _encoder.encode(rumour)


def read_rumour(content: bytes) -> Rumour | None:
    """Return a rumour that came alone; None for what is none."""
    try:
        return _rumours.decode(content[:DATAGRAM_MAX])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def size(gossip: Gossip) -> int:
    """Return how many bytes it takes in a datagram."""
    return len(_encoder.encode(gossip))
