from edge.trust import Refused
from hub.backlog import EVENTS_MAX, REFUSALS, Backlog
from hub.records import ReportRow


def row(device: str, at: float) -> ReportRow:
    """A report of which only the time matters."""
    return ReportRow(device=device, envelope=b"", facts=b"", instances=(), at=at)


def test_what_waits_is_taken_once() -> None:
    """The next flush has what came since."""
    backlog = Backlog()
    backlog.tell("k", "s", "one", 1.0)
    assert [each.text for each in backlog.take().events] == ["one"]
    assert not backlog.take()


def test_a_report_stays_until_it_is_written() -> None:
    """A newer one that came meanwhile stays longer."""
    backlog = Backlog()
    backlog.reports = {"a": row("a", 1.0), "b": row("b", 1.0)}
    batch = backlog.take()
    backlog.reports["b"] = row("b", 2.0)
    backlog.written(batch.reports)
    assert backlog.reports == {"b": row("b", 2.0)}


def test_events_that_could_not_be_written_are_kept_in_order() -> None:
    """The disk was full for a moment."""
    backlog = Backlog()
    backlog.tell("k", "s", "one", 1.0)
    batch = backlog.take()
    backlog.tell("k", "s", "two", 2.0)
    backlog.put_back(batch.events)
    assert [each.text for each in backlog.take().events] == ["one", "two"]


def test_a_disk_that_stays_full_does_not_fill_memory() -> None:
    """The oldest events go."""
    backlog = Backlog()
    for number in range(EVENTS_MAX + 1):
        backlog.tell("k", "s", str(number), 1.0)
    events = backlog.take().events
    assert (len(events), events[0].text) == (EVENTS_MAX, "1")


def test_every_refusal_is_counted_and_some_are_written_down() -> None:
    """A flood shows as a number."""
    backlog = Backlog()
    many = int(REFUSALS.burst) + 10
    for _ in range(many):
        backlog.refuse(Refused(reason="unsigned", problem="p", kind="node"), 1.0)
    backlog.refuse(Refused(reason="expired", problem="late"), 1.0)
    assert backlog.counters == {"node: unsigned": many, "message: expired": 1}
    events = backlog.take().events
    assert len(events) == int(REFUSALS.burst) + 1
    assert (events[-1].subject, events[-1].text) == ("message", "expired: late")
