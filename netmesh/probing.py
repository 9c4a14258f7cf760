"""Asks every device in turn whether it is there, and puts the silent ones on trial.

One device is asked every `PROBE_EVERY` seconds, in an order drawn anew each round, so
traffic does not depend on the size of the site (SWIM, section 4.3). Whoever does not
answer in time is asked again and again, on every path there is: directly, at each of
its addresses, through neighbours, through the broker. `netmesh.evidence` says when that
was often enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from netmesh import evidence, wire
from netmesh.evidence import Estimate, Trial, Via
from netmesh.neighbour import BROKER, Neighbour, Route
from netmesh.post import Post, Sent
from netmesh.view import NEVER
from netmesh.wire import Ping

PROBE_EVERY = 0.2  # seconds: with answers about 650 bytes a second
DIRECT_EVERY = 2.0  # seconds between tries of the straight way while another is used
HELPERS = 2  # neighbours asked to pass a question on, each round
HELP_ROUNDS, PLACES_ROUNDS, BROKER_ROUNDS = 2, 3, 4
"""Every second round through neighbours, every third to other addresses, and so on."""
KEPT_FOR = 4.0  # seconds that a question waits for a late answer
HEALTH_MAX = 8.0
HEALTH_COST = 0.15  # seconds of silence more for each point of bad health
BLIND_AFTER, BLIND_PROBES = 0.6, 3
"""Seconds and questions without any answer: it is us who are cut off."""
RESTART_FOR = 15.0
"""Seconds of silence that a device has which said that its daemon starts again: what
runs there goes on meanwhile. A slow board takes five."""
LOST_AFTER = 0.75
"""Seconds without an answer, under trial, after which contact counts as lost: less than
anybody needs to take us for dead."""


@dataclass(slots=True, kw_only=True)
class Question:
    """A ping that was sent."""

    device: str
    route: Route
    sent_at: float
    due_at: float


@dataclass(slots=True, kw_only=True)
class Probing:
    """All questions that are open, and our own health (Lifeguard, section IV-A)."""

    rng: Random
    post: Post
    neighbours: Mapping[str, Neighbour]
    """In the order of device ids."""
    next_at: float
    has_broker: bool = False
    network: Estimate = field(default_factory=Estimate)
    """Losses of all questions to devices that are well."""
    health: float = 0.0
    """0 is well; each point makes us more patient."""
    questions: dict[int, Question] = field(default_factory=dict)
    """Those whose answers may still come in time."""
    overdue: dict[int, Question] = field(default_factory=dict)
    """Those whose answers would be late by now, in about the order they were due."""
    answered_at: float = NEVER
    _number: int = 0
    _in_vain: int = 0
    _queue: list[str] = field(default_factory=list)

    @property
    def deadline(self) -> float:
        """Return when the next question, or an answer, is due; trials aside."""
        soonest = self.next_at
        for question in self.questions.values():
            soonest = min(soonest, question.due_at)
        return soonest

    def pause(self, seconds: float) -> None:
        """Leave a pause of our own out of account: it was us who were silent."""
        self.health = min(HEALTH_MAX, self.health + 2)
        for question in (*self.questions.values(), *self.overdue.values()):
            question.due_at += seconds
        for each in self.neighbours.values():
            if each.trial is not None:
                each.trial.shift(seconds)

    def probe_next(self, now: float) -> list[Sent]:
        """Ask the next device, when it is time."""
        if now < self.next_at:
            return []
        self.next_at = max(self.next_at + PROBE_EVERY, now + PROBE_EVERY / 2)
        neighbour = self._pick()
        if neighbour is None:
            return []
        sent = self.ask(neighbour, neighbour.route(now), now)
        is_round_about = neighbour.route(now) is neighbour.other
        if is_round_about and now - neighbour.asked_directly_at >= DIRECT_EVERY:
            sent += self.ask(neighbour, neighbour.direct, now)
        return sent

    def ask(self, whom: Neighbour, route: Route | None, now: float) -> list[Sent]:
        """Ask one device on one path."""
        if route is None or not whom.is_met:
            return []
        self._number = (self._number + 1) % 2**32
        digest = self.post.rumours.digest
        ping = Ping(self._number, digest, is_suspect=whom.trial is not None)
        sent = self.post.send(whom, ping, route)
        if sent:
            due_at = now + whom.estimate.wait(route.via)
            self.questions[self._number] = Question(
                device=whom.device, route=route, sent_at=now, due_at=due_at
            )
        if route.via == "direct":
            whom.asked_directly_at = now
        return sent

    def answered(self, number: int, by: Neighbour, now: float) -> bool:
        """Take an answer in; return whether we had asked."""
        asked = self.questions if number in self.questions else self.overdue
        question = asked.get(number)
        if question is None or question.device != by.device:
            return False
        is_late = asked is self.overdue
        del asked[number]
        self.answered_at, self._in_vain = now, 0
        self.health = max(0.0, self.health - 0.1)
        self._learn(by, question, now, is_late=is_late)
        by.answer(question.route, now)
        by.trial = None
        return True

    def begin(self, whom: Neighbour, now: float) -> list[Sent]:
        """Put a device on trial."""
        if whom.trial is None and whom.is_reached and whom.is_met:
            loss = max(whom.estimate.loss, self.network.loss)
            wait = whom.estimate.wait()
            gap = max(evidence.SHORTEST_GAP, wait / 4)
            whom.trial = Trial(began_at=now, asked_since=now, loss=loss, gap=gap)
            return self._ask_around(whom, whom.trial, now)
        return []

    def go_on(self, now: float) -> list[Sent]:
        """Note answers that are overdue, and ask those on trial again."""
        self._forget(now)
        sent: list[Sent] = []
        due = [each for each in self.questions.items() if each[1].due_at <= now]
        for number, question in due:
            self.overdue[number] = self.questions.pop(number)
            sent += self._miss(question, now)
        for whom in self.neighbours.values():
            trial = whom.trial
            if trial is not None and now >= trial.asked_at + trial.gap:
                sent += self._ask_around(whom, trial, now)
        return sent

    def _forget(self, now: float) -> None:
        """Wait no longer for answers that are very late."""
        while self.overdue:
            number = next(iter(self.overdue))
            if now <= self.overdue[number].due_at + KEPT_FOR:
                return
            del self.overdue[number]

    def is_dead(self, whom: Neighbour, now: float) -> bool:
        """Return whether a device on trial must be taken for dead."""
        trial = whom.trial
        if trial is None or self._is_excused(whom, now):
            return False
        extra = 2 * whom.estimate.wait() + self.health * HEALTH_COST
        silent_for = now - whom.heard_at
        return evidence.is_dead(trial, silent_for, now, extra) and evidence.is_asked(
            trial, self._paths(whom)
        )

    @staticmethod
    def _is_excused(whom: Neighbour, now: float) -> bool:
        said = bool(whom.flags & wire.IS_RESTARTING)
        return said and now - whom.heard_at < RESTART_FOR

    def _learn(
        self, by: Neighbour, question: Question, now: float, *, is_late: bool
    ) -> None:
        if question.route.via != "direct":
            return
        seconds = now - question.sent_at
        if is_late:
            by.estimate.timed(seconds)
        else:
            by.estimate.answered(seconds)
            self.network.answered(seconds)

    def _miss(self, question: Question, now: float) -> list[Sent]:
        """Count a question nobody answered."""
        whom = self.neighbours.get(question.device)
        if whom is None or not whom.is_reached:
            return []
        self._in_vain += 1
        self._notice_blindness(now)
        sent: list[Sent] = []
        if whom.trial is None and question.sent_at >= whom.answered_at:
            # The loss that counts is the one before this silence.
            sent = self.begin(whom, now)
        if whom.trial is not None:
            whom.trial.failed(question.route.via)
            asked_for = now - whom.trial.asked_since
            is_lost = now - whom.answered_at >= LOST_AFTER
            if is_lost and asked_for >= evidence.TRIAL_FOR:
                whom.lost_at = now
        if question.route.via == "direct":
            whom.estimate.unanswered()
            self.network.unanswered()
        return sent

    def _notice_blindness(self, now: float) -> None:
        is_blind = now - self.answered_at >= BLIND_AFTER
        if is_blind and self._in_vain >= BLIND_PROBES:
            for each in self.neighbours.values():
                if each.is_reached and now - each.answered_at >= BLIND_AFTER:
                    each.lost_at = now

    def _ask_around(self, whom: Neighbour, trial: Trial, now: float) -> list[Sent]:
        """Ask once more, on the paths whose turn it is."""
        number = trial.rounds
        trial.rounds, trial.asked_at = number + 1, now
        sent = self.ask(whom, whom.direct, now)
        if number % HELP_ROUNDS == 0:
            for helper in self._helpers(whom):
                sent += self.ask(whom, Route(via="peer", device=helper), now)
        if number % PLACES_ROUNDS == 1:
            for place in whom.places[:3]:
                if place != whom.address:
                    sent += self.ask(whom, Route(via="direct", address=place), now)
        if self.has_broker and number % BROKER_ROUNDS == 0:
            sent += self.ask(whom, BROKER, now)
        return sent

    def _helpers(self, whom: Neighbour) -> list[str]:
        able = self._able(whom)
        return self.rng.sample(able, min(HELPERS, len(able)))

    def _able(self, whom: Neighbour) -> list[str]:
        return [
            each.device
            for each in self.neighbours.values()
            if each is not whom
            and each.state == "alive"
            and each.trial is None
            and each.other is None
        ]

    def _paths(self, whom: Neighbour) -> frozenset[Via]:
        paths: set[Via] = {"direct"} if whom.direct else set()
        if self._able(whom):
            paths.add("peer")
        if self.has_broker:
            paths.add("broker")
        return frozenset(paths)

    def _pick(self) -> Neighbour | None:
        for _ in range(len(self.neighbours) + 1):
            if not self._queue:
                self._queue = list(self.neighbours)
                self.rng.shuffle(self._queue)
                if not self._queue:
                    return None
            each = self.neighbours.get(self._queue.pop())
            if each is not None and each.is_reached and each.trial is None:
                return each
        return None
