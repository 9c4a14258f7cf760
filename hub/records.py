"""What the hub's database keeps, as plain values; `hub.store` writes and reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge import documents
from edge.documents import Document
from edge.names import Slot
from edge.trust import Accepted
from hub.assignments import Holding
from hub.lineage import KEPT, spared_by
from hub.proofs import Evidence
from hub.registry import Issued
from hub.staging import Kept

HISTORY: Mapping[str, int] = {
    # The chain everything else is judged by, from its beginning.
    "trust": 0,
    "voucher": 0,
    "member": 0,
    # Enough to look back and to undo.
    "deployment": KEPT,
    "tombstone": KEPT,
    # What an operator aborted stays aborted, whatever was said after it.
    "control": 10,
}
"""Versions kept of each kind; 0 is all of them, a kind not named here keeps one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A signed document as it was accepted."""

    kind: str
    stream: str
    counter: tuple[int, ...]
    digest: str
    envelope: bytes = field(repr=False)
    at: float
    """When the hub took it in, in seconds since the epoch."""
    spares: int = 0
    """An older version of the stream that has to stay because of this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """The newest report of a device, with what outlives it."""

    device: str
    envelope: bytes = field(repr=False)
    facts: bytes
    """The last facts it told, as JSON; b"" for none."""
    instances: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was decided or refused; ``id`` is 0 until it is stored."""

    at: float
    kind: str
    subject: str
    text: str
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction writes: all of it, or nothing."""

    documents: tuple[Stored, ...] = ()
    holdings: Mapping[Slot, Holding] = field(default_factory=dict)
    certificates: tuple[Issued, ...] = ()
    reports: tuple[ReportRow, ...] = ()
    events: tuple[Event, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    rollouts: Mapping[str, Kept] = field(default_factory=dict)
    """By deployment."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """By deployment."""

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


def stored(accepted: Accepted, at: float) -> Stored:
    """Return an accepted document as the database keeps it."""
    return of(accepted.document, accepted.digest, accepted.envelope, at)


def of(document: Document, digest: str, envelope: bytes, at: float) -> Stored:
    """Return a document as the database keeps it."""
    return Stored(
        kind=documents.kind_of(type(document)),
        stream=document.stream,
        counter=document.counter,
        digest=digest,
        envelope=envelope,
        at=at,
        spares=spared_by(document),
    )
