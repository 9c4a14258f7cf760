"""Slots that something is being done to, until somebody looked at what came of it.

What a chain of actions has started is not seen before the next look: until then its
slot counts as busy, or its container would be taken for stopped, and the lease of a
``strict`` replica that runs be given back.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(slots=True)
class InFlight:
    """The book-keeping of chains, by slot."""

    busy: set[str] = field(default_factory=set)
    """A chain is at work."""
    _unseen: set[str] = field(default_factory=set)
    """A chain has ended since the last look began."""

    def begin(self, slot: str) -> None:
        """Note that a chain begins."""
        self.busy.add(slot)

    def end(self, slot: str) -> None:
        """Note that a chain has ended, well or not."""
        self._unseen.add(slot)
        self.busy.discard(slot)

    def look(self) -> AbstractSet[str]:
        """Return what a look that begins now will show."""
        return frozenset(self._unseen)

    def looked(self, shown: AbstractSet[str]) -> None:
        """Note that a look is over which had begun with ``shown``."""
        self._unseen -= shown

    def is_busy(self, slot: str) -> bool:
        """Return whether what runs in the slot is not known for certain."""
        return slot in self.busy or slot in self._unseen
