"""When is silence a death? A sequential test over probes that nobody answered.

- A probe is unanswered once the time of an answer has passed: mean round trip and four
  mean deviations, as TCP waits (RFC 6298).
- How much an unanswered probe says depends on the network: with a share q of probes
  lost, it is ``-ln q`` (Wald's sequential test; the phi detector counts likewise). On
  a clean LAN a handful is enough, at 50 % loss it takes thirty. q is learned while the
  device is known to be well, and never less than `LOSS_FLOOR`: networks turn bad
  without notice.
- A death needs `DEAD_AT`, and a time of silence that no pause of a busy device
  explains; that is shorter when others find the device silent too, and longer when we
  ourselves are late (Lifeguard: local health, suspicion timeouts).
"""

import math
from dataclasses import dataclass, field
from typing import Literal

Via = Literal["direct", "peer", "broker"]

LOSS_FLOOR = 0.05
LOSS_CEILING = 0.75
LOSS_WEIGHT = 1 / 12  # of the newest outcome in the mean
TRIP_WEIGHT, SPREAD_WEIGHT = 1 / 8, 1 / 4  # RFC 6298
FIRST_WAIT = 0.3  # seconds for an answer, before any was timed
SHORTEST_WAIT, LONGEST_WAIT = 0.05, 2.0
SUSPECT_AT = 6.0  # nats: 1 in 400
DEAD_AT = 20.0  # nats: 1 in 500,000,000, while probes fail independently
SHORTEST_SILENCE = 0.8
"""Seconds without a sign of life that a busy small device can fall into by itself."""
LONGEST_SILENCE = 1.2
"""Seconds while nobody else says that it is silent."""
CONFIRMATIONS = 2  # that bring the one down to the other
TRIAL_FOR = 0.45  # seconds that we ourselves must have asked in vain
SHORTEST_GAP = 0.06  # seconds between two rounds of questions
NEEDED: dict[Via, int] = {"direct": 3, "peer": 3, "broker": 2}
"""Unanswered probes on every path there is."""
EXTRA_WAIT: dict[Via, float] = {"direct": 0.0, "peer": 0.0, "broker": 0.25}
HOPS: dict[Via, int] = {"direct": 1, "peer": 2, "broker": 2}


@dataclass(slots=True)
class Estimate:
    """How long answers of one device take, and how many do not come."""

    trip: float = 0.0
    """Seconds, smoothed round trip; 0.0 before the first."""
    spread: float = 0.0
    loss: float = LOSS_FLOOR

    def answered(self, seconds: float) -> None:
        """Take an answer into account."""
        self._count(0.0)
        self.timed(seconds)

    def timed(self, seconds: float) -> None:
        """Take a round trip into account that says nothing of losses."""
        if not self.trip:
            self.trip, self.spread = seconds, seconds / 2
            return
        self.spread += SPREAD_WEIGHT * (abs(seconds - self.trip) - self.spread)
        self.trip += TRIP_WEIGHT * (seconds - self.trip)

    def unanswered(self) -> None:
        """Take a probe into account that was in vain."""
        self._count(1.0)

    def wait(self, via: Via = "direct") -> float:
        """Return for how many seconds an answer may take."""
        if not self.trip:
            return FIRST_WAIT + EXTRA_WAIT[via]
        usual = self.trip + 4 * self.spread
        longer = min(max(usual, SHORTEST_WAIT), LONGEST_WAIT) * HOPS[via]
        return longer + EXTRA_WAIT[via]

    def _count(self, lost: float) -> None:
        self.loss += LOSS_WEIGHT * (lost - self.loss)
        self.loss = min(max(self.loss, LOSS_FLOOR), LOSS_CEILING)


@dataclass(slots=True, kw_only=True)
class Trial:
    """One device under test; it ends with an answer, or with its death."""

    began_at: float
    """When the silence began, as far as this trial knows."""
    asked_since: float
    """When we began to ask."""
    loss: float
    """Share of probes that would be lost if the device were well."""
    gap: float
    asked_at: float = -math.inf
    """When the last round of questions left."""
    rounds: int = 0
    unanswered: dict[Via, int] = field(default_factory=dict)
    confirmed_by: set[str] = field(default_factory=set)
    is_suspect: bool = False

    def heard(self, now: float) -> None:
        """Begin anew: it is there, though it does not answer us yet."""
        self.began_at = now
        self.unanswered.clear()

    def failed(self, via: Via) -> None:
        """Count a probe whose answer is overdue."""
        self.unanswered[via] = self.unanswered.get(via, 0) + 1

    def shift(self, seconds: float) -> None:
        """Leave out a pause of our own."""
        self.began_at += seconds
        self.asked_since += seconds

    @property
    def score(self) -> float:
        """Return the evidence in nats."""
        total = 0.0
        for via, count in self.unanswered.items():
            lost = 1 - (1 - self.loss) ** HOPS[via]
            total -= count * math.log(lost)
        return total


def is_suspect(trial: Trial) -> bool:
    """Return whether others should hear of it."""
    return trial.score >= SUSPECT_AT and trial.unanswered.get("direct", 0) > 1


def is_dead(trial: Trial, silent_for: float, now: float, extra: float) -> bool:
    """Return whether no path, no time and no loss explains the silence any more.

    ``extra`` are seconds on top: of a slow network, of our own bad health.
    """
    asked_for = now - trial.began_at
    return (
        silent_for >= silence(len(trial.confirmed_by)) + extra
        and asked_for >= TRIAL_FOR + extra
        and trial.score >= DEAD_AT
    )


def silence(confirmations: int) -> float:
    """Return the seconds of silence that mean a death (Lifeguard, section IV-B)."""
    share = math.log(confirmations + 1) / math.log(CONFIRMATIONS + 1)
    span = LONGEST_SILENCE - SHORTEST_SILENCE
    return max(SHORTEST_SILENCE, LONGEST_SILENCE - span * share)


def is_asked(trial: Trial, paths: frozenset[Via]) -> bool:
    """Return whether every path there is was tried often enough."""
    return all(trial.unanswered.get(via, 0) >= NEEDED[via] for via in paths)


def describe(trial: Trial, silent_for: float) -> str:
    """Return in words why a device is held to be dead or suspect."""
    words: dict[Via, str] = {
        "direct": "directly",
        "peer": "through neighbours",
        "broker": "through the broker",
    }
    tries = [
        f"{trial.unanswered[via]} {word}"
        for via, word in words.items()
        if trial.unanswered.get(via)
    ]
    asked = ", ".join(tries) or "none yet"
    return f"silent for {silent_for:.1f} s; probes in vain: {asked}"
