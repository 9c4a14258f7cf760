"""Two devices run one slot and hear each other again: which copy stays?

The operator declared it for the workload. Every party computes the same answer from the
same claims, so nobody negotiates:

- ``keep_original``: whoever held the slot before it was taken over;
- ``keep_taker``: the highest term;
- ``keep_longest``: the copy that has run longest without a break, so that a partition
  restarts nothing that never stopped, and a device that rebooted lets the taker go on.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from edge.model import Rejoin

SAME = 2.0
"""Seconds of running time that count as the same: claims are a moment old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One of several that run a slot."""

    device: str
    term: int
    running_for: float
    """Seconds; 0.0 while it does not run yet."""


def winner(policy: Rejoin, contenders: Iterable[Contender], original: str) -> Contender:
    """Return whose copy stays; ``original`` held the slot before it was taken."""
    found = sorted(contenders, key=lambda each: each.device)
    if policy == "keep_original":
        for each in found:
            if each.device == original:
                return each
    by_term = max(found, key=lambda each: (each.term, _lot(each.device)))
    if policy != "keep_longest":
        return by_term
    longest = max(each.running_for for each in found)
    close = [each for each in found if each.running_for >= longest - SAME]
    return max(close, key=lambda each: (each.term, _lot(each.device)))


def drawn(contenders: Iterable[Contender]) -> Contender:
    """Return whose copy stays when both go by the rule and disagree.

    A disk that is an old one has forgotten whom the slot was taken from.
    """
    return max(contenders, key=lambda each: _lot(each.device))


def _lot(device: str) -> bytes:
    return hashlib.sha256(device.encode()).digest()
