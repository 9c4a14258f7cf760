"""Leases for ``strict`` replicas: who may run one, until when. Two pure machines.

A `Voter` promises a slot to one device at a time; a `Holder` collects such promises and
may run the replica while a majority of the operator's voters stands by them.

- A round's lease counts from the moment its requests were *sent*, a promise from the
  moment the request *arrived*: the holder's time is over first, whatever the network
  did in between. Clocks are never compared, only lengths of time.
- A voter promises nothing to another device while a promise stands, nothing at all for
  one lease after it lost its memory (a reboot), and never a lower term than before.
- Nor for a slot that the hub's newest plan does not name, for another site may have it
  by now; but whoever it was promised to last goes on. The hub takes nothing away.
- A request made by an older version of the voters is refused; a voter that takes up a
  newer one abstains for one lease. With one change at a time, any two majorities that
  can be collected at the same time overlap.

Messages are MessagePack arrays, sealed pairwise by the mesh.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.names import Counter, Short, Slot

MARGIN = 1.5
"""Seconds between the guard's SIGKILL and the end of the lease: a kill takes up to the
guard's 0.5 s of sleep, the rest is the kernel's."""
RENEW_AFTER = 0.25
"""Of a lease: three more rounds fit before the guard strikes."""
ASK_AGAIN = 0.5
"""Seconds until an unanswered request is sent again."""
DENIED_AGAIN = 1.0
"""Seconds until a request that was denied is tried again."""
SOON = 0.02
"""Seconds after the end of a promise that a request arrives: clocks run unevenly."""
LEASE_MIN, LEASE_MAX = 3.0, 3600.0
MESSAGE_MAX = 512  # bytes

Why = Literal[
    "held", "abstaining", "older-term", "older-voters", "no-voter", "not-planned"
]
SlotText = Annotated[str, Meta(max_length=160)]


class Request(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Asks for a promise; ``round`` is given back with the answer."""

    slot: SlotText
    term: Counter
    lease: Annotated[float, Meta(ge=LEASE_MIN, le=LEASE_MAX)]
    voters: Counter
    """The version of the voters the asker counts by."""
    round: Counter


