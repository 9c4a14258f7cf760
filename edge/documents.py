"""Every kind of signed document: its shape, its payload type, its stream.

A kind's shape changes only by a new payload type (``…deployment.v2+json``); unknown
fields are refused, so a device never half-understands an order. Reserved kinds come
with the features that need them and are refused until then.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge import envelope, model, sealing, spelling
from edge.errors import WireError
from edge.names import (
    KEY_SPELLING,
    Counter,
    Digest,
    KeyText,
    Labels,
    Name,
    Seconds,
    Short,
    Text,
)

Scheduling = Literal["active", "cordoned", "drained"]
RESERVED = ("control", "config", "command", "plan", "claim", "grant")
PEM_MAX = 16 * 1024
Id = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,63}\Z")]
Recipient = Annotated[
    str, Meta(pattern=rf"\A([a-z0-9-]{{1,63}}|operator:{KEY_SPELLING})\Z")
]
SecretName = Annotated[
    str, Meta(pattern=r"\A[a-z0-9-]{1,63}/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
]
Parent = Annotated[str, Meta(pattern=r"\A(sha256:[0-9a-f]{64})?\Z")]
Box = Annotated[str, Meta(max_length=160 * 1024)]  # a 64 KiB secret, in base64 thrice
Ids = Annotated[tuple[Id, ...], Meta(max_length=10_000)]
Threshold = Annotated[int, Meta(ge=1, le=envelope.SIGNATURES_MAX // 2)]
"""Half of what an envelope holds: new root keys sign beside as many old ones."""
Subject = Annotated[
    str, Meta(pattern=r"\A(view\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
]


class Document(model.Value, frozen=True):
    """What every signed document carries: the fleet it belongs to."""

    fleet: Name

    @property
    def stream(self) -> str:
        """Return the name of the counter this document belongs to, "" for none."""
        return ""

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the document's place in its stream; larger is newer."""
        return ()


class KeySet(model.Value, frozen=True):
    """Public keys, and how many distinct ones must sign."""

    keys: Annotated[tuple[KeyText, ...], Meta(min_length=1, max_length=16)]
    threshold: Threshold = 1


class Scope(model.Value, frozen=True):
    """What an operator may touch; the empty scope is everything."""

    name: Short = ""
    sites: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    labels: Labels = {}


class Operator(model.Value, frozen=True):
    """A person who may say what runs: signing key, sealing key, scope, expiry."""

    name: Short
    key: KeyText
    seal: KeyText
    expires_at: Seconds
    scope: Scope = Scope()


class HubSite(model.Value, frozen=True):
    """A hub: its signing key, and where it and its broker are found."""

    key: KeyText
    url: Text
    broker: Text


class Trust(Document, frozen=True, tag="trust"):
    """Who may sign what; root signs it, and version N+1 carries N's keys too."""

    version: Counter
    issued_at: Seconds
    root: KeySet
    operators: Annotated[tuple[Operator, ...], Meta(max_length=64)]
    operator_threshold: Threshold = 1
    hubs: Annotated[tuple[HubSite, ...], Meta(max_length=16)] = ()
    hub_threshold: Threshold = 1
    generation: Counter = 1
    """Raised by root when a hub is restored; older hub documents then count nothing."""
    ca: Annotated[str, Meta(max_length=PEM_MAX)] = ""
    """PEM of the certificate authority for TLS."""

    @property
    def stream(self) -> str:
        """Return the one trust stream."""
        return "trust"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class Deployment(Document, frozen=True, tag="deployment"):
    """A manifest resolved, numbered and signed: what may run, and its limits."""

    name: Name
    version: Counter
    issued_at: Seconds
    workloads: Annotated[tuple[model.Workload, ...], Meta(min_length=1, max_length=64)]
    parent: Parent = ""
    scope: Short = ""

    @property
    def stream(self) -> str:
        """Return the deployment's own stream, shared with its tombstone."""
        return f"deployment/{self.name}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class Tombstone(Document, frozen=True, tag="tombstone"):
    """The end of a deployment; a later version may begin it again."""

    name: Name
    version: Counter
    issued_at: Seconds
    parent: Parent = ""
    scope: Short = ""

    @property
    def stream(self) -> str:
        """Return the stream of the deployment it ends."""
        return f"deployment/{self.name}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class Voucher(Document, frozen=True, tag="voucher"):
    """Lets the holder of a join key add devices, so many, in a window of time."""

    id: Id
    key: KeyText
    site: Name
    uses: Annotated[int, Meta(ge=1, le=1_000_000)]
    opens_at: Seconds
    closes_at: Seconds
    issued_at: Seconds
    labels: Labels = {}
    approve: bool = False
    """Whether its devices run nothing before an operator signs their node document."""
    scope: Short = ""
    """Whose devices they are: approving them in bulk goes no further."""

    @property
    def stream(self) -> str:
        """Return the voucher's own stream: one id, one content."""
        return f"voucher/{self.id}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return 1: a voucher never changes."""
        return (1,)


