"""Token buckets: so many at once, so many a second, for each sender.

The table itself is bounded: when it is full, whoever was silent longest is forgotten,
which is no worse than a full bucket. ``now`` is monotonic, in seconds.
"""

from dataclasses import dataclass, field

SENDERS_MAX = 4096
WAIT_MAX = 60.0
"""Seconds a long poll may wait; proxies cut longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much one sender may: ``burst`` at once, then ``per_second``."""

    burst: float
    per_second: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Buckets:
    """One bucket for each sender, all with the same rate."""

    rate: Rate
    buckets: dict[str, _Bucket] = field(default_factory=dict)

    def take(self, sender: str, now: float) -> bool:
        """Take one token; return whether there was one."""
        bucket = self.buckets.pop(sender, None) or _Bucket(self.rate.burst, now)
        gained = max(0.0, now - bucket.at) * self.rate.per_second
        bucket.tokens = min(self.rate.burst, bucket.tokens + gained)
        bucket.at = now
        self._keep(sender, bucket)
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def give_back(self, sender: str) -> None:
        """Return a token that was taken for something that turned out welcome."""
        bucket = self.buckets.get(sender)
        if bucket is not None:
            bucket.tokens = min(self.rate.burst, bucket.tokens + 1.0)

    def _keep(self, sender: str, bucket: _Bucket) -> None:
        """Put the sender last: the first in the table was silent longest."""
        if len(self.buckets) >= SENDERS_MAX:
            del self.buckets[next(iter(self.buckets))]
        self.buckets[sender] = bucket
