"""Documents to bytes and back: one payload type and one spelling for each kind."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from edge import envelope, model, sealing, spelling
from edge.documents.orders import (
    Control,
    Deployment,
    Node,
    Revocation,
    Secret,
    SecretValue,
    Session,
    Tombstone,
    Voters,
    Voucher,
)
from edge.documents.roots import Trust
from edge.documents.shape import Document
from edge.documents.voices import (
    Assignment,
    Beacon,
    CertificateRequest,
    Member,
    Plan,
    Report,
)
from edge.errors import WireError

RESERVED = ("config", "command", "claim", "grant")
"""Kinds that come with the features that need them, and are refused until then."""
_SHAPES: tuple[type[Document], ...] = (
    Trust,
    Deployment,
    Tombstone,
    Voucher,
    Member,
    Node,
    Secret,
    SecretValue,
    Revocation,
    Assignment,
    Beacon,
    Report,
    Session,
    CertificateRequest,
    Plan,
    Voters,
    Control,
)


def kind_of(shape: type[Document]) -> str:
    """Return the word for a kind of document: ``deployment``."""
    return str(shape.__struct_config__.tag)


def payload_type(shape: type[Document]) -> str:
    """Return the DSSE payload type: ``application/vnd.tutti.trust.v1+json``."""
    return f"{envelope.TYPE_PREFIX}{kind_of(shape)}.v1+json"


SHAPES: Mapping[str, type[Document]] = MappingProxyType(
    {payload_type(shape): shape for shape in _SHAPES}
)


def identity(part: model.Value) -> str:
    """Return ``sha256:<hex>`` of a part's one spelling."""
    spelling = msgspec.json.encode(part, order="deterministic")
    return f"sha256:{hashlib.sha256(spelling).hexdigest()}"


def parse(payload_type: str, body: bytes) -> Document:
    """Return the document in ``body``; raise `WireError` unless it is exactly regular.

    Call it only after the signature was checked.
    """
    shape = SHAPES.get(payload_type)
    if shape is None:
        raise WireError(f"cannot read {payload_type[:80]!r}: this version has no such")
    try:
        document = msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        said = envelope.excerpt(error)
        raise WireError(f"cannot read a {kind_of(shape)}: {said}") from error
    if encode(spelling.plain(document)) != body:
        raise WireError(f"cannot read a {kind_of(shape)}: not in its regular spelling")
    return document


def encode(document: Document) -> bytes:
    """Return the one spelling of a document's payload."""
    return msgspec.json.encode(document, order="deterministic")


def sign(document: Document, *keys: sealing.Signer) -> bytes:
    """Return the encoded envelope of ``document`` signed by each key.

    Raises `WireError` for a document that no reader would accept.
    """
    kind = payload_type(type(document))
    body = encode(_regular(document))
    parse(kind, body)
    return envelope.sign(kind, body, keys)


def _regular(document: Document) -> Document:
    """Return ``document`` as a reader would see it: 1 in a float field becomes 1.0."""
    try:
        shape = type(document)
        return spelling.plain(msgspec.json.decode(encode(document), type=shape))
    except msgspec.MsgspecError as error:
        raise WireError(f"cannot sign a {kind_of(type(document))}: {error}") from error
