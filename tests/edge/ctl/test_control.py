"""What can be said to a rollout, when, and what comes of it."""

import pytest

from edge.ctl import control
from tests.support import builders as a
from tests.support.stages import proved, stage, unit


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        ("rolling", "pause"),
        ("rolling", "promote"),
        ("rolling", "abort"),
        ("waiting", "pause"),
        ("waiting", "abort"),
        ("paused", "resume"),
        ("paused", "promote"),
        ("paused", "abort"),
        ("promotable", "promote"),
    ],
)
def test_a_word_that_changes_something_is_signed(phase, action):
    """In a rollout under way."""
    assert control.refusal(stage(phase=phase), action, 2) == ""


@pytest.mark.parametrize(
    ("phase", "action", "problem"),
    [
        ("idle", "pause", "no rollout is under way; only a deployment with [rollout]"),
        ("idle", "promote", "no rollout is under way"),
        ("done", "pause", "its rollout is done; `edgectl rollout undo web` takes it"),
        ("done", "abort", "its rollout is done"),
        ("failed", "resume", "failed and was taken back; `edgectl deploy` a mended"),
        ("aborted", "abort", "its rollout was aborted"),
        ("going-back", "pause", "it goes back already"),
        ("paused", "pause", "it is paused; `edgectl rollout resume web` goes on"),
        ("rolling", "resume", "it is not paused; `edgectl rollout watch web` shows it"),
        ("waiting", "promote", "its window is closed; devices begin when it opens"),
    ],
)
def test_a_word_that_changes_nothing_is_refused(phase, action, problem):
    """With what to do instead."""
    said = control.refusal(stage(phase=phase), action, 2)
    assert said.startswith(f"cannot {action} web 2: ")
    assert problem in said


@pytest.mark.parametrize(
    ("phase", "action"),
    [("done", "promote"), ("rolling", "promote"), ("failed", "abort")],
)
def test_who_is_stranded_is_brought_along_also_when_it_is_over(phase, action):
    """No evidence is left that its device would believe; the word stands in."""
    last = {"phase": phase, "wave": 2}
    assert control.refusal(stage(**last), action, 2)
    assert control.refusal(stage(**last, stranded=("n3",)), action, 2) == ""


def test_a_rollout_that_is_done_is_not_aborted_for_who_is_stranded():
    """It is taken back by the next version."""
    over = stage(phase="done", wave=2, stranded=("n3",))
    assert "its rollout is done" in control.refusal(over, "abort", 2)


def test_a_promote_for_who_is_stranded_opens_no_further_wave():
    """It is said what it does instead."""
    found = stage(wave=1, stranded=("n2", "n3"))
    assert control.wave(found, "promote", None) == 0
    assert control.wave(stage(wave=1), "promote", None) == 1
    assert control.intent(found, "promote") == "web 2 reaches n2, n3 without proof"
    assert control.outcome(found, "promote") == "web 2 goes to n2, n3"
    many = stage(stranded=tuple(f"n{n}" for n in range(9)))
    assert control.stranded(many) == "n0, n1, n2 and 6 more"


@pytest.mark.parametrize("action", ["pause", "resume", "abort"])
def test_what_is_said_after_a_promote_carries_it_on(action):
    """Devices know the newest word only; one on another version opens nothing."""
    said = a.control(target=2, action="promote", wave=1)
    assert control.wave(stage(wave=2), action, said) == 1
    assert control.wave(stage(wave=2), "promote", said) == 2
    assert control.wave(stage(wave=2), action, None) == 0
    assert control.wave(stage(wave=2), action, a.control(target=1, wave=1)) == 0


def test_after_the_last_wave_there_is_nothing_to_promote():
    """Except the switch of a blue-green rollout."""
    last = stage(wave=2)
    assert "its last wave is open" in control.refusal(last, "promote", 2)
    ready = stage(wave=2, phase="promotable")
    assert control.refusal(ready, "promote", 2) == ""


@pytest.mark.parametrize("action", ["pause", "resume", "promote", "abort"])
def test_without_a_way_back_there_is_nothing_to_say(action):
    """A first version is everywhere at once, whatever its limits."""
    said = control.refusal(stage(fallback=0), action, 2)
    assert "there is no version to go back to, so it is everywhere at once" in said


def test_a_word_is_about_the_newest_version():
    """Which the hub may not have begun with, or which it may hide."""
    early = control.refusal(stage(), "pause", 3)
    assert early == (
        "cannot pause web 3: the hub has not begun with it yet; try again in a moment"
    )
    assert "run `edgectl doctor`" in control.refusal(stage(version=4), "pause", 3)


@pytest.mark.parametrize(
    ("action", "intent", "outcome"),
    [
        (
            "pause",
            "web 2 changes on no further device until it is resumed",
            "web 2 is paused; `edgectl rollout resume web` goes on",
        ),
        ("resume", "web 2 goes on with wave 1 of 2", "web 2 goes on"),
        (
            "promote",
            "web 2 goes on to wave 2 of 2 without waiting for proof",
            "web 2 goes on to wave 2 of 2",
        ),
        (
            "abort",
            "web 2 is given up: 2 of 3 replicas have it and go back to version 1",
            "web 2 goes back to version 1; `edgectl rollout watch web` shows it",
        ),
    ],
)
def test_what_will_be_done_and_what_was_done_is_said(action, intent, outcome):
    """Before the question, and after the answer."""
    found = stage(proved(1), unit(2, wanted=2), unit(3))
    assert control.intent(found, action) == intent
    assert control.outcome(found, action) == outcome


def test_promote_of_a_new_set_is_the_switch():
    """Blue and green run side by side."""
    found = stage(phase="promotable")
    assert control.outcome(found, "promote") == "web 2 goes on to the switch"


BLUE_GREEN = {"strategy": "blue-green", "waves": 1}


def test_a_new_set_is_promoted_when_it_is_up():
    """Not before: the switch is to something that works."""
    early = control.refusal(stage(**BLUE_GREEN), "promote", 2)
    assert "the new set is not up yet" in early
    held = control.refusal(stage(**BLUE_GREEN, phase="paused"), "promote", 2)
    assert "it is paused; `edgectl rollout resume web` goes on" in held
    ready = stage(**BLUE_GREEN, phase="promotable")
    assert control.refusal(ready, "promote", 2) == ""
    assert control.intent(ready, "promote") == (
        "web 2 is switched to: version 1 is kept for a while, and leaves"
    )


def test_a_switch_is_taken_back_while_the_old_set_is_kept():
    """Afterwards an undo starts it anew."""
    limits = a.rollout(strategy="blue-green", keep_for=60.0)
    newest = a.deployment("web", 2, rollout=limits, fallback=1)
    done = stage(**BLUE_GREEN, phase="done", since=1000.0)
    assert control.is_kept(done, newest, 1059.0)
    assert not control.is_kept(done, newest, 1060.0)
    assert control.refusal(done, "abort", 2, is_kept=True) == ""
    assert "its rollout is done" in control.refusal(done, "abort", 2)
    assert "its rollout is done" in control.refusal(done, "pause", 2, is_kept=True)
    ready = stage(**BLUE_GREEN, phase="promotable", since=1000.0)
    assert not control.is_kept(ready, newest, 1001.0)
    other = a.deployment("web", 2, rollout=a.rollout(), fallback=1)
    assert not control.is_kept(done, other, 1001.0)
