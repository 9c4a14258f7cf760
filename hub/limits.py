"""Token buckets: so many at once, so many a second, for each sender.

The table itself is bounded: when it is full, whoever was silent longest is forgotten,
which is no worse than a full bucket. ``now`` is monotonic, in seconds.
"""

from dataclasses import dataclass, field

from edge.bucket import Bucket, Rate

SENDERS_MAX = 4096
WAIT_MAX = 60.0
"""Seconds a long poll may wait; proxies cut longer ones."""


@dataclass(slots=True)
class Buckets:
    """One bucket for each sender, all with the same rate."""

    rate: Rate
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, sender: str, now: float) -> bool:
        """Take one token; return whether there was one."""
        bucket = self.buckets.pop(sender, None) or Bucket(self.rate)
        self._keep(sender, bucket)
        return bucket.take(now)

    def give_back(self, sender: str) -> None:
        """Return a token that was taken for something that turned out welcome."""
        bucket = self.buckets.get(sender)
        if bucket is not None:
            bucket.give_back()

    def _keep(self, sender: str, bucket: Bucket) -> None:
        """Put the sender last: the first in the table was silent longest."""
        if len(self.buckets) >= SENDERS_MAX:
            del self.buckets[next(iter(self.buckets))]
        self.buckets[sender] = bucket
