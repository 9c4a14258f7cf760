"""Who of the site is alive: SWIM with Lifeguard's care, as a machine without I/O.

Every input returns effects; `deadline` says when to call `tick` next. A late tick is no
error: what a pause of our own explains is not held against others.

- Members meet by `Hello`, at every address somebody named and through the broker; one
  that works is enough.
- Silence is judged by `netmesh.evidence` on what this device itself asked and heard.
  What others suspect makes it ask at once; it kills nobody.
- `leaving` and what devices claim are rumours (`netmesh.gossip`).

Das, Gupta, Motivala: "SWIM", DSN 2002. Dadgar, Phillips, Currey: "Lifeguard", 2018.
"""

from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

import msgspec

from netmesh import evidence, wire
from netmesh.cipher import Cipher
from netmesh.gossip import BEAT, LEAVING, Rumours
from netmesh.greeting import Greeting
from netmesh.neighbour import BROKER, FIRST_PAUSE, REACHED, Neighbour, Route
from netmesh.post import Letter, Post, Send, SendByBroker, Sent
from netmesh.probing import PROBE_EVERY, Probing
from netmesh.view import Address, Roster, RosterEntry, View
from netmesh.wire import (
    Ack,
    Carried,
    Carry,
    Compare,
    Hello,
    News,
    Ping,
    Rumour,
    Suspicion,
    Tell,
)

LATE_AFTER = 0.15  # seconds a tick is late before it counts as a pause of our own
LONG_PAUSE = 0.7  # seconds after which others may have taken us for dead
BEAT_EVERY = 10.0  # seconds between signs of life for the hub, while we do not reach it
BEARERS = 2  # neighbours with a hub that get each of them
ACKS_TO_SUSPECTED = 2  # answers to a question that comes with a suspicion
TELL_AT_ONCE = 8  # members that hear of a suspicion without waiting for the next ping
DIFFERS_FOR, COMPARE_EVERY = 1.0, 3.0
"""Seconds that rumours may differ because they are under way; between comparisons."""
ANSWER_MAX = 300  # rumours in the answer to one comparison
ACCUSED_EVERY = 1.0  # seconds between questions that others' suspicions cause


