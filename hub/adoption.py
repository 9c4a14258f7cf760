"""Who may adopt this hub, and with which chain of trust.

A hub belongs to nobody until the first bundle of trust documents it accepts. It must

- begin with a document whose root is the one given to ``edge-hub init --root``, or come
  with the one-time code that ``edge-hub init`` printed;
- be a chain: each version signed as `edge.trust` asks;
- end with a document that names this hub's own key and carries this hub's CA.

The code is gone once used. What is refused changes nothing.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge import documents, envelope
from edge.documents import Trust
from edge.errors import WireError
from edge.trust import Accepted, Ledger, Refused, judge
from edge.trust.ledger import fingerprint
from hub.state import ANCHOR, FLEET

ROOT, CODE = "root", "code"
"""Keys of the database's own values, written by ``edge-hub init``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an operator sends to a hub that belongs to nobody."""

    envelopes: Sequence[bytes]
    code: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """What this hub is: its key, its CA, and what ``init`` wrote down."""

    key: str
    ca: str
    """PEM."""
    meta: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The chain that counts from now on, and the values to keep with it."""

    ledger: Ledger
    chain: tuple[Accepted, ...]

    @property
    def meta(self) -> dict[str, str]:
        """Return what the database keeps; the code is used up."""
        return {FLEET: self.ledger.fleet, ANCHOR: self.ledger.anchor, CODE: ""}


def adopt(offer: Offer, hub: Hub) -> Adopted | Refused:
    """Return the beginning of the hub's life in a fleet, or why not."""
    first = _first(offer.envelopes)
    if isinstance(first, Refused):
        return first
    anchor = fingerprint(first.root)
    refused = _stranger(anchor, offer.code, hub.meta)
    if refused is not None:
        return refused
    ledger = Ledger(fleet=first.fleet, anchor=anchor, counts_uses=True)
    chain: list[Accepted] = []
    for data in offer.envelopes:
        verdict = judge(data, ledger, offer.now)
        if isinstance(verdict, Refused):
            return verdict
        if not isinstance(verdict, Accepted) or not isinstance(verdict.document, Trust):
            return _refused("a hub is adopted by trust documents alone")
        ledger.record(verdict)
        chain.append(verdict)
    return _names_us(ledger, hub) or Adopted(ledger=ledger, chain=tuple(chain))


def _first(envelopes: Sequence[bytes]) -> Trust | Refused:
    """Return the first document before anything is believed of it."""
    if not envelopes:
        return Refused(reason="malformed", problem="the bundle is empty")
    try:
        sealed = envelope.decode(envelopes[0])
        document = documents.parse(sealed.payload_type, sealed.body)
    except WireError as error:
        return Refused(reason="malformed", problem=str(error))
    if isinstance(document, Trust):
        return document
    return _refused("nobody has adopted this hub yet; run `edgectl hub adopt` first")


def _stranger(anchor: str, code: str, meta: Mapping[str, str]) -> Refused | None:
    if meta.get(ROOT):
        if anchor == meta[ROOT]:
            return None
        return _refused(f"its root is {anchor}, this hub waits for {meta[ROOT]}")
    kept = meta.get(CODE, "")
    if kept and hmac.compare_digest(kept.encode(), code.encode()):
        return None
    return _refused("the one-time code is wrong; `edge-hub status` shows it")


def _names_us(ledger: Ledger, hub: Hub) -> Refused | None:
    trust = ledger.trust
    if trust is None or all(each.key != hub.key for each in trust.hubs):
        return _refused(f"its newest trust document does not name this hub, {hub.key}")
    if trust.ca.strip() != hub.ca.strip():
        return _refused("its newest trust document does not carry this hub's CA")
    return None


def _refused(problem: str) -> Refused:
    sentence = f"cannot adopt this hub: {problem}"
    return Refused(reason="not-authorised", problem=sentence, kind="trust")
