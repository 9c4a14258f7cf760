"""What the mesh knows of a site at one moment: plain data for whoever decides.

Times are seconds of a clock that never jumps and that counts sleep (CLOCK_BOOTTIME);
`NEVER` stands for what did not happen yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

State = Literal["unknown", "alive", "suspect", "dead", "leaving"]
"""``unknown``: of the roster, not heard since we started."""
Path = Literal["direct", "peer", "broker", ""]
"""How a peer was last reached; "" when it was not."""
Address = tuple[str, int]
NEVER = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterEntry:
    """One member of a site: who it is, its keys, where it was last."""

    device: str
    name: str
    mesh: str
    """X25519 public key that datagrams are sealed with, base64url."""
    sign: str
    """Ed25519 public key that its rumours are signed with, base64url."""
    addresses: tuple[Address, ...] = ()
    """Where to try first; never proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Who belongs to a site, ourselves included, by device id."""

    site: str = ""
    members: Mapping[str, RosterEntry] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One other member as this device sees it."""

    device: str
    name: str
    state: State = "unknown"
    since: float = NEVER
    """When the state began."""
    heard_at: float = NEVER
    """When the newest datagram from it arrived, by whatever path."""
    answered_at: float = NEVER
    """When it last answered us: contact both ways."""
    lost_at: float = NEVER
    """When contact both ways was last missing for longer than a pause explains."""
    path: Path = ""
    address: Address | None = None
    has_hub: bool = False
    """Whether it says that its own link to the hub is up."""
    reason: str = ""
    """Why it is in that state, a few words for people."""
    round_trip: float = 0.0
    """Seconds, smoothed; 0.0 before the first answer."""
    beat: bytes = b""
    """Its newest signed sign of life, to be relayed to the hub; b"" for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The site at one moment; ``peers`` are all of the roster but ourselves."""

    at: float
    peers: Mapping[str, Peer] = field(default_factory=lambda: MappingProxyType({}))
    rumours: Mapping[str, Mapping[str, bytes]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Device id → key → body: the newest each peer announced, signed by it."""

    @property
    def reached(self) -> int:
        """Return how many peers answer, suspects included."""
        return sum(each.state in {"alive", "suspect"} for each in self.peers.values())