class Deliver(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a member for whoever uses the mesh."""

    device: str
    body: bytes


class Changed(msgspec.Struct, frozen=True):
    """The view is another one now."""


Effect = Send | SendByBroker | Deliver | Changed
CHANGED = Changed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Ourselves; ``sequence`` is where our rumours begin, such as the wall clock."""

    device: str
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a site may choose."""

    greets: bool = True
    """Whether we look for missing members ourselves."""


@dataclass(slots=True)
class Membership:
    """The machine. ``now`` is always CLOCK_BOOTTIME, in seconds."""

    me: Me
    settings: Settings
    cipher: Cipher
    rng: Random
    started_at: float
    roster: Roster = field(default_factory=Roster)
    neighbours: dict[str, Neighbour] = field(default_factory=dict)
    """By device id, and in the order of these: whatever is drawn depends on it."""
    rumours: Rumours = field(init=False)
    post: Post = field(init=False)
    probing: Probing = field(init=False)
    greeting: Greeting = field(init=False)
    _beat_at: float = float("inf")

    def __post_init__(self) -> None:
        """Know nobody yet."""
        self.rumours = Rumours(
            me=self.me.device, cipher=self.cipher, sequence=self.me.sequence
        )
        self.post = Post(
            me=self.me.device,
            rng=self.rng,
            cipher=self.cipher,
            rumours=self.rumours,
            neighbours=self.neighbours,
        )
        self.probing = Probing(
            rng=self.rng,
            post=self.post,
            neighbours=self.neighbours,
            next_at=self.started_at + self.rng.uniform(0, PROBE_EVERY),
            answered_at=self.started_at,
        )

        self.greeting = Greeting(
            rng=self.rng, post=self.post, neighbours=self.neighbours
        )

    @property
    def deadline(self) -> float:
        """Return when to call `tick` next."""
        soonest, greets = self.probing.deadline, self.settings.greets
        for each in self.neighbours.values():  # asked for after every datagram
            if each.trial is not None:
                due_at = each.trial.asked_at + each.trial.gap
            elif greets and each.state not in REACHED:
                due_at = each.greet_at
            else:
                continue
            soonest = min(soonest, due_at)
        return min(soonest, self._beat_at)

    def set_roster(self, roster: Roster, now: float) -> list[Effect]:
        """Take up who belongs to the site; who stays, stays as it is."""
        self.roster = roster
        self.cipher.set_roster(roster)
        self.rumours.set_devices(roster.members)
        others = {d: e for d, e in roster.members.items() if d != self.me.device}
        for device in sorted(self.neighbours.keys() - others.keys()):
            del self.neighbours[device]
        for _, entry in sorted(others.items()):
            self._take_up(entry, now)
        ordered = sorted(self.neighbours.items())
        self.neighbours.clear()
        self.neighbours.update(ordered)
        self.post.by_hint.clear()
        self.post.by_hint.update({n.hint: n for n in self.neighbours.values()})
        return [*self.tick(now), CHANGED]

    def hint(self, device: str, address: Address, now: float) -> list[Effect]:
        """Try an address for a member; anybody may have said it."""
        neighbour = self.neighbours.get(device)
        if neighbour is None or not neighbour.add_hint(address):
            return []
        if not neighbour.is_reached:
            neighbour.greet_at, neighbour.pause = now, FIRST_PAUSE
        return []

    def receive(
        self, datagram: bytes, source: Address | None, now: float
    ) -> list[Effect]:
        """Take in a datagram; ``source`` None: it came through the broker."""
        route = Route(via="direct", address=source) if source else BROKER
        return self._open(datagram, route, now)

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        late = now - self.deadline
        if late > LATE_AFTER:
            self._excuse(late, now)
        effects: list[Effect] = [*self.probing.go_on(now)]
        effects += self._judge(now)
        effects += self.probing.probe_next(now)
        if self.settings.greets:
            has_broker = self.probing.has_broker
            effects += self.greeting.greet(now, has_broker=has_broker)
        return [*effects, *self._send_beat(now)]

    def announce(self, key: str, body: bytes, now: float) -> list[Effect]:
        """Say something of ourselves under a key, to everybody at once."""
        rumour = self.rumours.announce(key, body)
        return self._tell_everybody((rumour,), now)

    def withdraw(self, key: str, now: float) -> list[Effect]:
        """End what was announced under a key."""
        if self.rumours.says(self.me.device, key) is None:
            return []
        return self.announce(key, b"", now)

    def tell(self, device: str, body: bytes, now: float) -> list[Effect]:
        """Send a message of up to 600 bytes to one member; it may get lost."""
        neighbour = self.neighbours.get(device)
        if neighbour is None or not neighbour.is_met or len(body) > wire.BODY_MAX:
            return []
        return [*self.post.send(neighbour, Tell(body), neighbour.route(now), 0)]

    def leave(self, now: float) -> list[Effect]:
        """Say that we go, in flags and as a rumour."""
        self.post.flags |= wire.IS_LEAVING
        # Bound to this session: said of an earlier life, it would make us look gone.
        return self.announce(LEAVING, self.post.session, now)

    def restart(self, now: float) -> list[Effect]:
        """Say twice, for one may get lost, that our daemon only starts again."""
        self.post.flags |= wire.IS_RESTARTING
        return [*self._tell_everybody((), now), *self._tell_everybody((), now)]

    def set_links(self, *, hub: bool, broker: bool, now: float) -> list[Effect]:
        """Take up whether we reach the hub, and may use the broker."""
        had_hub = bool(self.post.flags & wire.HAS_HUB)
        if broker and not self.probing.has_broker:
            self.greeting.hurry(now)
        self.probing.has_broker = broker
        if hub == had_hub and self._beat_at != float("inf"):
            return []
        self.post.flags ^= wire.HAS_HUB if hub != had_hub else 0
        self._beat_at = float("inf") if hub else min(self._beat_at, now)
        return self._tell_everybody((), now)

    def view(self, now: float) -> View:
        """Return the site as we see it."""
        peers, rumours = {}, {}
        for device, each in self.neighbours.items():
            beat = self.rumours.says(device, BEAT)
            peers[device] = each.shown(wire.write_rumour(beat) if beat else b"")
            rumours[device] = MappingProxyType(self.rumours.said_by(device))
        return View(
            at=now, peers=MappingProxyType(peers), rumours=MappingProxyType(rumours)
        )

    def _take_up(self, entry: RosterEntry, now: float) -> None:
        known = self.neighbours.get(entry.device)
        if known is None or known.entry.mesh != entry.mesh:
            known = Neighbour(entry=entry, since=now, greet_at=now)
            self.neighbours[entry.device] = known
        known.entry = entry
        for address in entry.addresses:
            if address not in known.places:
                known.add_place(address)

    def _excuse(self, late: float, now: float) -> None:
        """Do not hold a pause of our own against others."""
        self.probing.pause(late)
        if late > LONG_PAUSE:
            for each in self.neighbours.values():
                if each.is_reached:
                    each.lost_at = now

    def _open(self, datagram: bytes, route: Route, now: float) -> list[Effect]:
        opened = self.post.open(datagram, route, now)
        if not isinstance(opened, Letter):
            return [*opened]
        effects = self._hear(opened, now)
        effects += self._read(opened, now)
        for each in opened.plain.gossip:
            effects += self._learn(opened.sender, each, now)
        return effects

    def _hear(self, letter: Letter, now: float) -> list[Effect]:
        """Note that a member is there, whatever it says."""
        sender, plain = letter.sender, letter.plain
        before = (sender.state, sender.flags)
        sender.heard_at, sender.path = now, letter.route.via
        sender.flags, sender.incarnation = plain.flags, plain.incarnation
        if letter.route.via == "direct" and letter.route.address:
            sender.move(letter.route.address)
        if sender.trial is not None:
            sender.trial.heard(now)
        self._find_there(sender, letter, now)
        effects = self._welcome(sender, letter.route, now) if letter.is_first else []
        if before != (sender.state, sender.flags):
            effects.append(CHANGED)
        return effects

    def _find_there(self, sender: Neighbour, letter: Letter, now: float) -> None:
        if sender.flags & wire.IS_LEAVING:
            sender.become("leaving", "it says that it goes", now)
            sender.trial = None
            return
        if not sender.is_reached:
            # The way it came is the way it is reached, until another one answers.
            sender.other = None if letter.route.via == "direct" else letter.route
            sender.pause = FIRST_PAUSE
            sender.lost_at = now  # it was missing up to this moment
        sender.become("alive", "", now)
        if sender.trial is not None:
            sender.trial.is_suspect = False

    def _welcome(self, sender: Neighbour, route: Route, now: float) -> list[Effect]:
        """Tell a member that began a session what we know; it does so as well."""
        own = self.rumours.of(self.me.device)
        effects: list[Effect] = [*self.post.send(sender, News(), route)]
        effects += self.post.push(sender, (each for each in own if each.body), now)
        return [*effects, *self._compare(sender, now)]

    def _read(self, letter: Letter, now: float) -> list[Effect]:
        sender, body, route = letter.sender, letter.plain.body, letter.route
        effects: list[Effect] = []
        match body:
            case Ping():
                effects += self._answer(sender, body, route, now)
            case Ack():
                self.probing.answered(body.number, sender, now)
                effects += self._notice(sender, body.digest, now)
            case Carry():
                effects += self._carry(sender, body, route)
            case Carried() if route.via != "peer":
                inner = Route(via="peer", device=sender.device)
                effects += self._open(body.datagram, inner, now)
            case Tell():
                effects.append(Deliver(device=sender.device, body=body.body))
            case Compare():
                found = list(self.rumours.differing(body.feeds))[:ANSWER_MAX]
                effects += self.post.push(sender, found, now)
            case Hello() | News() | _:
                pass  # what counts was noted already: it is there
        return effects

    def _answer(
        self, sender: Neighbour, ping: Ping, route: Route, now: float
    ) -> list[Effect]:
        ack = Ack(ping.number, self.rumours.digest)
        sent = self.post.send(sender, ack, route)
        if ping.is_suspect:
            for _ in range(ACKS_TO_SUSPECTED - 1):
                sent += self.post.send(sender, ack, route, 0)
        return [*sent, *self._notice(sender, ping.digest, now)]

    def _carry(self, sender: Neighbour, carry: Carry, route: Route) -> list[Sent]:
        """Pass a datagram on to somebody we reach ourselves, and only then."""
        target = self.post.by_hint.get(carry.to)
        if route.via == "peer" or target is None or target is sender:
            return []
        if not target.is_met or not target.is_reached:
            return []
        return self.post.send(target, Carried(carry.datagram), target.direct, 0)

    def _learn(
        self, sender: Neighbour, gossip: wire.Gossip, now: float
    ) -> list[Effect]:
        if isinstance(gossip, Rumour):
            is_new = self.rumours.receive(gossip, now)
            if is_new and gossip.key == LEAVING:
                self._hear_of_leaving(gossip, now)
            return [CHANGED] if is_new else []
        if gossip.about == wire.hint(self.me.device):
            return self._refute(sender, gossip, now)
        accused = self.post.by_hint.get(gossip.about)
        if accused is None or accused is sender:
            return []
        return [*self._suspect_too(sender, accused, gossip, now)]

    def _hear_of_leaving(self, rumour: Rumour, now: float) -> None:
        who = self.post.by_hint.get(rumour.about)
        if who is not None and rumour.body == who.session.theirs:
            who.become("leaving", "it says that it goes", now)
            who.trial = None

    def _refute(
        self, sender: Neighbour, suspicion: Suspicion, now: float
    ) -> list[Effect]:
        """Show that we live, in an incarnation that is not suspected."""
        if suspicion.incarnation < self.post.incarnation:
            return []
        self.post.incarnation = (suspicion.incarnation + 1) % 2**32
        return [*self.post.send(sender, News(), sender.route(now))]

    def _suspect_too(
        self, sender: Neighbour, accused: Neighbour, gossip: Suspicion, now: float
    ) -> list[Sent]:
        """Ask whom another one finds silent; one liar causes one question a second."""
        if gossip.incarnation < accused.incarnation or not accused.is_reached:
            return []
        sent: list[Sent] = []
        if accused.trial is None and now - accused.accused_at >= ACCUSED_EVERY:
            accused.accused_at = now
            sent = self.probing.begin(accused, now)
            self.rumours.spread(gossip)
        if accused.trial is not None:
            accused.trial.confirmed_by.add(sender.device)
        return sent

    def _judge(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for each in self.neighbours.values():
            if each.trial is None or not each.is_reached:
                continue
            silent_for = min(now - each.heard_at, now - self.started_at)
            if self.probing.is_dead(each, now):
                why = evidence.describe(each.trial, silent_for)
                each.become("dead", why, now)
                each.lost_at, each.trial, each.greet_at = now, None, now
                effects.append(CHANGED)
            elif not each.trial.is_suspect and evidence.is_suspect(each.trial):
                each.trial.is_suspect = True
                why = evidence.describe(each.trial, silent_for)
                each.become("suspect", why, now)
                effects += [*self._accuse(each, now), CHANGED]
        return effects

    def _accuse(self, whom: Neighbour, now: float) -> list[Sent]:
        """Let others ask too, a few of them at once."""
        suspicion = Suspicion(whom.hint, whom.incarnation)
        self.rumours.spread(suspicion)
        others = [n for n in self.neighbours.values() if n.state == "alive"]
        sent: list[Sent] = []
        chosen = self.rng.sample(others, min(TELL_AT_ONCE, len(others)))
        for each in chosen:
            sent += self.post.send(each, News(), each.route(now), 0, (suspicion,))
        return sent

    def _notice(self, sender: Neighbour, digest: int, now: float) -> list[Sent]:
        """Compare rumours with a member that has others for longer than they travel."""
        if digest == self.rumours.digest:
            sender.differs_since = float("inf")
            return []
        sender.differs_since = min(sender.differs_since, now)
        if now - sender.differs_since < DIFFERS_FOR or now < sender.compare_at:
            return []
        return self._compare(sender, now)

    def _compare(self, whom: Neighbour, now: float) -> list[Sent]:
        whom.compare_at = now + COMPARE_EVERY
        sent: list[Sent] = []
        for page in self.rumours.list_feeds():
            sent += self.post.send(whom, Compare(page), whom.route(now), 0)
        return sent

    def _tell_everybody(
        self, gossip: tuple[wire.Gossip, ...], now: float
    ) -> list[Effect]:
        effects: list[Effect] = []
        for each in self.neighbours.values():
            if each.is_met and each.is_reached:
                route = each.route(now)
                effects += self.post.send(each, News(), route, 0, gossip)
        return effects

    def _send_beat(self, now: float) -> list[Effect]:
        """Give a sign of life to some who reach the hub: only there it is of use."""
        if now < self._beat_at:
            return []
        self._beat_at = now + BEAT_EVERY
        linked = [n for n in self.neighbours.values() if n.has_hub]
        able = [each for each in linked if each.is_reached]
        if not able:
            return []
        beat = self.rumours.announce(BEAT, b"1")
        sent: list[Effect] = []
        for each in self.rng.sample(able, min(BEARERS, len(able))):
            sent += self.post.send(each, News(), each.route(now), 0, (beat,))
        return sent
