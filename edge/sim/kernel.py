"""Virtual time: what happens next, in an order that only the seed decides."""

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

Action = Callable[[], None]


@dataclass(slots=True)
class Kernel:
    """A clock that jumps from event to event; events of one moment keep their order.

    Nothing is ever cancelled: whoever asked for an event recognises that it is stale.
    """

    seed: int
    now: float = 0.0
    events: int = 0
    """How many were performed so far."""
    _heap: list[tuple[float, int, Action]] = field(default_factory=list)
    _count: int = 0

    def at(self, when: float, action: Action) -> None:
        """Perform ``action`` at a time; one in the past is performed next."""
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self._count, action))

    def after(self, seconds: float, action: Action) -> None:
        """Perform ``action`` after so many seconds."""
        self.at(self.now + seconds, action)

    def run(self, until: float) -> None:
        """Perform what happens up to ``until``, and let time pass to there."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, action = heapq.heappop(heap)
            self.events += 1
            action()
        self.now = until

    def random(self, purpose: str) -> Random:
        """Return a generator of its own: one draw more changes nothing elsewhere."""
        return Random(f"{self.seed} {purpose}")  # noqa: S311 - a game, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened, for people and for programs."""

    at: float
    kind: str
    node: str
    text: str
    slot: str = ""
    term: int = 0


@dataclass(slots=True)
class Trace:
    """What happened, in order; ``digest`` stands for all of it, datagrams included."""

    lines: list[Line] = field(default_factory=list)
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def note(self, at: float, text: str) -> None:
        """Count something that nobody wants to read."""
        self._hash.update(b"%.6f %s\n" % (at, text.encode()))

    def add(self, line: Line) -> None:
        """Keep something that people want to read."""
        said = f"{line.kind} {line.node} {line.slot} {line.term} {line.text}"
        self.note(line.at, said)
        self.lines.append(line)

    @property
    def digest(self) -> str:
        """Return the identity of everything so far."""
        return self._hash.hexdigest()[:16]
