"""Put documents on trial in one line, and change one thing about them."""

import random
from collections.abc import Iterable

from edge import trust
from edge.documents import Document
from edge.sealing import SigningKey
from edge.trust import Accepted, Ledger, Refused, Verdict
from tests.support import builders as a


def judged(
    document: Document, ledger: Ledger, *keys: SigningKey, now: float | None = a.NOW
) -> Verdict:
    """Return the verdict on a document, signed by ``keys`` or by who usually signs."""
    return trust.judge(a.signed(document, *keys), ledger, now)


def reason(
    document: Document, ledger: Ledger, *keys: SigningKey, now: float | None = a.NOW
) -> str:
    """Return the name a document is refused by, "accepted" or "known"."""
    verdict = judged(document, ledger, *keys, now=now)
    if isinstance(verdict, Refused):
        return verdict.reason
    return "accepted" if isinstance(verdict, Accepted) else "known"


def took(
    ledger: Ledger, document: Document, *keys: SigningKey, now: float | None = a.NOW
) -> Ledger:
    """Record a document that must be accepted, and return the ledger."""
    verdict = judged(document, ledger, *keys, now=now)
    assert isinstance(verdict, Accepted), verdict
    ledger.record(verdict)
    return ledger


def settled(
    ledger: Ledger, envelopes: Iterable[bytes], rng: random.Random | None = None
) -> Ledger:
    """Send everything in any order, again and again, until nothing changes."""
    everything, heads = list(envelopes), None
    while heads != ledger.heads:
        heads = dict(ledger.heads)
        if rng is not None:
            rng.shuffle(everything)
        for data in everything:
            verdict = trust.judge(data, ledger, a.NOW)
            if isinstance(verdict, Accepted):
                ledger.record(verdict)
    return ledger
