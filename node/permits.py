"""Who of a site may stop a copy to replace it: never more at once than was signed.

One machine for each deployment on each device, after Raymond's distributed k-mutex
("A distributed algorithm for multiple entry to a critical section", 1989), with
replicas for weights:

- Who wants to stop a copy says so by its intent and asks the neighbours. An answer says
  how many replicas are down there, and promises that it stays so for a moment. Who does
  not answer counts as missing with all it has, and so does who is not reached.
- It may stop one more when all that is down or missing leaves room for it.
- Whoever waits before us by lot gets our promise and returns its own; we answer nobody
  who waits after us. While a promise of ours stands we stop nothing beyond it.
- So the limit holds without a clock that two share, and over partitions. Times only
  end it: a device that is gone, silent or not well for ``patience`` holds up nobody.
- After a start nobody knows what it promised: it stops nothing for that long.

Alone at a site nobody is asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edge.staging import waves
from edge.staging.shapes import Limit
from netmesh.view import NEVER
from node.intents import Answer, Ask, Intent, Message

ANSWER_FOR = 3.0
"""Seconds an answer counts, from the moment it was asked for."""
PROMISE_FOR = 4.0
"""Seconds a promise stands, from the moment it was given: longer, so that it outlives
the answer whatever the network did, on clocks that run unevenly."""
ASK_FIRST, ASK_LAST = 0.3, 2.0
"""Seconds between questions, at first and after a while."""
RENEW_BEFORE = 1.5  # seconds before its end that an answer is asked for again
QUIET_FOR = 3.0
"""Seconds a device of which nobody said that it carries a replica may be silent; then
it has none."""
UNKNOWN_FOR = 10.0
"""Seconds after our start in which one that was never heard may still carry one: a
site that lost its power boots within that."""
ONE = Limit(count=1)
NAMED = 3  # neighbours named in a reason
Mail = tuple[str, Message]
"""The device it is for or from, and what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another device of the site, as this one sees it."""

    device: str
    name: str
    is_reached: bool = True
    since: float = NEVER
    """Since when it is not reached; `NEVER`: it was not heard since our start."""
    intent: Intent | None = None
    holds: int = 0
    """Replicas that may move and are its own, by plan and claims."""

    @property
    def replicas(self) -> int:
        """Return how many it is known to carry."""
        return self.holds + (self.intent.fixed if self.intent else 0)

    @property
    def is_waiting(self) -> bool:
        """Return whether it waits to stop a copy."""
        return self.is_reached and self.intent is not None and self.intent.ticket > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All that bears on one deployment; only ``others`` costs something to find out."""

    wants: bool = False
    """Whether a copy here would be stopped now for a newer version."""
    replicas: int = 1
    fixed: int = 0
    """Of these, how many cannot move."""
    down: int = 0
    """Replicas here that are not healthy or being replaced, but for the one above."""
    is_down: bool = False
    """Whether that one is not healthy either."""
    others: Mapping[str, Other] = field(default_factory=dict)
    """By device id."""
    limit: Limit = ONE
    is_one_a_site: bool = False
    patience: float = 600.0
    """Seconds after which a device that does not get there holds up nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What comes of it; whoever was granted a stop counts it as down from now on."""

    is_granted: bool = False
    waits: str = ""
    """Why not yet, a sentence."""
    intent: Intent = field(default_factory=Intent)
    """What to announce."""
    messages: tuple[Mail, ...] = ()
    wake_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Promise:
    ticket: int
    taken: int
    until: float
    round: int
    """Of our own questions when it was given."""


@dataclass(frozen=True, slots=True)
class _Given:
    replicas: int
    taken: int
    until: float
    round: int


@dataclass(frozen=True, slots=True)
class _Weight:
    """What one other device counts for, and why in a few words."""

    name: str
    replicas: int
    taken: int
    why: str


