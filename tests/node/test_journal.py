"""The device's event log and outbox: bounded, survives restarts."""

from node import journal


def test_events_are_read_back(tmp_path):
    """A restart keeps the story."""
    log = journal.load(tmp_path / "events.jsonl")
    log.add("refused", "web", "not signed", 1.0)
    assert [each.text for each in journal.load(tmp_path / "events.jsonl").events] == [
        "not signed"
    ]


def test_the_same_sentence_is_written_once_a_minute(tmp_path):
    """A hub that repeats itself does not wear out the flash."""
    log = journal.load(tmp_path / "events.jsonl")
    assert log.add("refused", "web", "not signed", 1.0) is not None
    assert log.add("refused", "web", "not signed", 2.0) is None
    assert log.add("refused", "web", "not signed", 100.0) is not None


def test_a_flood_is_cut_off(tmp_path):
    """An attacker's thousand different refusals do not reach the flash."""
    log = journal.load(tmp_path / "events.jsonl")
    written = [log.add("refused", "x", f"forgery {n}", 1.0) for n in range(1000)]
    assert sum(event is not None for event in written) == journal.BURST
    assert log.add("bad", "web/web.1", "revision 2 failed", 2.0) is not None
    assert log.add("refused", "x", "one more", 3.0) is None
    assert log.add("refused", "x", "one more", 61.0) is not None


def test_the_file_is_bounded(tmp_path):
    """A year offline keeps the newest events."""
    log = journal.load(tmp_path / "events.jsonl")
    for number in range(3 * journal.KEPT):
        log.add("k", "s", f"event {number}", 1000.0 * number)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert len(lines) <= 2 * journal.KEPT
    assert b"event 2999" in lines[-1]


def test_the_outbox_remembers_what_was_sent(tmp_path):
    """After a restart only the rest is sent."""
    log = journal.load(tmp_path / "events.jsonl")
    first = log.add("k", "s", "one", 1.0)
    log.add("k", "s", "two", 2.0)
    log.mark_sent(first.seq)
    log.save_sent()
    again = journal.load(tmp_path / "events.jsonl")
    assert [each.text for each in again.unsent()] == ["two"]


def test_half_a_line_is_skipped(tmp_path):
    """A power cut in the middle of a line costs that line."""
    log = journal.load(tmp_path / "events.jsonl")
    log.add("k", "s", "one", 1.0)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "at"')
    again = journal.load(tmp_path / "events.jsonl")
    assert len(again.events) == 1
    again.add("k", "s", "two", 2.0)
    assert len(journal.load(tmp_path / "events.jsonl").events) == len(("one", "two"))


def test_a_power_cut_repeats_few_events(tmp_path):
    """How far the hub was told is written down now and then."""
    log = journal.load(tmp_path / "events.jsonl")
    for number in range(journal.SAVED_EVERY + 1):
        log.add("action", "web", str(number), number * journal.REPEAT_FOR)
        log.mark_sent(log.newest)
    assert len(journal.load(tmp_path / "events.jsonl").unsent()) == 1


def test_a_lost_log_goes_on_counting(tmp_path):
    """Or nothing new would be told until it caught up with what was."""
    log = journal.load(tmp_path / "events.jsonl")
    log.add("action", "web", "start", 1.0)
    log.mark_sent(log.newest)
    log.save_sent()
    (tmp_path / "events.jsonl").unlink()
    again = journal.load(tmp_path / "events.jsonl")
    again.add("action", "web", "stop", 2.0)
    assert [each.text for each in again.unsent()] == ["stop"]
