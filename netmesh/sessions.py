"""Which datagrams of a device are fresh: its session, a window of counters, a rate.

A session is 8 random bytes, new with every start of a device. A datagram counts only if
it is meant for our own session, belongs to the sender's newest one, and was not seen
before. What is recorded on the wire is worth nothing later.
"""

from dataclasses import dataclass, field

from edge.bucket import Bucket, Rate

WINDOW = 64  # datagrams that may overtake each other (RFC 6479 calls it so)
PAST_MAX = 256  # sessions of a device that are over; none may come back
RATE = Rate(burst=300.0, per_second=150.0)
"""Datagrams of one device."""


@dataclass(slots=True)
class Session:
    """What we know of the other end's numbering."""

    theirs: bytes = b""
    """Their session, b"" before the first contact."""
    highest: int = -1
    seen: int = 0
    """A bit for each of the last `WINDOW` counters, the highest in bit 0."""
    past: list[bytes] = field(default_factory=list)
    bucket: Bucket = field(default_factory=lambda: Bucket(RATE))
    """What the device may still send: no more than it should."""

    def is_fresh(self, session: bytes, count: int) -> bool:
        """Return whether a datagram meant for us was not seen before; note it."""
        if session != self.theirs:
            if session in self.past:
                return False
            self._begin(session)
        return self._note(count)

    def _begin(self, session: bytes) -> None:
        if self.theirs:
            self.past = [*self.past, self.theirs][-PAST_MAX:]
        self.theirs, self.highest, self.seen = session, -1, 0

    def _note(self, count: int) -> bool:
        if count > self.highest:
            shift = min(count - self.highest, WINDOW)
            self.seen = ((self.seen << shift) | 1) & (2**WINDOW - 1)
            self.highest = count
            return True
        age = self.highest - count
        if age >= WINDOW or self.seen >> age & 1:
            return False
        self.seen |= 1 << age
        return True
