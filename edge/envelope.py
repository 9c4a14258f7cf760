"""DSSE envelopes: the exact bytes that were signed, their type, the signatures.

Rules, in this order, for every decoder: size cap, shape, signatures, and only then
the payload (`edge.documents.parse`). An envelope and its payload each have exactly one
spelling: bytes that do not come out again when encoded are refused. That one check
refuses duplicate keys, white space, explicit defaults and numbers written oddly; the
typed decoder refuses NaN, infinity, lone surrogates and nesting.

Key ids are the public keys themselves, as hints: who signed is decided by checking the
signature, whether that counts is decided in `edge.trust`.
Source: DSSE v1 (secure-systems-lab/dsse), protocol.md.
"""

import binascii
import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from edge import legible, sealing
from edge.errors import WireError

ENVELOPE_MAX = 512 * 1024  # twice the largest payload, in base64 and with signatures
PAYLOAD_MAX = 256 * 1024
SIGNATURES_MAX = 8  # bounds the work a forger can cause per envelope
BUNDLE_MAX = 1024 * 1024  # one MQTT message or one request
BUNDLE_COUNT_MAX = 512
BUNDLE_SIGNATURES_MAX = 1024
"""Two for each document, as a member has; checking them takes a small board a second,
and eight for each would take it four."""
TYPE_PREFIX = "application/vnd.tutti."
EXCERPT_MAX = 200  # characters of a peer's mistake that fit in a line of a log


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signature; ``keyid`` is the signer's public key, ``sig`` 64 bytes, base64."""

    keyid: str
    sig: str


class Envelope(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"payload_type": "payloadType"},
):
    """A payload with its type and signatures, as it travels."""

    payload_type: str
    payload: str
    signatures: tuple[Signature, ...]

    @property
    def body(self) -> bytes:
        """Return the exact bytes that were signed."""
        return sealing.from_text(self.payload)

    @property
    def digest(self) -> str:
        """Return the identity of the document: type and payload, not the signatures."""
        return digest(self.payload_type, self.body)


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: type and payload, each with its length (DSSE PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def digest(payload_type: str, payload: bytes) -> str:
    """Return ``sha256:<hex>`` of the signed bytes."""
    signed = pre_authentication(payload_type, payload)
    return f"sha256:{hashlib.sha256(signed).hexdigest()}"


def sign(payload_type: str, payload: bytes, keys: Sequence[sealing.Signer]) -> bytes:
    """Return the encoded envelope of ``payload`` signed with each key, in order."""
    signed = pre_authentication(payload_type, payload)
    signatures = tuple(
        Signature(keyid=key.public, sig=sealing.to_text(key.sign(signed)))
        for key in keys
    )
    return encode(
        Envelope(
            payload_type=payload_type,
            payload=sealing.to_text(payload),
            signatures=signatures,
        )
    )


def encode(envelope: Envelope) -> bytes:
    """Return the one spelling of ``envelope``."""
    return msgspec.json.encode(envelope)


def decode(data: bytes) -> Envelope:
    """Return the envelope in ``data``; raise `WireError` for anything irregular."""
    if len(data) > ENVELOPE_MAX:
        raise WireError(f"cannot read an envelope of {len(data)} bytes: too large")
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        regular = encode(envelope) == data and len(envelope.body) <= PAYLOAD_MAX
    except (msgspec.MsgspecError, binascii.Error, RecursionError, ValueError) as error:
        raise WireError(f"cannot read an envelope: {excerpt(error)}") from error
    if not regular or len(envelope.signatures) > SIGNATURES_MAX:
        raise WireError("cannot read an envelope: not in its one regular spelling")
    return envelope


def excerpt(error: Exception) -> str:
    """Return what is wrong, fit for a terminal: a peer may have chosen the words."""
    return legible.plain(str(error)[:EXCERPT_MAX])


def signers(envelope: Envelope) -> frozenset[str]:
    """Return the distinct public keys whose signatures hold."""
    signed = pre_authentication(envelope.payload_type, envelope.body)
    return frozenset(
        signature.keyid
        for signature in envelope.signatures
        if sealing.is_signed(signature.keyid, signed, signature.sig)
    )


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several envelopes that travel together; each is judged for itself."""

    documents: tuple[msgspec.Raw, ...]


def bundle(envelopes: Iterable[bytes]) -> bytes:
    """Return several encoded envelopes as one message, in their order."""
    raw = tuple(msgspec.Raw(each) for each in envelopes)
    return msgspec.json.encode(Bundle(documents=raw))


def unbundle(data: bytes) -> tuple[bytes, ...]:
    """Return the encoded envelopes in ``data``; raise `WireError` if it is too much."""
    if len(data) > BUNDLE_MAX:
        raise WireError(f"cannot read a bundle of {len(data)} bytes: too large")
    try:
        documents = msgspec.json.decode(data, type=Bundle).documents
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WireError(f"cannot read a bundle: {excerpt(error)}") from error
    if len(documents) > BUNDLE_COUNT_MAX:
        raise WireError(f"cannot read a bundle of {len(documents)} documents: too many")
    count = data.count(b'"sig"')
    if count > BUNDLE_SIGNATURES_MAX:
        raise WireError(f"cannot read a bundle of {count} signatures: too many")
    return tuple(bytes(each) for each in documents)
