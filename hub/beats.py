"""Signs of life that neighbours pass on: proof of a device the hub does not hear.

A sign of life is signed by its device and numbered, and has no time in it. That its
number rose, in a report the hub hears live, proves that the device was well since the
number before; the first one that is ever seen proves nothing yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge import sealing
from edge.documents import Report
from edge.trust import Ledger
from netmesh import gossip

FRESH_FOR = 45.0
"""Seconds: neighbours pass one on every 15 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The newest sign of life of a device; ``text`` is how it was spelled."""

    sequence: int
    text: str
    at: float = 0.0
    """When its number rose, by the hub's clock; 0.0 for never."""


def hear(
    beats: Mapping[str, Beat], ledger: Ledger, report: Report, at: float
) -> dict[str, Beat]:
    """Return what a report adds; ``at`` is 0.0 for one that may be old."""
    found: dict[str, Beat] = {}
    for each in report.neighbours:
        before = beats.get(each.device)
        if not each.beat or (before is not None and each.beat == before.text):
            continue
        sequence = _verified(ledger, each.device, each.beat)
        if sequence is None or (before is not None and sequence <= before.sequence):
            continue
        rose_at = at if before is not None else 0.0
        found[each.device] = Beat(sequence=sequence, text=each.beat, at=rose_at)
    return found


def is_fresh(beat: Beat | None, now: float) -> bool:
    """Return whether a device was well within the last moments."""
    return beat is not None and beat.at > 0.0 and now - beat.at <= FRESH_FOR


def _verified(ledger: Ledger, device: str, text: str) -> int | None:
    enrolled = ledger.members.get(device)
    if enrolled is None or ledger.is_revoked(device):
        return None
    try:
        beat = sealing.from_text(text)
    except ValueError:
        return None
    return gossip.verify_beat(beat, device, enrolled.member.keys.sign)
