"""Who may read: an operator answers a challenge and gets a token for a while.

- A challenge carries its own expiry and proof (HMAC), so asking for a million of them
  costs the hub no memory. It is good once: answered ones are remembered until they end.
- The answer names the hub's key, so that no hub can pass it on to another, and is
  signed by an operator the trust document names now.
- A token is random, kept as a digest, and ends early when its operator leaves trust.

``now`` is seconds since the epoch; randomness comes as arguments.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from edge import documents, envelope, sealing
from edge.documents import Session
from edge.errors import WireError
from edge.trust import Ledger, Refused, authority

NONCE_FOR = 60.0
TOKEN_FOR = 900.0  # fifteen minutes; edgectl asks again without typing
TOKENS_MAX = 1024
RANDOM_BYTES = 16
EXPIRY_BYTES = 8
PROOF_BYTES = 16
NONCE_BYTES = RANDOM_BYTES + EXPIRY_BYTES + PROOF_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An operator's session."""

    key: str
    ends_at: float


@dataclass(slots=True, kw_only=True)
class Sessions:
    """Challenges that were answered, tokens that hold; ``secret`` is this start's."""

    secret: bytes = field(repr=False)
    hub: str
    """The hub's public key."""
    answered: dict[str, float] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)

    def challenge(self, random: bytes, now: float) -> str:
        """Return a nonce that is good for a minute, once."""
        expiry = int(now + NONCE_FOR).to_bytes(EXPIRY_BYTES)
        body = random[:RANDOM_BYTES] + expiry
        return sealing.to_text(body + self._proof(body))

    def open(
        self, data: bytes, token: str, ledger: Ledger, now: float
    ) -> Refused | None:
        """Let ``token`` read if ``data`` answers a challenge; return why not."""
        try:
            sealed = envelope.decode(data)
            signers = envelope.signers(sealed)
            document = documents.parse(sealed.payload_type, sealed.body)
        except WireError as error:
            return Refused(reason="malformed", problem=str(error))
        operators = authority.operators(ledger, signers, now)
        if isinstance(operators, Refused):
            return operators
        refused = self._refusal(document, ledger, now)
        if refused is None:
            self._remember(token, operators[0].key, now)
        return refused

    def reader(self, token: str, ledger: Ledger, now: float) -> Reader | None:
        """Return whose token this is, None when it does not hold."""
        reader = self.readers.get(_digest(token))
        if reader is None or reader.ends_at <= now or ledger.trust is None:
            return None
        is_operator = any(each.key == reader.key for each in ledger.trust.operators)
        return reader if is_operator else None

    def _refusal(
        self, document: documents.Document, ledger: Ledger, now: float
    ) -> Refused | None:
        if not isinstance(document, Session):
            return Refused(
                reason="wrong-kind", problem="it is no answer to a challenge"
            )
        if document.fleet != ledger.fleet:
            problem = f"it is for fleet {document.fleet!r}, this is {ledger.fleet!r}"
            return Refused(reason="wrong-fleet", problem=problem)
        if document.hub != self.hub:
            return Refused(reason="wrong-recipient", problem="it is for another hub")
        if not self._redeem(document.nonce, now):
            problem = "the challenge is not ours, too old, or was answered before"
            return Refused(reason="expired", problem=problem)
        return None

    def _redeem(self, nonce: str, now: float) -> bool:
        self.answered = {key: end for key, end in self.answered.items() if end > now}
        try:
            content = sealing.from_text(nonce)
        except ValueError:
            return False
        body, proof = content[:-PROOF_BYTES], content[-PROOF_BYTES:]
        is_ours = hmac.compare_digest(proof, self._proof(body))
        if len(content) != NONCE_BYTES or not is_ours or nonce in self.answered:
            return False
        ends_at = float(int.from_bytes(body[RANDOM_BYTES:]))
        self.answered[nonce] = ends_at
        return now < ends_at <= now + NONCE_FOR + 1.0

    def _remember(self, token: str, key: str, now: float) -> None:
        held = {key: each for key, each in self.readers.items() if each.ends_at > now}
        while len(held) >= TOKENS_MAX:
            del held[next(iter(held))]
        held[_digest(token)] = Reader(key=key, ends_at=now + TOKEN_FOR)
        self.readers = held

    def _proof(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, "sha256")[:PROOF_BYTES]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
