"""What devices and the hub sign: who they are, how things are, where work goes."""

from typing import Annotated

from msgspec import Meta

from edge import model
from edge.documents.shape import Document, Id, SecretName, Subject
from edge.names import Counter, KeyText, Name, Seconds, Short, SlotName


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
    neighbours: Annotated[tuple[model.Neighbour, ...], Meta(max_length=100)] = ()
    """How it sees the other devices of its site."""
    failures: Annotated[tuple[model.Failure, ...], Meta(max_length=64)] = ()
    """Versions that are bad here, until something newer has proved itself."""

    @property
    def stream(self) -> str:
        """Return the stream of the device it comes from."""
        return f"report/{self.device}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return (boot, seq)."""
        return (self.boot, self.seq)


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


class SiteMember(model.Value, frozen=True):
    """One device of a site, as the hub knows it: what takers judge eligibility by.

    Who it is, and by which keys, its member document says; labels and scheduling that
    matter for what may run there, its node document or its voucher.
    """

    name: Name
    device: Id
    address: Short = ""
    """Where it was last, without a port; a hint."""
    facts: model.Facts | None = None
    """As last reported; ``ports`` hold those of replicas that never move as well."""
    reserved: model.Bytes = 0
    """Bytes of memory promised to replicas that never move."""
    sealed: Annotated[tuple[SecretName, ...], Meta(max_length=1024)] = ()
    """Secrets of movable deployments that are sealed to it."""
    member_version: Counter = 1
    node_version: Counter = 0
    """The documents this rests on: its member, and its node document, 0 for none."""


class PlanSlot(model.Value, frozen=True):
    """One movable slot: who holds it in which term, by the hub's latest knowledge."""

    slot: SlotName
    node: Name
    device: Id
    version: Counter
    term: Counter


class Plan(Document, frozen=True, tag="plan"):
    """The hub tells a site what its survivors need to take over for each other."""

    site: Name
    generation: Counter
    term: Counter
    seq: Counter
    members: Annotated[tuple[SiteMember, ...], Meta(max_length=100)] = ()
    slots: Annotated[tuple[PlanSlot, ...], Meta(max_length=1024)] = ()

    @property
    def stream(self) -> str:
        """Return the stream of the site."""
        return f"plan/{self.site}"

    @property
    def counter(self) -> tuple[int, ...]:
        """Return (generation, term, seq)."""
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