class DeviceKeys(model.Value, frozen=True):
    """A device's public keys, one for each use."""

    sign: KeyText
    seal: KeyText
    mesh: KeyText
    wireguard: KeyText
    tls: KeyText


class Member(Document, frozen=True, tag="member"):
    """A device says who it is; signed by the join key and by itself."""

    device: Id
    name: Name
    version: Counter
    voucher: Id
    keys: DeviceKeys

    @property
    def stream(self) -> str:
        """Return the device's own stream."""
        return f"member/{self.device}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class Node(Document, frozen=True, tag="node"):
    """What the operator says of a device: approved, its labels, its scheduling."""

    name: Name
    device: Id
    version: Counter
    member: Digest
    """Digest of the member document that was approved."""
    site: Name
    issued_at: Seconds
    labels: Labels = {}
    scheduling: Scheduling = "active"
    scope: Short = ""
    """Whose approval it is: secrets of other scopes are not sealed to the device."""

    @property
    def stream(self) -> str:
        """Return the device's own stream."""
        return f"node/{self.device}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class Secret(Document, frozen=True, tag="secret"):
    """A value sealed to one recipient; the box holds a signed `SecretValue`."""

    name: SecretName
    """``deployment/short-name``."""
    version: Counter
    recipient: Recipient
    """A device id, or ``operator:<public signing key>``."""
    box: Box
    issued_at: Seconds
    scope: Short = ""
    """The deployment's scope; with another one the secret cannot be opened."""

    @property
    def stream(self) -> str:
        """Return one stream for each secret and recipient."""
        return f"secret/{self.name}/{self.recipient}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class SecretValue(Document, frozen=True, tag="secret-value"):
    """What is inside the box: signed too, so that re-wrapping it is found out."""

    name: SecretName
    version: Counter
    recipient: Recipient
    value: Box
    """Base64url of the secret's bytes."""


class Revocation(Document, frozen=True, tag="revocation"):
    """Who is no longer trusted; each version holds all of the one before."""

    version: Counter
    issued_at: Seconds
    devices: Ids = ()
    vouchers: Ids = ()

    @property
    def stream(self) -> str:
        """Return the one revocation stream."""
        return "revocation"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the version."""
        return (self.version,)


class Assignment(Document, frozen=True, tag="assignment"):
    """The hub says which replicas one node should run."""

    node: Name
    device: Id
    generation: Counter
    term: Counter
    seq: Counter
    replicas: Annotated[tuple[model.ReplicaPlace, ...], Meta(max_length=1024)] = ()

    @property
    def stream(self) -> str:
        """Return the stream of the node it is for."""
        return f"assignment/{self.device}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return (generation, term, seq): root's generation outranks any hub."""
        return (self.generation, self.term, self.seq)


class Beacon(Document, frozen=True, tag="beacon"):
    """The hub says that what it published is still what it means."""

    generation: Counter
    term: Counter
    seq: Counter
    at: Seconds
    """Seconds since the epoch by the hub's clock: shown, never believed."""

    @property
    def stream(self) -> str:
        """Return the one beacon stream."""
        return "beacon"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return (generation, term, seq)."""
        return (self.generation, self.term, self.seq)


class Report(Document, frozen=True, tag="report"):
    """A node says what it runs, what it holds and what it is."""

    node: Name
    device: Id
    boot: Counter
    seq: Counter
    instance: Short
    """Random per start of the daemon: tells a clone from a restart."""
    address: Short = ""
    facts: model.Facts | None = None
    replicas: Annotated[tuple[model.ReplicaStatus, ...], Meta(max_length=1024)] = ()
    held: Annotated[tuple[model.Held, ...], Meta(max_length=2048)] = ()
    schemas: Annotated[tuple[Short, ...], Meta(max_length=64)] = ()
    """Payload types this node accepts."""

    @property
    def stream(self) -> str:
        """Return the stream of the device it comes from."""
        return f"report/{self.device}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return (boot, seq)."""
        return (self.boot, self.seq)


class Session(Document, frozen=True, tag="session"):
    """An operator answers the hub's challenge; good for reading, for one hub."""

    nonce: Short
    hub: KeyText
    """The hub's public key, so that one hub cannot pass it on to another."""


class CertificateRequest(Document, frozen=True, tag="certificate-request"):
    """Asks the hub's CA for a client certificate for a TLS key.

    A device signs it to renew its own, however late; an operator signs it to let a
    dashboard read telemetry.
    """

    subject: Subject
    """A node's name, or ``view.`` and a name for a dashboard."""
    key: KeyText
    """Raw Ed25519 public key, base64url."""
    serial: Counter
    """Rises with each request, so that an old one cannot bring back an old key."""

    @property
    def stream(self) -> str:
        """Return the stream of the subject."""
        return f"certificate/{self.subject}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the serial."""
        return (self.serial,)


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
