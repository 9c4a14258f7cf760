"""One other device of the site, as the machine in `netmesh.membership` keeps it."""

import math
from dataclasses import dataclass, field

import msgspec

from netmesh import wire
from netmesh.evidence import Estimate, Trial, Via
from netmesh.sessions import Session
from netmesh.view import NEVER, Address, Path, Peer, RosterEntry, State

PLACES_MAX = 6  # addresses it had, by its own or the hub's word
HINTS_MAX = 4  # addresses that anybody may have said: they displace none of those
STALE_AFTER = 3.0  # seconds without a direct answer until another path is preferred
FIRST_PAUSE = 0.2  # seconds between greetings, doubled each time
REACHED = frozenset({"alive", "suspect"})


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A way to a device: its address, a neighbour that passes on, or the broker."""

    via: Via
    address: Address | None = None
    device: str = ""


BROKER = Route(via="broker")


@dataclass(slots=True, kw_only=True)
class Neighbour:
    """What is known of one device, and what is being found out."""

    entry: RosterEntry
    session: Session = field(default_factory=Session)
    estimate: Estimate = field(default_factory=Estimate)
    trial: Trial | None = None
    state: State = "unknown"
    since: float = NEVER
    reason: str = "not heard since we started"
    heard_at: float = NEVER
    answered_at: float = NEVER
    answered_directly_at: float = NEVER
    asked_directly_at: float = NEVER
    lost_at: float = NEVER
    path: Path = ""
    address: Address | None = None
    places: list[Address] = field(default_factory=list)
    hints: list[Address] = field(default_factory=list)
    other: Route | None = None
    """The way of the last answer that did not come directly."""
    flags: int = 0
    incarnation: int = 0
    greet_at: float = 0.0
    pause: float = FIRST_PAUSE
    greeted_back_at: float = NEVER
    accused_at: float = NEVER
    differs_since: float = math.inf
    compare_at: float = NEVER
    _direct: Route | None = None
    """The straight way that was asked for last."""

    @property
    def device(self) -> str:
        """Return its device id."""
        return self.entry.device

    @property
    def hint(self) -> bytes:
        """Return what stands for it in datagrams."""
        return wire.hint(self.entry.device)

    @property
    def is_met(self) -> bool:
        """Return whether we have a session with it."""
        return bool(self.session.theirs)

    @property
    def is_reached(self) -> bool:
        """Return whether it is there, as far as we know."""
        return self.state in REACHED

    @property
    def has_hub(self) -> bool:
        """Return whether its own link to the hub is up, by its word."""
        return bool(self.flags & wire.HAS_HUB)

    @property
    def direct(self) -> Route | None:
        """Return the straight way, None without any address."""
        address = self.address or next(iter(self.places or self.hints), None)
        if address is None:
            return None
        if self._direct is None or self._direct.address != address:
            self._direct = Route(via="direct", address=address)
        return self._direct

    @property
    def tries(self) -> tuple[Address, ...]:
        """Return every address worth a greeting, the likeliest first."""
        now = [self.address] if self.address else []
        return tuple(dict.fromkeys([*now, *self.places, *self.hints]))

    def route(self, now: float) -> Route | None:
        """Return the way that works, as far as we know."""
        is_stale = now - self.answered_directly_at > STALE_AFTER
        if self.other is not None and is_stale:
            return self.other
        return self.direct or self.other

    def add_place(self, address: Address) -> None:
        """Remember an address that is worth trying, the newest first."""
        if address in self.places:
            self.places.remove(address)
        self.places.insert(0, address)
        del self.places[PLACES_MAX:]

    def add_hint(self, address: Address) -> bool:
        """Remember what anybody may have said; return whether it is news."""
        if address in self.tries:
            return False
        self.hints.insert(0, address)
        del self.hints[HINTS_MAX:]
        return True

    def move(self, address: Address) -> None:
        """Take the address it sends from; keep the one before as a place to try."""
        if address != self.address:
            self.address = address
            self.add_place(address)

    def become(self, state: State, reason: str, now: float) -> bool:
        """Change state; return whether that is news."""
        if self.state == state:
            return False
        self.state, self.since, self.reason = state, now, reason
        return True

    def answer(self, route: Route, now: float) -> None:
        """Note an answer and the way it took."""
        self.answered_at = now
        if route.via == "direct":
            self.answered_directly_at = now
            self.other = None
        else:
            self.other = route

    def shown(self, beat: bytes) -> Peer:
        """Return it for whoever decides."""
        return Peer(
            device=self.device,
            name=self.entry.name,
            state=self.state,
            since=self.since,
            heard_at=self.heard_at,
            answered_at=self.answered_at,
            lost_at=self.lost_at,
            path=self.path,
            address=self.address,
            has_hub=self.has_hub,
            reason=self.reason,
            round_trip=self.estimate.trip,
            beat=beat,
        )
