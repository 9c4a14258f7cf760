"""A document on trial: what it says, who signed it, what is known, what time it is."""

import msgspec

from edge.documents import Document
from edge.trust.ledger import Ledger


class Claim(msgspec.Struct, frozen=True, kw_only=True):
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
    def is_settled(self) -> bool:
        """Return whether this very document was judged when it was new."""
        return self.is_replay or self.is_known

    @property
    def time(self) -> float:
        """Return the time to judge by: never before the floor (clocks say 1970)."""
        return max(self.now or 0.0, self.ledger.floor)

    @property
    def issued_at(self) -> float:
        """Return when root or an operator signed, by their clock; 0 for the others."""
        return float(getattr(self.document, "issued_at", 0.0))

    @property
    def judged_at(self) -> float | None:
        """Return the time keys must be valid at, None when that was judged before.

        A key cannot have signed after it expired, whatever our own clock says. That
        also bounds how far an operator's wrong clock can push the floor.
        """
        return None if self.is_settled else max(self.time, self.issued_at)
