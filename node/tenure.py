"""Who holds each movable slot, as far as this device knows: it survives power cuts.

The highest term wins, whoever says it: the hub in its plan and assignments, a neighbour
in its claims, this device when it takes over. What is remembered here is on disk before
it is acted on; so is what this device promised as a voter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from edge.errors import WireError
from edge.names import Counter, Seconds, Short, Slot, SlotName
from edge.trust.versions import JUMP_MAX

IN_A_ROW = 10.0
"""Seconds between two raised terms of one quarrel, at most."""
MEMORY_MAX = 1024 * 1024  # bytes; 1,024 slots are about 150 KiB


class Owner(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """Who holds a slot; ``original`` is whom it was taken from, "" for nobody."""

    device: Short
    term: Counter
    original: Short = ""


class Saved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """What is on disk of all this."""

    owners: dict[Slot, Owner] = {}
    promised: dict[SlotName, tuple[Counter, Short]] = {}
    """Slot → the highest term this device promised as a voter, and to whom."""
    longest: Seconds = 0.0
    """Seconds: the longest lease this device ever promised or heard of."""


def encode(saved: Saved) -> bytes:
    """Return the one spelling of what is kept."""
    return msgspec.json.encode(saved, order="deterministic")


def decode(content: bytes) -> Saved:
    """Return what was kept; raise `WireError` if it is damaged."""
    if len(content) > MEMORY_MAX:
        raise WireError(f"cannot read who holds what: larger than {MEMORY_MAX} bytes")
    try:
        return msgspec.json.decode(content, type=Saved)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireError(f"cannot read who holds what: {error}") from error


@dataclass(slots=True)
class Tenure:
    """The owners of all slots; ``since`` is when this device's own ones began."""

    owners: dict[Slot, Owner] = field(default_factory=dict)
    since: dict[Slot, float] = field(default_factory=dict)
    rivals: dict[Slot, set[str]] = field(default_factory=dict)
    """Devices that took a slot of ours when we did."""
    raised: dict[Slot, tuple[int, float]] = field(default_factory=dict)
    """How often we raised the term of a slot of ours in a row, and when last."""

    def copy(self) -> "Tenure":
        """Return what is known now, to go back to."""
        return Tenure(
            owners={**self.owners},
            since={**self.since},
            rivals={slot: {*found} for slot, found in self.rivals.items()},
            raised={**self.raised},
        )

    versions: dict[Slot, int] = field(default_factory=dict)
    """The revision each slot's holder said it runs, also after it is gone."""

    def had(
        self, slots: Iterable[Slot], planned: Mapping[Slot, int]
    ) -> dict[Slot, int]:
        """Return in which revision slots ran last; what was heard before a plan."""
        known = {
            slot: self.versions.get(slot) or planned.get(slot, 0) for slot in slots
        }
        return {slot: version for slot, version in known.items() if version}

    def term(self, slot: Slot) -> int:
        """Return the highest term known, 0 for a slot nobody ever held."""
        owner = self.owners.get(slot)
        return owner.term if owner else 0

    def holder(self, slot: Slot) -> str:
        """Return who holds a slot, "" for nobody."""
        owner = self.owners.get(slot)
        return owner.device if owner else ""

    def learn(self, slot: Slot, device: str, term: int) -> bool:
        """Take a higher term's word for who holds a slot; return whether it was."""
        if term <= self.term(slot) or not self.is_near(slot, term):
            return False
        before = self.owners.get(slot)
        original = before.original if before and before.device == device else ""
        self.owners[slot] = Owner(device=device, term=term, original=original)
        self._begin_anew(slot)
        return True

    def is_near(self, slot: Slot, term: int) -> bool:
        """Return whether a term may be true: each takeover takes but the next one.

        Otherwise one word of a liar's would use up the terms there are.
        """
        return term - self.term(slot) <= JUMP_MAX

    def take(self, slot: Slot, me: str, now: float) -> int:
        """Make a slot ours in the next term; return that term."""
        before = self.owners.get(slot)
        original = (before.original or before.device) if before else ""
        term = self.term(slot) + 1
        self.owners[slot] = Owner(
            device=me, term=term, original="" if original == me else original
        )
        self._begin_anew(slot)
        self.since[slot] = now
        return term

    def _begin_anew(self, slot: Slot) -> None:
        self.since.pop(slot, None)
        self.rivals.pop(slot, None)
        self.raised.pop(slot, None)

    def insist(self, slot: Slot, now: float) -> None:
        """Note that we keep a slot against others."""
        self.raised[slot] = (self.insisted(slot, now) + 1, now)

    def insisted(self, slot: Slot, now: float) -> int:
        """Return how often in a row we kept a slot against others."""
        count, last = self.raised.get(slot, (0, now))
        return count if now - last <= IN_A_ROW else 0

    def raise_term(self, slot: Slot, term: int) -> None:
        """Keep a slot that is ours, in a higher term."""
        held = self.owners[slot]
        self.owners[slot] = msgspec.structs.replace(held, term=term)

    def keep_only(self, slots: Iterable[Slot]) -> None:
        """Forget slots that no deployment has any more."""
        wanted = set(slots)
        for slot in [each for each in self.owners if each not in wanted]:
            del self.owners[slot]
            self.versions.pop(slot, None)
            self._begin_anew(slot)
