"""What failover is decided from, and what comes of it: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.documents import Voters
from edge.names import Slot
from edge.placement import NodeView
from netmesh.view import View
from node.claims import Claim
from node.lease import Lease, LeaseMessage
from node.succession import Movable


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One slot's container on this device."""

    is_running: bool = False
    """Whether a process runs, or a chain that may start one is in flight."""
    is_healthy: bool = False
    running_for: float = 0.0
    """Seconds without a break."""
    is_prepared: bool = False
    """Whether it could start at once: image and secrets are here."""
    version: int = 0
    """The revision that runs here, or would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything failover looks at, at one moment."""

    view: View
    movable: Mapping[Slot, Movable]
    """Every slot of this site, or offered to us, that may move."""
    nodes: Mapping[str, NodeView]
    """The site's devices as placement sees them, ourselves included, by device id."""
    listed: frozenset[str] = frozenset()
    """Devices that the hub's plan names, not revoked; some may be unknown here."""
    planned: Mapping[Slot, tuple[str, int]] = field(default_factory=dict)
    """Who holds each slot by the hub's plan: device, term."""
    versions: Mapping[Slot, int] = field(default_factory=dict)
    """The revision of each slot by the same plan."""
    has_plan: bool = False
    """Whether there is one; then what it does not name is no slot of this site."""
    offered: Mapping[Slot, int] = field(default_factory=dict)
    """Slots the hub assigned to us, with their terms."""
    own: Mapping[Slot, Own] = field(default_factory=dict)
    voters: Voters | None = None
    can_take: bool = True
    """Whether operators let this device take more: active and approved."""
    is_leaving: bool = False
    """Whether this device hands over what it can before it stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something for the event log."""

    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is ours, what must wait, what to say; nothing here was done yet."""

    places: Mapping[Slot, int] = field(default_factory=dict)
    """Slots that are ours, with their terms."""
    versions: Mapping[Slot, int] = field(default_factory=dict)
    """The revision each of these, and each standby, had at its holder; ours from before
    a takeover."""
    waits: Mapping[Slot, str] = field(default_factory=dict)
    """Ours, but not to be started yet, and why."""
    lapsed: frozenset[Slot] = frozenset()
    """Ours, and not to run a moment longer: the lease is over."""
    standby: tuple[Slot, ...] = ()
    """Held by others; their images should be here in time."""
    homeless: Mapping[Slot, str] = field(default_factory=dict)
    """Slots without a holder that nobody may take, and why."""
    claims: Mapping[Slot, Claim] = field(default_factory=dict)
    """What should be announced, slot by slot."""
    messages: tuple[tuple[str, LeaseMessage], ...] = ()
    leases: Mapping[Slot, Lease] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    wake_at: float | None = None