class Granted(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """A promise for as long as was asked, from the moment the request arrived."""

    slot: SlotText
    term: Counter
    round: Counter


class Denied(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """No promise, and why; ``device`` and ``term`` say who stands in the way.

    ``left`` are the seconds until it would be promised, 0.0 where nobody can say.
    """

    slot: SlotText
    term: Counter
    round: Counter
    why: Short
    device: Short = ""
    left: Annotated[float, Meta(ge=0, le=LEASE_MAX)] = 0.0


class Released(msgspec.Struct, frozen=True, array_like=True, tag="x"):
    """The asker needs the promises of this round and earlier ones no more.

    The round keeps one that arrives late from undoing a newer promise.
    """

    slot: SlotText
    term: Counter
    round: Counter


LeaseMessage = Request | Granted | Denied | Released


def encode(message: LeaseMessage) -> bytes:
    """Return a message's bytes."""
    return msgspec.msgpack.encode(message)


def decode(body: bytes) -> LeaseMessage | None:
    """Return what a peer said, None for what is no such message."""
    if len(body) > MESSAGE_MAX:
        return None
    try:
        return msgspec.msgpack.decode(body, type=LeaseMessage)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a voter promised: the slot is ``device``'s in this term until then."""

    device: str
    term: int
    until: float
    round: int = 0


@dataclass(slots=True, kw_only=True)
class Voter:
    """One device's promises. What is in it must be written before an answer leaves.

    ``terms`` survives reboots: the highest term ever promised for each slot, and to
    whom. ``promises`` may be kept in memory that a reboot clears; then the new start
    `abstains`.
    """

    me: str
    version: int = 0
    """Of the voters document; 0: none is held."""
    voters: frozenset[str] = frozenset()
    planned: frozenset[str] | None = None
    """The slots of this site by the hub's newest plan; None: there is no plan."""
    longest: float = 0.0
    """Seconds: the longest lease ever promised or heard of; survives reboots."""
    terms: dict[str, tuple[int, str]] = field(default_factory=dict)
    promises: dict[str, Promise] = field(default_factory=dict)
    forgot_at: float = float("-inf")
    """When this voter lost its memory, or began to count by other voters."""

    def abstain(self, now: float) -> None:
        """Promise nothing new for one lease: what was promised before is unknown."""
        self.forgot_at = max(self.forgot_at, now)

    def take_up(self, version: int, voters: Iterable[str], now: float) -> None:
        """Count by a newer version of the voters from now on."""
        if version <= self.version:
            return
        if version > 1:
            self.abstain(now)
        self.version, self.voters = version, frozenset(voters)

    def receive(self, message: Request, device: str, now: float) -> Granted | Denied:
        """Judge a request of ``device``."""
        why, other = self._objection(message, device, now)
        if why:
            known = self.terms.get(message.slot, (0, ""))
            term = other.term if other else known[0]
            who = other.device if other else known[1]
            left = self._left(message, why, other, now)
            return Denied(message.slot, term, message.round, why, who, left)
        self._promise(message, device, now)
        return Granted(message.slot, message.term, message.round)

    def _left(
        self, message: Request, why: Why, other: Promise | None, now: float
    ) -> float:
        """Return how long a refusal will stand, as far as this voter knows."""
        if other is not None:
            return min(other.until - now, LEASE_MAX)
        if why != "abstaining":
            return 0.0
        return min(self.forgot_at + max(self.longest, message.lease) - now, LEASE_MAX)

    def _promise(self, message: Request, device: str, now: float) -> None:
        """Promise the slot; a request that arrives late takes nothing back."""
        held = self.promises.get(message.slot)
        if held is None or held.device != device:
            held = Promise(device=device, term=0, until=now)
        self.terms[message.slot] = (message.term, device)
        self.longest = max(self.longest, message.lease)
        self.promises[message.slot] = Promise(
            device=device,
            term=message.term,
            until=max(held.until, now + message.lease),
            round=max(held.round, message.round) if held.until > now else message.round,
        )

    def release(self, message: Released, device: str) -> None:
        """Take a promise back that its holder needs no more."""
        held = self.promises.get(message.slot)
        if held is None or held.device != device:
            return
        if held.round <= message.round and held.term <= message.term:
            del self.promises[message.slot]

    def forget(self, slots: Iterable[str]) -> None:
        """Forget slots that no deployment has any more."""
        for slot in set(slots):
            self.promises.pop(slot, None)
            self.terms.pop(slot, None)

    def _objection(
        self, message: Request, device: str, now: float
    ) -> tuple[Why | None, Promise | None]:
        if self.me not in self.voters:
            return "no-voter", None
        if message.voters < self.version:
            return "older-voters", None
        held = self.promises.get(message.slot)
        if held is not None and held.until <= now:
            held = None
        if held is not None and held.device != device:
            return "held", held
        why = self._bar(message, device)
        if why is not None:
            return why, None
        # A disk that was damaged, or is an old one, does not know how long leases are.
        longest = max(self.longest, message.lease)
        if held is None and now < self.forgot_at + longest:
            return "abstaining", None
        return None, None

    def _bar(self, message: Request, device: str) -> Why | None:
        """Return what the slot's past, or the hub's plan, has against a request."""
        term, last = self.terms.get(message.slot, (0, ""))
        if message.term < term or (message.term == term and last not in {"", device}):
            return "older-term"
        is_here = self.planned is None or message.slot in self.planned
        if not is_here and (message.term, device) != (term, last):
            return "not-planned"  # another site may have it by now
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A slot that may run here until ``until`` by the holder's clock."""

    slot: Slot
    term: int
    until: float

    @property
    def kill_at(self) -> float:
        """Return when the guard ends the container if nothing was renewed."""
        return self.until - MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One collection of promises; all of them count from ``sent_at``."""

    number: int
    sent_at: float
    asked_at: float
    granted: frozenset[str] = frozenset()
    denied: Mapping[str, Denied] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Holder:
    """Collects and renews the lease of one slot for this device."""

    me: str
    slot: Slot
    term: int
    lease: float
    until: float = float("-inf")
    """The end of the lease that is held; in the past when none is."""
    open: _Round | None = None
    next_at: float = float("-inf")
    """When the next round begins."""
    patience: float = 0.0
    """Seconds added to the pause after a denial: two askers must not block each other
    in step for ever."""
    failed: _Round | None = None
    """The round before, if it failed: who was in the way."""
    given_up: _Round | None = None
    """A round that failed, whose promises should be given back."""

    def held(self, now: float) -> Lease | None:
        """Return the lease while the replica may run, up to the guard's moment."""
        lease = Lease(slot=self.slot, term=self.term, until=self.until)
        return lease if now < lease.kill_at else None

    def ask(self, version: int, now: float) -> Request | None:
        """Return the request to send to every voter now, None when it is not time."""
        current = self.open
        if current is None:
            if now < self.next_at:
                return None
            current, self.failed = _begin(now), None
        elif now < current.asked_at + ASK_AGAIN:
            return None
        elif now >= current.sent_at + self.lease / 2:
            current = _begin(now)  # what it might still bring is too short
        else:
            current = replace(current, asked_at=now)
        self.open = current
        return Request(self.slot, self.term, self.lease, version, current.number)

    def waits_for(self) -> frozenset[str]:
        """Return who answered the open round with a promise: they need no reminder."""
        return self.open.granted if self.open else frozenset()

    def receive(
        self, message: Granted | Denied, voter: str, voters: frozenset[str], now: float
    ) -> None:
        """Count an answer; late ones of earlier rounds count nothing."""
        current = self.open
        if current is None or message.round != current.number or voter not in voters:
            return
        if isinstance(message, Denied):
            self.open = replace(current, denied={**current.denied, voter: message})
        elif message.term == self.term:
            self.open = replace(current, granted=current.granted | {voter})
        self._close(voters, now)

    def restart(self) -> None:
        """Begin a new round: the voters are others than before."""
        self.open, self.next_at = None, float("-inf")

    def give_back(self) -> Released | None:
        """Return what to tell the voters of a failed round, once."""
        failed, self.given_up = self.given_up, None
        return Released(self.slot, self.term, failed.number) if failed else None

    def release(self, now: float) -> Released:
        """Give up the lease; call it only when the replica has stopped."""
        self.until, self.open = float("-inf"), None
        return Released(self.slot, self.term, _number(now))

    def deadline(self) -> float:
        """Return when `ask` has something to say at the latest."""
        if self.open is None:
            return self.next_at
        return self.open.asked_at + ASK_AGAIN

    def problem(self, voters: frozenset[str], now: float) -> str:
        """Return why there is no lease, "" while there is one."""
        if self.held(now) is not None:
            return ""
        if not voters:
            return "no voters are named for this site: `edgectl site voters`"
        current = self.open
        granted = len(current.granted) if current else 0
        text = f"waiting for the lease: {granted} of {_majority(voters)} grants"
        told = current.denied.values() if current else ()
        denials = sorted({each.why for each in told})
        return f"{text} ({', '.join(denials)})" if denials else text

    def _close(self, voters: frozenset[str], now: float) -> None:
        current = self.open
        if current is None:
            return
        if len(current.granted & voters) >= _majority(voters):
            self.until = max(self.until, current.sent_at + self.lease)
            self.open = None
            self.next_at = now + self.lease * RENEW_AFTER
        elif len(voters - current.denied.keys()) < _majority(voters):
            self.open, self.failed = None, current
            self.next_at = now + self._pause(current, voters) + self.patience
            if self.held(now) is None:
                self.given_up = current

    @staticmethod
    def _pause(failed: _Round, voters: frozenset[str]) -> float:
        """Return when enough voters may promise, a moment later; asked sooner anyway.

        Without that a takeover waits out a pause that began long before the old lease
        was over. A voter that lies changes when we ask, and nothing else.
        """
        needed = _majority(voters) - len(failed.granted & voters)
        told = sorted(each.left for each in failed.denied.values() if each.left > 0)
        if len(told) < needed:
            return DENIED_AGAIN
        return min(told[needed - 1] + SOON, DENIED_AGAIN)


def _begin(now: float) -> _Round:
    return _Round(number=_number(now), sent_at=now, asked_at=now)


def _number(now: float) -> int:
    """Return a number that rises, also over a restart of the daemon."""
    return int(now * 1000)


def _majority(voters: frozenset[str]) -> int:
    return len(voters) // 2 + 1
