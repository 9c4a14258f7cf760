"""A document on trial: what it says, who signed it, what is known, what time it is."""

from dataclasses import dataclass

from edge.documents import Document
from edge.trust.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Everything a rule may look at; ``now`` is None on replay."""

    document: Document
    digest: str
    signers: frozenset[str]
    ledger: Ledger
    now: float | None

    @property
    def is_replay(self) -> bool:
        """Return whether this document was accepted before and is read back."""
        return self.now is None

    @property
    def is_known(self) -> bool:
        """Return whether exactly this document is the head of its stream."""
        head = self.ledger.head(self.document.stream)
        return head is not None and head.digest == self.digest

    @property
    def time(self) -> float:
        """Return the time to judge by: never before the floor (clocks say 1970)."""
        return max(self.now or 0.0, self.ledger.floor)
