"""A rollout as a person reads it, on a screen and in a log."""

import pytest

from edge.ctl import stage_text
from edge.ctl.shapes import Revision
from edge.ctl.stage_text import Tally
from tests.support import builders as a
from tests.support.stages import bad, proved, stage, unit, word

HALF = stage(
    proved(1),
    unit(2, wanted=2, state="starting", healthy=False, reason="12 MB"),
    unit(3, online=False, wanted=2),
    unit(4),
    wave=2,
    unavailable=1,
    deadline=a.NOW + 200,
)


def test_the_title_says_the_whole():
    """Version, kind, phase, wave."""
    assert stage_text.title(HALF) == "web 2 (canary, over 1): rolling out, wave 2 of 2"


def test_the_clock_says_what_is_left():
    """Of the limit, and of the time."""
    assert stage_text.clock(HALF, a.NOW) == (
        "1 away of 1 allowed, 3 min 20 s left to prove itself"
    )


@pytest.mark.parametrize("deadline", [0.0, None, a.NOW - 1])
def test_no_deadline_is_no_time_left(deadline):
    """Nor is one that passed: the verdict is about to come."""
    assert stage_text.clock(stage(deadline=deadline), a.NOW) == "0 away of 1 allowed"


def test_a_closed_window_says_when_it_opens():
    """A night may be long."""
    shut = stage(phase="waiting", deadline=a.NOW + 9000)
    assert stage_text.clock(shut, a.NOW) == "it opens in 2 h 30 min"
    assert stage_text.clock(stage(phase="waiting"), a.NOW) == ""


def test_what_is_over_has_no_clock():
    """Nothing is left to wait for."""
    assert stage_text.clock(stage(phase="done", deadline=a.NOW + 9), a.NOW) == ""


def test_a_pause_by_hand_needs_no_reason():
    """The hub would only say it again."""
    held = stage(phase="paused", control=word("pause"), reason="the operator paused it")
    assert stage_text.reason(held) == ""
    assert stage_text.reason(stage(phase="paused", reason="no proof")) == "no proof"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phase": "idle", "strategy": "", "fallback": 0}, "web 2: no rollout"),
        ({"phase": "waiting"}, "waiting for its window"),
        ({"phase": "paused", "control": word("pause")}, "paused by an operator, wave"),
        ({"phase": "paused"}, "paused, wave 1 of 2"),
        ({"phase": "going-back"}, "going back to version 1"),
        ({"phase": "failed"}, "failed, taken back"),
        ({"phase": "aborted"}, "aborted, taken back"),
        ({"phase": "done"}, "web 2 (canary, over 1): done"),
        ({"phase": "promotable"}, "ready for `edgectl rollout promote`"),
        ({"phase": "invented"}, "invented"),
    ],
)
def test_every_phase_has_words(changes, said):
    """A phase of a newer hub is shown as it is."""
    assert said in stage_text.title(stage(**changes))


def test_a_wave_is_counted():
    """Each device once, by what counts most."""
    assert stage_text.tally(HALF, 1) == Tally(
        total=1, proved=1, changing=0, failed=0, offline=0
    )
    assert stage_text.waves(HALF) == (
        "wave 1 of 2: 1 of 1 proved",
        "wave 2 of 2: 0 of 3 proved, 1 changing, 1 offline",
    )


def test_a_wave_nobody_is_in_says_so():
    """0 of 0 proved would sound finished."""
    assert stage_text.waves(stage(unit(2))) == (
        "wave 1 of 2: nobody is in it",
        "wave 2 of 2: 0 of 1 proved",
    )


def test_failures_come_first_and_what_is_quiet_is_left_out():
    """What is proved, or waits, is a number in its wave."""
    found = stage(
        unit(4, online=False, wanted=2),
        unit(2, version=2, wanted=2),
        bad(1),
        proved(3),
        unit(5),
        unit(6, version=0, wanted=2, state="", healthy=False),
        unit(7, online=False),
    )
    assert stage_text.devices(found) == (
        "web.1 on n1: failed (exit code 1), at version 1",
        "web.2 on n2: healthy, proving itself",
        "web.6 on n6: changing, still at no version",
        "web.4 on n4: offline at version 1; gets 2 when it is back",
        "web.7 on n7: offline at version 1",
    )


