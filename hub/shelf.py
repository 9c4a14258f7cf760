"""The newest envelope of every stream, in memory, as it was signed.

A mirror of the database for whoever has to send documents on: publishing a deploy
reads no disk. Trust documents are kept from the first to the last, because a device
that was away follows the chain; older versions of deployments, because there is a way
back to them. Nothing is judged here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge import envelope
from edge.documents import Deployment, Document, Secret, Tombstone, Trust
from edge.errors import WireError
from hub.lineage import Lineage, spared_by

COMMA = 1
FRAME = len(b'{"documents":[]}')
BUNDLE_BUDGET = envelope.BUNDLE_MAX - 8 * 1024
"""Bytes for a bundle; the rest is for the topic and MQTT's own header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stored envelope, with what its document says of itself."""

    stream: str
    counter: tuple[int, ...]
    digest: str
    envelope: bytes
    is_end: bool = False
    """Whether it is a tombstone."""
    fallback: int = 0
    """Of a deployment: the version to go back to, 0 for none."""

    @property
    def is_whole(self) -> bool:
        """Return whether the envelope holds what the digest says."""
        try:
            sealed = envelope.decode(self.envelope)
        except WireError:
            return False
        return envelope.digest(sealed.payload_type, sealed.body) == self.digest


@dataclass(slots=True)
class Shelf:
    """Stream → newest envelope; `put` is its only change."""

    newest: dict[str, Kept] = field(default_factory=dict)
    trust: list[Kept] = field(default_factory=list)
    """Every trust document, oldest first."""
    sealed: dict[str, set[str]] = field(default_factory=dict)
    """Recipient → streams of the secrets sealed to it."""
    lineage: Lineage = field(default_factory=Lineage)

    def put(self, document: Document, digest: str, data: bytes) -> Kept:
        """Keep a document that was accepted; it replaces the one before."""
        kept = Kept(
            stream=document.stream,
            counter=document.counter,
            digest=digest,
            envelope=data,
            is_end=isinstance(document, Tombstone),
            fallback=spared_by(document),
        )
        self.newest[document.stream] = kept
        if isinstance(document, Trust):
            self.trust.append(kept)
        if isinstance(document, Deployment | Tombstone):
            self.lineage.put(document, digest, data)
        if isinstance(document, Secret):
            self.sealed.setdefault(document.recipient, set()).add(document.stream)
        return kept

    def get(self, stream: str) -> Kept | None:
        """Return the newest of a stream."""
        return self.newest.get(stream)

    def way_back(self, kept: Kept) -> Kept | None:
        """Return the version that a deployment goes back to, if there is one here."""
        name = kept.stream.partition("/")[2]
        found = self.lineage.revision(name, kept.fallback)
        if found is None or not kept.fallback:
            return None
        return Kept(
            stream=kept.stream,
            counter=(kept.fallback,),
            digest=found.digest,
            envelope=found.envelope,
        )

    def trust_since(self, version: int) -> tuple[Kept, ...]:
        """Return trust documents newer than ``version``, oldest first, one bundle."""
        newer = (each for each in self.trust if each.counter > (version,))
        return fitting(newer)

    def newest_trust(self, count: int) -> tuple[Kept, ...]:
        """Return the last ``count`` trust documents that fit, oldest first."""
        return fitting(reversed(self.trust[-count:]))[::-1]

    def page(self, prefix: str, after: str) -> tuple[tuple[Kept, ...], str]:
        """Return one bundle of streams that begin so, and where to go on ("": end)."""
        streams = sorted(
            stream
            for stream in self.newest
            if stream.startswith(prefix) and stream > after
        )
        found = fitting(self.newest[stream] for stream in streams)
        return found, found[-1].stream if len(found) < len(streams) else ""


def fitting(
    candidates: Iterator[Kept], reserved: int = 0, count: int = 0
) -> tuple[Kept, ...]:
    """Return as many of the first candidates as go into one bundle.

    ``reserved`` bytes and ``count`` documents are left free for what comes after.
    """
    room = BUNDLE_BUDGET - FRAME - reserved
    found: list[Kept] = []
    for kept in candidates:
        room -= len(kept.envelope) + COMMA
        if room < 0 or len(found) + count >= envelope.BUNDLE_COUNT_MAX:
            break
        found.append(kept)
    return tuple(found)
