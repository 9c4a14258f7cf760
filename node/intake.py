"""What arrives from the hub, judged document by document.

The broker and the hub may send anything, in any order, as often as they like. What
comes out are accepted documents for the store and refusals counted by name.
The ledger moves on in memory at once; the caller writes what was accepted before it
acts, and reloads the ledger from disk if writing fails.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge import documents, envelope
from edge.documents import Document
from edge.errors import WireError
from edge.trust import Accepted, Known, Ledger, Refused, Verdict, judge

WELCOME: tuple[type[Document], ...] = (
    documents.Trust,
    documents.Revocation,
    documents.Node,
    documents.Deployment,
    documents.Tombstone,
    documents.Secret,
    documents.Assignment,
    documents.Beacon,
)
"""Kinds a device takes from outside; the others it writes itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message's worth: what to store, what was held already, what was refused."""

    accepted: tuple[Accepted, ...] = ()
    known: tuple[Known, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(slots=True, kw_only=True)
class Intake:
    """The gate of one device; ``refusals`` counts by ``kind: reason``."""

    ledger: Ledger
    refusals: Counter[str] = field(default_factory=Counter)

    def receive(self, payload: bytes, now: float) -> Received:
        """Judge every document of a bundle; ``now`` in seconds since the epoch."""
        if not payload:
            return Received()  # a cleared retained topic
        try:
            envelopes = envelope.unbundle(payload)
        except WireError as error:
            return self._refuse(Refused(reason="malformed", problem=str(error)))
        verdicts = [self._judge(each, now) for each in envelopes]
        refused = _noteworthy(verdicts)
        for each in refused:
            self.count(each)
        return Received(
            accepted=tuple(each for each in verdicts if isinstance(each, Accepted)),
            known=tuple(each for each in verdicts if isinstance(each, Known)),
            refused=refused,
        )

    def count(self, refused: Refused) -> None:
        """Count a refusal that was decided elsewhere (`node.share`)."""
        self.refusals[f"{refused.kind or 'message'}: {refused.reason}"] += 1

    def _judge(self, data: bytes, now: float) -> Verdict:
        verdict = judge(data, self.ledger, now)
        if isinstance(verdict, Refused):
            return verdict
        if not isinstance(verdict.document, WELCOME):
            kind = documents.kind_of(type(verdict.document))
            problem = f"a device takes no {kind} from outside"
            return Refused(reason="wrong-kind", problem=problem, kind=kind)
        if isinstance(verdict, Accepted):
            self.ledger.record(verdict)
        return verdict

    def _refuse(self, refused: Refused) -> Received:
        self.count(refused)
        return Received(refused=(refused,))


def _noteworthy(verdicts: Iterable[Verdict]) -> tuple[Refused, ...]:
    """Return the refusals that mean something.

    The trust topic carries the whole recent chain, for devices that are behind; to one
    that has its end, the older links are no attack.
    """
    seen = tuple(verdicts)
    has_newest = any(
        not isinstance(each, Refused) and isinstance(each.document, documents.Trust)
        for each in seen
    )
    return tuple(
        each
        for each in seen
        if isinstance(each, Refused)
        and not (has_newest and (each.kind, each.reason) == ("trust", "rolled-back"))
    )
