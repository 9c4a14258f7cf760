"""When to report because a neighbour is cut from the hub: its signs of life travel so.

Two devices of a site that reach the hub pass them on, the same two for everybody: a
hundred reports would say nothing more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from netmesh.view import View

RELAYS = 2
EVERY = 15.0
"""Seconds between reports for this alone; a sign of life is made every 10 s, and the
hub believes one for 45 s."""


@dataclass(slots=True, kw_only=True)
class Relay:
    """What was passed on last, and when; ``every`` as the uplink allows."""

    me: str
    every: float = EVERY
    _passed: Mapping[str, bytes] = field(default_factory=dict)
    _passed_at: float = float("-inf")

    def is_due(self, view: View, now: float) -> bool:
        """Return whether to report now, and take it for done."""
        beats = {
            device: each.beat
            for device, each in view.peers.items()
            if each.beat and not each.has_hub
        }
        is_early = now < self._passed_at + self.every
        if beats == self._passed or is_early or not self._is_ours(view):
            return False
        self._passed, self._passed_at = beats, now
        return bool(beats)

    def _is_ours(self, view: View) -> bool:
        able = [d for d, e in view.peers.items() if e.has_hub and e.state == "alive"]
        return self.me in sorted([*able, self.me])[:RELAYS]
