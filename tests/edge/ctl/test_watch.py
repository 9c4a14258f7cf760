"""Watching a rollout ends as the rollout does; stopping to watch ends nothing."""

import msgspec
import pytest

from edge.ctl import watch
from edge.ctl.exits import Ended, Exit
from edge.ctl.live import Log
from edge.ctl.shapes import Stage
from edge.errors import RequestError, Unreachable
from tests.support.stages import bad, proved, stage, unit

ROLLING = stage()
DONE = stage(proved(1), proved(2), unit(3, online=False, wanted=2), phase="done")


class FakeHub:
    """Answers from a list: a stage, None for no change, or an error."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def stage(self, name, etag, wait):
        self.asked.append((name, etag, wait))
        found = self.answers.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found, f"tag-{len(self.asked)}"


class Seen(Log):
    """A log that is read by the test; ``is_live`` as a terminal has it."""

    def __init__(self, *, is_live=False):
        self.pictures = []
        super().__init__(lambda _: None)
        self.is_live = is_live

    def show(self, picture, news):
        self.pictures.append(picture)
        super().show(picture, news)


def watched(*answers, shown=None, version=2, **options):
    """Watch what a hub answers; return the last stage."""
    hub = FakeHub(*answers)
    return watch.until_over(hub, "web", version, shown or Seen(), **options)


def ended(*answers, **options):
    """Return the exit code and the sentence watching ends with."""
    with pytest.raises(Ended) as caught:
        watched(*answers, **options)
    return caught.value.code, str(caught.value)


def test_it_ends_when_the_rollout_is_done(capsys):
    """And says who is still to get it."""
    assert watched(ROLLING, None, DONE) == DONE
    assert "  offline, to get it when they are back: n3\n" in capsys.readouterr().err


def test_what_a_done_rollout_remarks_is_told(capsys):
    """A device that went back alone."""
    watched(stage(proved(1), bad(2), phase="done", reason="bad on n2"))
    assert "  bad on n2\n" in capsys.readouterr().err


def test_each_change_is_told_once():
    """For programs: an unchanged answer is no news."""
    told: list[Stage] = []
    watched(ROLLING, None, DONE, tell=told.append)
    assert told == [ROLLING, DONE]


def test_a_failure_ends_with_6_and_the_last_words(capsys):
    """Reason and log of the device."""
    going = stage(bad(1), phase="going-back")
    code, problem = ended(ROLLING, going, stage(bad(1), phase="failed"))
    assert code == Exit.ROLLOUT_FAILED
    assert "web.1 on n1: exit code 1" in problem
    said = capsys.readouterr().err
    assert "  web.1 on n1 failed: exit code 1\n    boot\n    no such table\n" in said


def test_a_rollout_that_stands_still_ends_with_6():
    """Nobody moves it but an operator."""
    code, problem = ended(stage(phase="paused", reason="nothing proved"))
    assert code == Exit.ROLLOUT_FAILED
    assert "it is paused" in problem


def test_a_later_version_ends_with_8():
    """Someone else was first."""
    code, problem = ended(ROLLING, stage(version=3))
    assert code == Exit.OVERTAKEN
    assert problem == "cannot finish web 2: someone signed version 3 meanwhile"


def test_the_version_before_is_not_shown():
    """The hub is about to begin with the new one."""
    shown = Seen()
    watched(stage(version=1, phase="done"), DONE, shown=shown)
    assert len(shown.pictures) == 1


def test_interrupting_says_how_to_come_back():
    """Exit 130; nothing is cancelled."""
    code, problem = ended(ROLLING, KeyboardInterrupt())
    assert code == Exit.INTERRUPTED
    assert "web 2 goes on" in problem
    assert "`edgectl rollout watch web`" in problem


def test_the_time_may_be_up():
    """Exit 7, with what was seen last."""
    code, problem = ended(timeout=0.0)
    assert code == Exit.TIMED_OUT
    assert "web 2" in problem


def test_a_terminal_is_drawn_while_nothing_changes():
    """The time left grows less."""
    shown, hub = Seen(is_live=True), FakeHub(ROLLING, None, None, DONE)
    watch.until_over(hub, "web", 2, shown)
    assert len(shown.pictures) == 4
    assert [wait for _, _, wait in hub.asked] == [0.0, 1.0, 1.0, 1.0]
    assert [etag for _, etag, _ in hub.asked] == ["", "tag-1", "tag-2", "tag-3"]


def test_a_log_waits_for_changes():
    """One question is open for as long as proxies let it."""
    hub = FakeHub(ROLLING, DONE)
    watch.until_over(hub, "web", 2, Seen())
    assert [wait for _, _, wait in hub.asked] == [0.0, 20.0]


def test_a_hub_that_is_away_is_asked_again(capsys):
    """That is said; what was seen last is said in the end."""
    broken = RequestError(503, "broken", "cannot reach the hub")
    for away in (Unreachable("cannot reach the hub"), broken):
        code, problem = ended(ROLLING, away, timeout=0.05)
        assert code == Exit.TIMED_OUT
        assert "wave 1 of 2: 0 of 1 proved" in problem
    assert capsys.readouterr().err.count("cannot reach the hub; asking again") == 2


def test_a_refusal_of_the_hub_ends_it():
    """A name it does not know."""
    with pytest.raises(RequestError):
        watched(RequestError(404, "not-found", "there is no deployment 'web'"))


def test_the_stage_of_a_done_rollout_may_say_more():
    """What a newer hub adds passes by."""
    more = msgspec.to_builtins(DONE) | {"colour": "green"}
    assert msgspec.convert(more, type(DONE)) == DONE


def test_it_ends_when_a_new_set_waits_for_its_promote(capsys):
    """With those who get it when they are back."""
    away = unit(3, online=False, wanted=2)
    ready = stage(proved(1), proved(2), away, phase="promotable")
    assert watched(ROLLING, ready) == ready
    assert "offline, to get it when they are back: n3" in capsys.readouterr().err