@dataclass(slots=True, kw_only=True)
class Permit:
    """This device's part for one deployment; ``name`` is what its lot is drawn by."""

    deployment: str
    name: str
    started_at: float
    ticket: int = 0
    _issued: int = 0
    _round: int = 0
    _sent: dict[int, float] = field(default_factory=dict)
    """Round → when it was sent, while its answers count."""
    _asks_at: float = NEVER
    _asking_since: float | None = None
    _answers: dict[str, _Given] = field(default_factory=dict)
    _counts_from: dict[str, int] = field(default_factory=dict)
    """Device → the first round whose answer counts: we gave way to it."""
    _promises: dict[str, _Promise] = field(default_factory=dict)
    _silent: dict[str, float] = field(default_factory=dict)
    """Device → since when it does not answer."""
    _ahead: dict[str, float] = field(default_factory=dict)
    """Device → since when it waits before us."""

    def step(self, moment: Moment, mail: Iterable[Mail], now: float) -> Turn:
        """Take in what came, and say whether one more copy may be stopped here."""
        self._queue(moment, now)
        messages = self._read(moment, mail, now)
        taken = moment.down + moment.is_down
        if not moment.wants:
            intent = Intent(fixed=moment.fixed, down=taken)
            return Turn(intent=intent, messages=tuple(messages))
        waits = self._problem(moment, now)
        if not waits:
            self._end()
            intent = Intent(fixed=moment.fixed, down=moment.down + 1)
            return Turn(is_granted=True, intent=intent, messages=tuple(messages))
        messages += self._ask(moment, now)
        return Turn(
            waits=waits,
            intent=Intent(fixed=moment.fixed, down=taken, ticket=self.ticket),
            messages=tuple(messages),
            wake_at=self._wake_at(now),
        )

    def is_idle(self, now: float) -> bool:
        """Return whether nothing would be lost by forgetting this machine."""
        return not self.ticket and all(
            now >= each.until for each in self._promises.values()
        )

    def _queue(self, moment: Moment, now: float) -> None:
        """Take a new ticket when we begin to want, and drop it when we no longer do."""
        if not moment.wants:
            self._end()
        elif not self.ticket:
            # By the clock, so that no ticket of an earlier start comes back.
            self._issued = max(self._issued + 1, int(now * 1000))
            self.ticket = self._issued
        before = {d: e for d, e in moment.others.items() if self._goes_first(e)}
        self._ahead = {each: self._ahead.get(each, now) for each in sorted(before)}

    def _end(self) -> None:
        """Leave the queue; what was answered to this ticket counts no more."""
        self.ticket = 0
        self._asking_since = None
        for each in (self._sent, self._answers, self._counts_from, self._silent):
            each.clear()

    def _goes_first(self, other: Other) -> bool:
        return bool(self.ticket) and other.is_waiting and self._is_before(other)

    def _is_before(self, other: Other) -> bool:
        """Return whether another device's lot is smaller than ours."""
        theirs = waves.lot(self.deployment, other.name)
        ours = waves.lot(self.deployment, self.name)
        return (theirs, other.name) < (ours, self.name)

    def _read(self, moment: Moment, mail: Iterable[Mail], now: float) -> list[Mail]:
        answers: list[Mail] = []
        for device, message in mail:
            if isinstance(message, Answer):
                self._take(device, message)
                continue
            answer = self._answer(moment, device, message, now)
            if answer is not None:
                answers.append((device, answer))
        return answers

    def _take(self, device: str, answer: Answer) -> None:
        sent_at = self._sent.get(answer.round)
        is_ours = answer.ticket == self.ticket and sent_at is not None
        first = self._counts_from.get(device, 0)
        held = self._answers.get(device)
        is_newer = held is None or answer.round > held.round
        if is_ours and sent_at is not None and answer.round >= first and is_newer:
            self._answers[device] = _Given(
                answer.replicas, answer.taken, sent_at + ANSWER_FOR, answer.round
            )
            self._silent.pop(device, None)

    def _answer(
        self, moment: Moment, device: str, ask: Ask, now: float
    ) -> Answer | None:
        """Promise to stop nothing beyond what is down; None: it must wait for us.

        Only an asker whose intent we see: its end tells us that the promise is over.
        """
        other = moment.others.get(device)
        if other is None or other.intent is None or other.intent.ticket != ask.ticket:
            return None
        if self.ticket and not self._is_before(other):
            return None
        taken = moment.down + moment.is_down
        until = now + PROMISE_FOR
        self._promises[device] = _Promise(ask.ticket, taken, until, self._round)
        # It goes first: what it promised us it is free of from here on.
        self._answers.pop(device, None)
        self._counts_from[device] = self._round + 1
        return Answer(self.deployment, ask.ticket, ask.round, moment.replicas, taken)

    def _problem(self, moment: Moment, now: float) -> str:
        """Return why no copy may be stopped now, "" when one may."""
        if not moment.others:
            room = self._allowed(moment, moment.replicas)
            own = f"{moment.down} other replicas here are not ready"
            return f"waiting: {own}" if moment.down >= room else ""
        if now < self.started_at + PROMISE_FOR:
            return "waiting for neighbours: hearing them first"
        owed = self._owed(moment, now)
        weights = [self._weigh(each, moment, now) for each in _sorted(moment)]
        replicas = moment.replicas + sum(each.replicas for each in weights)
        taken = moment.down + sum(each.taken for each in weights)
        # A copy that is down already is told as such: to replace it takes nothing more.
        has_room = moment.is_down or taken < self._allowed(moment, replicas)
        if not owed and has_room:
            return ""
        first = [f"{_name(moment, each)} goes first" for each in owed]
        told = [e for e in weights if e.taken and e.why]
        return _sentence(first or [f"{each.name} {each.why}" for each in told])

    @staticmethod
    def _allowed(moment: Moment, replicas: int) -> int:
        if moment.is_one_a_site:
            return 1
        return max(1, waves.allowed(moment.limit, replicas))

    def _owed(self, moment: Moment, now: float) -> list[str]:
        """Return whom we promised to stop nothing more."""
        self._promises = {
            device: each
            for device, each in self._promises.items()
            if not self._is_over(device, each, moment, now)
        }
        return [
            device
            for device, each in sorted(self._promises.items())
            if each.taken <= moment.down
        ]

    def _is_over(
        self, device: str, promise: _Promise, moment: Moment, now: float
    ) -> bool:
        if now >= promise.until:
            return True
        other = moment.others.get(device)
        # An intent we do not see (any more) says nothing: our mesh may be new.
        if other is None or other.intent is None:
            return False
        if other.intent.ticket != promise.ticket:
            return True
        # It answered a question that we asked after we promised: it gave way to us.
        given = self._answers.get(device)
        return given is not None and given.round > promise.round

    def _weigh(self, other: Other, moment: Moment, now: float) -> _Weight:
        given = self._answers.get(other.device)
        if not other.is_reached:
            return self._missing(other, moment, now)
        if given is not None and now < given.until:
            return _Weight(other.name, given.replicas, given.taken, "is not ready")
        return self._unanswered(other, moment, now)

    def _missing(self, other: Other, moment: Moment, now: float) -> _Weight:
        """Return what a device counts for that is not reached: all it has, for long."""
        is_unheard = other.since == NEVER
        gone_for = now - (self.started_at if is_unheard else other.since)
        count = 0 if gone_for >= moment.patience else other.replicas
        if is_unheard and gone_for < UNKNOWN_FOR:
            count = max(1, count)
        return _Weight(other.name, count, count, "is not reached")

    def _unanswered(self, other: Other, moment: Moment, now: float) -> _Weight:
        """Return what a device counts for that is there and says nothing (yet)."""
        silent_for = now - self._silent.get(other.device, now)
        count = other.replicas or (1 if silent_for < QUIET_FOR else 0)
        if silent_for >= moment.patience:
            return _Weight(other.name, count, 0, "does not answer")
        if self._goes_first(other):
            return _Weight(other.name, count, count, "goes first")
        if other.intent is not None and other.intent.down:
            return _Weight(other.name, count, count, "is not ready")
        why = "does not answer" if other.device in self._silent else ""
        return _Weight(other.name, count, count, why)

    def _ask(self, moment: Moment, now: float) -> list[Mail]:
        """Ask whoever must be asked, when it could be our turn and it is time to."""
        if not self._is_our_turn(moment, now):
            self._asking_since = None
            self._silent.clear()
            return []
        if self._asking_since is None:
            self._asking_since, self._asks_at = now, now
        if now < self._asks_at:
            return []
        waited = now - self._asking_since
        self._asks_at = now + min(ASK_LAST, max(ASK_FIRST, waited / 4))
        asked = [e.device for e in _reached(moment) if not self._is_fresh(e, now)]
        if not asked:
            return []
        self._round += 1
        self._sent = {r: t for r, t in self._sent.items() if now < t + ANSWER_FOR}
        self._sent[self._round] = now
        for device in asked:
            self._silent.setdefault(device, now)
        ask = Ask(self.deployment, self.ticket, self._round)
        return [(device, ask) for device in asked]

    def _is_fresh(self, other: Other, now: float) -> bool:
        given = self._answers.get(other.device)
        return given is not None and now < given.until - RENEW_BEFORE

    def _is_our_turn(self, moment: Moment, now: float) -> bool:
        """Return whether nobody is before us and there could be room, by intents.

        One that has waited before us for very long is no longer waited for.
        """
        long_ago = now - 2 * moment.patience
        if any(since > long_ago for since in self._ahead.values()):
            return False
        taken, replicas = moment.down, moment.replicas
        for each in _sorted(moment):
            if each.is_reached:
                taken += each.intent.down if each.intent else 0
                replicas += each.replicas
            else:
                missing = self._missing(each, moment, now)
                taken, replicas = taken + missing.taken, replicas + missing.replicas
        return taken < self._allowed(moment, replicas)

    def _wake_at(self, now: float) -> float | None:
        times = [each.until for each in self._promises.values()]
        times.append(self.started_at + PROMISE_FOR)
        if self._asking_since is not None:
            times.append(self._asks_at)
        return min((each for each in times if each > now), default=None)


def _name(moment: Moment, device: str) -> str:
    other = moment.others.get(device)
    return other.name if other else device


def _sorted(moment: Moment) -> list[Other]:
    return [each for _, each in sorted(moment.others.items())]


def _reached(moment: Moment) -> Iterator[Other]:
    return (each for each in _sorted(moment) if each.is_reached)


def _sentence(reasons: list[str]) -> str:
    shown = reasons[:NAMED] or ["asking them"]
    more = len(reasons) - NAMED
    rest = [f"{more} more"] if more > 0 else []
    return f"waiting for neighbours: {', '.join([*shown, *rest])}"
