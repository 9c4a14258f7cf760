"""What is believed already and still to be written: reports and events.

Bounded: one report a device, and the newest so many events. Refusals are all counted,
but only so many of each reason are written down.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.bucket import Rate
from edge.trust import Refused
from hub.limits import Buckets
from hub.records import Batch, Event, ReportRow

EVENTS_MAX = 2_000
"""Events kept for the next flush; a flood pushes out its own beginning."""
REFUSALS = Rate(burst=50.0, per_second=0.1)
"""Refusals written down, for each reason."""


@dataclass(slots=True, kw_only=True)
class Backlog:
    """Reports and events that wait for the database; ``now`` is epoch seconds."""

    counters: Counter[str] = field(default_factory=Counter)
    """Everything refused, by ``<kind>: <reason>``."""
    reports: dict[str, ReportRow] = field(default_factory=dict)
    """Device id → its newest report."""
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_MAX))
    refusals: Buckets = field(default_factory=lambda: Buckets(rate=REFUSALS))

    def tell(self, kind: str, subject: str, text: str, now: float) -> None:
        """Remember an event."""
        self.events.append(Event(at=now, kind=kind, subject=subject, text=text))

    def refuse(self, refused: Refused, now: float) -> None:
        """Count a refusal, and remember it unless there are too many."""
        kind = refused.kind or "message"
        self.counters[f"{kind}: {refused.reason}"] += 1
        if self.refusals.take(refused.reason, now):
            self.tell("refused", kind, f"{refused.reason}: {refused.problem}", now)

    def take(self) -> Batch:
        """Return what waits; reports stay here until they are `written`."""
        events, self.events = self.events, deque(maxlen=EVENTS_MAX)
        return Batch(reports=tuple(self.reports.values()), events=tuple(events))

    def written(self, reports: Iterable[ReportRow]) -> None:
        """Forget reports that are written, unless a newer one came meanwhile."""
        for row in reports:
            if self.reports.get(row.device) is row:
                del self.reports[row.device]

    def put_back(self, events: Iterable[Event]) -> None:
        """Keep events that could not be written."""
        newer = self.events
        self.events = deque([*events, *newer], maxlen=EVENTS_MAX)
