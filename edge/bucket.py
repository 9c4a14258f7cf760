"""A token bucket: so many at once, so many a second afterwards.

``now`` is monotonic, in seconds; a clock that goes back gives nothing.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much one sender may: ``burst`` at once, then ``per_second``."""

    burst: float
    per_second: float


@dataclass(slots=True)
class Bucket:
    """What one sender may still do; full at first."""

    rate: Rate
    tokens: float = field(init=False)
    filled_at: float = 0.0

    def __post_init__(self) -> None:
        """Fill it."""
        self.tokens = self.rate.burst

    def take(self, now: float) -> bool:
        """Take one token; return whether there was one."""
        gained = max(0.0, now - self.filled_at) * self.rate.per_second
        self.tokens = min(self.rate.burst, self.tokens + gained)
        self.filled_at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def give_back(self) -> None:
        """Return a token that was taken for something that turned out welcome."""
        self.tokens = min(self.rate.burst, self.tokens + 1.0)