def test_the_way_back_is_shown():
    """Who is not there yet."""
    found = stage(bad(1), proved(2, wanted=1), unit(3), phase="going-back")
    assert stage_text.devices(found) == (
        "web.1 on n1: failed (exit code 1), at version 1",
        "web.2 on n2: going back to version 1",
    )


def test_a_log_has_nothing_that_changes_every_second():
    """Or it would never end."""
    assert stage_text.news(HALF)[0] == (
        "web 2 (canary, over 1): rolling out, wave 2 of 2"
    )
    assert stage_text.news(HALF)[-2:] == (
        "web.2 on n2: changing, still at version 1 (12 MB)",
        "web.3 on n3: offline at version 1; gets 2 when it is back",
    )


def test_a_picture_is_all_of_it():
    """Waves and devices stand under the heading."""
    lines = stage_text.picture(HALF, a.NOW)
    assert lines[0] == stage_text.title(HALF)
    assert lines[1] == f"  {stage_text.clock(HALF, a.NOW)}"
    assert lines[2] == "  wave 1 of 2: 1 of 1 proved"
    assert len(lines) == 6
    failed = stage_text.picture(stage(bad(1), phase="failed", reason="n1"), a.NOW)
    assert failed[1] == "  n1"


def test_who_needs_the_operators_word_is_named_with_it():
    """In the picture and in the log."""
    found = stage(phase="done", stranded=("n2", "n3"))
    line = "no evidence is left for n2, n3: `edgectl rollout promote web`"
    assert f"  {line}" in stage_text.picture(found, a.NOW)
    assert line in stage_text.news(found)
    back = stage(phase="failed", stranded=("n2",))
    assert "rollout abort web" in stage_text.stranded(back)[0]


def test_a_log_has_the_reason_behind_the_title():
    """In one line."""
    lines = stage_text.news(stage(phase="paused", reason="no proof"))
    assert lines[0] == "web 2 (canary, over 1): paused, wave 1 of 2: no proof"


def test_one_that_starts_is_told_by_its_state():
    """Until it is healthy."""
    starting = unit(1, version=2, wanted=2, state="", healthy=False, reason="404")
    assert stage_text.devices(stage(starting)) == ("web.1 on n1: starting (404)",)


def test_trouble_has_the_reason_and_the_last_lines():
    """What a person needs at 3 a.m."""
    assert stage_text.trouble(stage(bad(1), unit(2))) == (
        "web.1 on n1 failed: exit code 1",
        "  boot",
        "  no such table",
    )
    assert stage_text.trouble(stage(unit(1))) == ()


def test_a_long_log_is_its_end():
    """And a device without any says so."""
    log = tuple(f"line {number}" for number in range(50))
    lines = stage_text.trouble(stage(bad(1, last_lines=log, reason="")))
    assert lines[0] == "web.1 on n1 failed: no reason was given"
    assert lines[1:] == tuple(f"  line {number}" for number in range(30, 50))


def test_many_failures_are_counted():
    """Three logs are enough."""
    lines = stage_text.trouble(stage(*(bad(number) for number in range(1, 6))))
    assert lines[-1] == "and 2 more failed, on n4, n5"
    assert len(lines) == 3 * 3 + 1


def test_history_is_newest_first():
    """An end of the deployment has no workloads."""
    rows = (
        Revision(version=1, issued_at=0.0, workloads=2),
        Revision(version=2, issued_at=60.0, deleted=True),
        Revision(version=3, issued_at=120.0, workloads=1, is_newest=True),
    )
    assert [line.split() for line in stage_text.history(rows).splitlines()] == [
        ["VERSION", "SIGNED", "WORKLOADS"],
        ["3", "1970-01-01", "00:02:00", "1", "newest"],
        ["2", "1970-01-01", "00:01:00", "-", "deleted"],
        ["1", "1970-01-01", "00:00:00", "2"],
    ]


def test_an_ended_deployment_says_so_in_its_history():
    """Its newest version is the end."""
    rows = (Revision(version=2, deleted=True, is_newest=True),)
    assert stage_text.history(rows).endswith("deleted, newest")


def test_two_sets_have_nobody_away():
    """The old one serves until the promote."""
    found = stage(strategy="blue-green", deadline=a.NOW + 200)
    assert stage_text.clock(found, a.NOW) == "3 min 20 s left to prove itself"
    assert stage_text.clock(stage(strategy="blue-green"), a.NOW) == ""
