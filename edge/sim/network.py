"""Wires between places: loss, delay, jitter, cuts in one direction or both.

Places are devices and two ends that are none: `HUB` and `BROKER`. A datagram is lost or
arrives late; jitter reorders. A stream (TCP, which MQTT runs over) loses nothing while
it stands: what the wire loses comes later.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from random import Random

HUB, BROKER = "hub", "broker"
Pair = tuple[str, str]

RETRANSMIT = 0.25
"""Seconds a stream waits before it sends again what was lost; it doubles."""
TRIES = 6
"""A stream that lost a segment so often is as good as cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad the wires are, for everyone alike."""

    loss: float = 0.0
    """Of a hundred datagrams, the share that never arrives: 0.2 is 20 %."""
    delay: float = 0.0004
    """Seconds one way on a LAN."""
    jitter: float = 0.0004
    """Seconds that may come on top, evenly drawn: reorders when it is large."""


CLEAN = Weather()


@dataclass(slots=True)
class Network:
    """Who can send to whom at this moment, and how long it takes."""

    rng: Random
    weather: Weather = CLEAN
    cuts: Counter[Pair] = field(default_factory=Counter)
    """How many faults cut a direction: it is whole when the last one is healed."""
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of datagrams by sender."""

    def cut(self, pairs: Iterable[Pair]) -> None:
        """Cut directions."""
        for pair in pairs:
            self.cuts[pair] += 1

    def heal(self, pairs: Iterable[Pair]) -> None:
        """Undo one earlier `cut` of the same directions."""
        for pair in pairs:
            self.cuts[pair] -= 1
            if self.cuts[pair] <= 0:
                del self.cuts[pair]

    def is_open(self, source: str, target: str) -> bool:
        """Return whether anything gets from one place to another."""
        return (source, target) not in self.cuts

    def is_joined(self, one: str, other: str) -> bool:
        """Return whether a connection both ways can stand."""
        return self.is_open(one, other) and self.is_open(other, one)

    def datagram(self, source: str, target: str, size: int) -> float | None:
        """Return after how many seconds a datagram arrives, None if it never does."""
        self.sent[source] += size
        if self.cuts and (source, target) in self.cuts:
            return None
        weather = self.weather
        if weather.loss and self.rng.random() < weather.loss:
            return None
        return weather.delay + self.rng.random() * weather.jitter

    def segment(self, source: str, target: str) -> float | None:
        """Return after how many seconds a stream delivers; None: it is broken."""
        if not self.is_joined(source, target):
            return None
        waited = 0.0
        for each in range(TRIES):
            if self.rng.random() >= self.weather.loss:
                late = self.weather.delay + self.rng.random() * self.weather.jitter
                return waited + late
            waited += RETRANSMIT * 2**each
        return waited


def both(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return each pair in both directions."""
    return tuple(sorted({p for a, b in pairs for p in ((a, b), (b, a))}))


def around(place: str, others: Iterable[str]) -> tuple[Pair, ...]:
    """Return everything between a place and all others."""
    return both((place, each) for each in others if each != place)


def split(*groups: Iterable[str]) -> tuple[Pair, ...]:
    """Return what lies between groups; inside a group all is well."""
    sides = [tuple(group) for group in groups]
    return tuple(
        sorted(
            (a, b) for one, other in permutations(sides, 2) for a in one for b in other
        )
    )


def halves(nodes: list[str], rng: Random) -> tuple[Pair, ...]:
    """Return a cut through the middle, the larger side by one at most."""
    mixed = rng.sample(nodes, len(nodes))
    middle = (len(nodes) + rng.randrange(2)) // 2 or 1
    return split(mixed[:middle], mixed[middle:])


def ring(nodes: list[str], rng: Random) -> tuple[Pair, ...]:
    """Return all but the wires of a ring: each hears two neighbours."""
    mixed = rng.sample(nodes, len(nodes))
    following = zip(mixed, [*mixed[1:], mixed[0]], strict=True)
    kept = set(both(following))
    return tuple(each for each in _all(nodes) if each not in kept)


def bridge(nodes: list[str], rng: Random) -> tuple[Pair, ...]:
    """Return two halves that share one device which hears both."""
    mixed = rng.sample(nodes, len(nodes))
    middle = len(nodes) // 2
    return split(mixed[1 : middle + 1], mixed[middle + 1 :])


def star(nodes: list[str], rng: Random) -> tuple[Pair, ...]:
    """Return all but the wires of one device in the centre."""
    centre = rng.choice(nodes)
    return tuple(each for each in _all(nodes) if centre not in each)


SHAPES = {"halves": halves, "ring": ring, "bridge": bridge, "star": star}


def _all(nodes: list[str]) -> Iterator[Pair]:
    return permutations(sorted(nodes), 2)
