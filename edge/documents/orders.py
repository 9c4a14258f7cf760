"""What operators sign: what may run, who may join, what is secret, who is out."""

from typing import Annotated, Literal

from msgspec import Meta

from edge import model
from edge.documents.shape import (
    Box,
    Document,
    Id,
    Ids,
    Parent,
    Recipient,
    Scheduling,
    SecretName,
)
from edge.names import Counter, Digest, KeyText, Labels, Name, Seconds, Short
from edge.staging.shapes import Rollout


class Deployment(Document, frozen=True, tag="deployment"):
    """A manifest resolved, numbered and signed: what may run, and its limits."""

    name: Name
    version: Counter
    issued_at: Seconds
    workloads: Annotated[tuple[model.Workload, ...], Meta(min_length=1, max_length=64)]
    parent: Parent = ""
    scope: Short = ""
    rollout: Rollout | None = None
    """How it may replace the version before; None: everywhere at once, unwatched."""
    fallback: Counter = 0
    """The version to go back to, 0 for none."""

    @property
    def stream(self) -> str:
        """Return the deployment's own stream, shared with its tombstone."""
        return f"deployment/{self.name}"


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


class Control(Document, frozen=True, tag="control"):
    """The operator's word on a rollout under way; only the newest of a stream counts.

    ``promote`` takes the next step without waiting: the next wave, or the switch of a
    blue-green rollout. ``abort`` goes back to the fallback everywhere.
    """

    name: Name
    version: Counter
    """Of this word in its own stream."""
    target: Counter
    """The version of the deployment it is about; on another one it has no effect."""
    action: Literal["pause", "resume", "promote", "abort"]
    issued_at: Seconds
    wave: Counter = 0
    """Counted from 0: waves up to this one are open without proof. A promote names one,
    and the words after it carry it on, or who was away would be left behind."""
    scope: Short = ""

    @property
    def stream(self) -> str:
        """Return the stream of the operator's words on one deployment."""
        return f"control/{self.name}"


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


class Voters(Document, frozen=True, tag="voters"):
    """Whose grants make the lease of a ``strict`` replica at one site.

    A majority of them must agree. A next version adds or removes one voter at most, so
    that majorities of neighbouring versions overlap.
    """

    site: Name
    version: Counter
    voters: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=15)]
    issued_at: Seconds
    scope: Short = ""

    @property
    def stream(self) -> str:
        """Return the stream of the site."""
        return f"voters/{self.site}"


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


class Session(Document, frozen=True, tag="session"):
    """An operator answers the hub's challenge; good for reading, for one hub."""

    nonce: Short
    hub: KeyText
    """The hub's public key, so that one hub cannot pass it on to another."""
