"""Which copies of this device may be stopped for a newer version, asked of its site.

`node.permits` decides for one deployment; this keeps one such machine for each, tells
it what is here and around, and follows what was granted: from then on the copy counts
as down, until the slot is healthy at the version it should run.

- One copy of a deployment waits here at a time; the next one asks anew.
- A copy that is not well for as long as its rollout gives a device to get there no
  longer counts: it holds up nobody for ever.
- A grant that nobody makes use of is given back, and not asked for again at once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge.names import Slot
from edge.staging.shapes import Rollout
from netmesh.view import NEVER, Peer, Roster, View
from node import intents
from node.intents import Answer, Ask, Message
from node.permits import ONE, Mail, Moment, Other, Permit, Turn

PATIENCE = 600.0
"""Seconds a device is waited for where no rollout says it: what one says by default."""
UNUSED_FOR = 10.0
"""Seconds a grant waits to be made use of."""
UNUSED_AGAIN = 60.0
"""Seconds until one that was not is asked for again."""
ASKING = "waiting for neighbours: asking them"
REACHED = frozenset({"alive", "suspect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One slot of this device."""

    deployment: str
    version: int
    """That it should run now."""
    serves: int = 0
    """The version at which it is healthy, 0 for none."""
    can_move: bool = False
    """Whether neighbours may take it over."""

    @property
    def is_well(self) -> bool:
        """Return whether it is healthy as what it should be."""
        return self.serves == self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Everything that one step looks at."""

    copies: Mapping[Slot, Copy]
    roster: Roster
    view: View
    owners: Mapping[Slot, str] = field(default_factory=dict)
    """Who holds each slot that may move: device id."""
    rollouts: Mapping[str, Rollout | None] = field(default_factory=dict)
    """Of the newest deployments held, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What may be stopped, and what to say; nothing here was done yet."""

    granted: Mapping[Slot, int] = field(default_factory=dict)
    """Slots whose copy may be stopped, for which version."""
    waits: Mapping[Slot, str] = field(default_factory=dict)
    """Slots whose copy must run on, and why."""
    intents: Mapping[str, bytes] = field(default_factory=dict)
    """Rumours that should be announced, by key."""
    messages: tuple[Mail, ...] = ()
    wake_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Grant:
    version: int
    at: float
    is_used: bool = False


@dataclass(slots=True, kw_only=True)
class Switches:
    """All of one device; ``name`` is its node name, ``me`` its device id."""

    me: str
    name: str
    started_at: float
    outcome: Outcome = field(default_factory=Outcome)
    _wants: Mapping[Slot, int] = field(default_factory=dict)
    _permits: dict[str, Permit] = field(default_factory=dict)
    _granted: dict[Slot, _Grant] = field(default_factory=dict)
    _down_since: dict[Slot, float] = field(default_factory=dict)
    _not_before: dict[Slot, float] = field(default_factory=dict)

    def want(self, wants: Mapping[Slot, int]) -> bool:
        """Hear which copies would be stopped now, and for which version: all of them.

        Returns whether that is news.
        """
        is_news = dict(wants) != self._wants
        self._wants = dict(wants)
        return is_news

    def may_switch(self, slot: Slot, version: int) -> str:
        """Return why the copy of a slot must not be stopped yet, "" when it may."""
        granted = self._granted.get(slot)
        if granted is not None and granted.version == version:
            return ""
        return self.outcome.waits.get(slot, ASKING)

    def step(self, around: Around, mail: Iterable[Mail], now: float) -> Outcome:
        """Take in what came; say what may be stopped, and what to tell neighbours."""
        self._follow(around, now)
        letters = _sorted_by_deployment(mail)
        turns = {
            name: self._turn(name, around, letters.get(name, []), now)
            for name in self._concerned(around, letters)
        }
        waits: dict[Slot, str] = {}
        for name, turn in turns.items():
            slot = self._next(name, around)
            if slot is not None and turn.is_granted:
                self._granted[slot] = _Grant(self._wants[slot], now)
            elif slot is not None:
                waits[slot] = turn.waits
        self.outcome = Outcome(
            granted={slot: each.version for slot, each in self._granted.items()},
            waits=waits,
            intents={
                intents.key(name): intents.encode(turns[name].intent)
                for name in turns
                if self._is_told(name, around)
            },
            messages=tuple(m for turn in turns.values() for m in turn.messages),
            wake_at=min((t.wake_at for t in turns.values() if t.wake_at), default=None),
        )
        return self.outcome

    def _follow(self, around: Around, now: float) -> None:
        """See what became of what was granted, and who is well."""
        copies = around.copies
        for slot, grant in list(self._granted.items()):
            left = self._still(slot, grant, around, now)
            if left is None:
                del self._granted[slot]
            else:
                self._granted[slot] = left
        down = [slot for slot, each in copies.items() if not each.is_well]
        self._down_since = {slot: self._down_since.get(slot, now) for slot in down}
        self._not_before = {s: t for s, t in self._not_before.items() if now < t}

    def _still(
        self, slot: Slot, grant: _Grant, around: Around, now: float
    ) -> _Grant | None:
        """Return the grant if the copy still counts as stopped by it."""
        copy = around.copies.get(slot)
        if copy is None:
            return None
        if copy.version == grant.version:
            grant = replace(grant, is_used=True)
        wanted = self._wants.get(slot, grant.version)
        if grant.is_used and not copy.is_well and wanted != grant.version:
            # Overtaken while it is down: the newer version takes nothing more.
            grant = replace(grant, version=wanted)
        if grant.is_used:
            is_late = now - grant.at >= _patience(copy.deployment, around)
            return None if copy.is_well or is_late else grant
        if self._wants.get(slot) != grant.version:
            return None
        if now - grant.at < UNUSED_FOR:
            return grant
        self._not_before[slot] = now + UNUSED_AGAIN
        return None

    def _concerned(
        self, around: Around, letters: Mapping[str, list[Mail]]
    ) -> list[str]:
        """Return the deployments there is something to say or to decide about."""
        told = {
            each.deployment
            for each in around.copies.values()
            if self._is_told(each.deployment, around)
        }
        return sorted({*told, *letters, *self._permits})

    def _is_told(self, name: str, around: Around) -> bool:
        """Return whether neighbours should know what we have of a deployment."""
        if not _carries(name, around):
            return False
        key = intents.key(name)
        is_asked = any(key in said for said in around.view.rumours.values())
        is_wanted = any(_name(slot) == name for slot in self._wants)
        return is_asked or is_wanted or around.rollouts.get(name) is not None

    def _turn(self, name: str, around: Around, mail: list[Mail], now: float) -> Turn:
        if name not in around.rollouts and not _carries(name, around):
            return Turn(messages=tuple(_has_nothing(mail)))
        permit = self._permits.get(name) or Permit(
            deployment=name, name=self.name, started_at=self.started_at
        )
        turn = permit.step(self._moment(name, around, bool(mail), now), mail, now)
        self._permits[name] = permit
        if permit.is_idle(now) and not _carries(name, around):
            del self._permits[name]
        return turn

    def _moment(self, name: str, around: Around, is_asked: bool, now: float) -> Moment:
        own = {s: c for s, c in around.copies.items() if c.deployment == name}
        slot = self._next(name, around)
        patience = _patience(name, around)
        since = {each: self._down_since.get(each, NEVER) for each in own}
        down = {
            each
            for each in own
            if each in self._granted or now - since[each] < patience
        }
        rollout = around.rollouts.get(name)
        needs_others = is_asked or slot is not None
        return Moment(
            wants=slot is not None,
            replicas=len(own),
            fixed=sum(not each.can_move for each in own.values()),
            down=len(down - {slot}),
            is_down=slot in down,
            others=_others(self.me, name, around) if needs_others else {},
            limit=rollout.max_unavailable if rollout else ONE,
            is_one_a_site=rollout is not None and rollout.group_by == "site",
            patience=patience,
        )

    def _next(self, name: str, around: Around) -> Slot | None:
        """Return which copy of a deployment we want to stop next."""
        for slot, version in sorted(self._wants.items()):
            copy = around.copies.get(slot)
            is_its = copy is not None and copy.deployment == name
            is_free = slot not in self._granted and slot not in self._not_before
            if copy and is_its and is_free and copy.version != version:
                return slot
        return None


def _carries(name: str, around: Around) -> bool:
    return any(each.deployment == name for each in around.copies.values())


def _patience(name: str, around: Around) -> float:
    rollout = around.rollouts.get(name)
    return rollout.progress_deadline if rollout else PATIENCE


def _others(me: str, name: str, around: Around) -> dict[str, Other]:
    """Return the other devices of the site as a deployment's permit sees them."""
    key = intents.key(name)
    holds = Counter(
        device for slot, device in around.owners.items() if _name(slot) == name
    )
    found: dict[str, Other] = {}
    for device, entry in around.roster.members.items():
        if device == me:
            continue
        peer = around.view.peers.get(device) or Peer(device=device, name=entry.name)
        body = around.view.rumours.get(device, {}).get(key, b"")
        found[device] = Other(
            device=device,
            name=peer.name,
            is_reached=peer.state in REACHED,
            since=NEVER if peer.state == "unknown" else peer.since,
            intent=intents.decode(body),
            holds=holds[device],
        )
    return found


def _sorted_by_deployment(mail: Iterable[Mail]) -> dict[str, list[Mail]]:
    found: dict[str, list[Mail]] = {}
    for device, message in mail:
        found.setdefault(message.deployment, []).append((device, message))
    return found


def _has_nothing(mail: Iterable[Mail]) -> Iterable[tuple[str, Message]]:
    """Yield answers about a deployment we do not know: nothing of it is here."""
    for device, message in mail:
        if isinstance(message, Ask):
            yield (
                device,
                Answer(message.deployment, message.ticket, message.round, 0, 0),
            )


def _name(slot: str) -> str:
    return slot.partition("/")[0]
