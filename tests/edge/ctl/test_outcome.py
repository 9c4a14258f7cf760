"""How a rollout ends, and what a script is told."""

import pytest

from edge.ctl import outcome
from edge.ctl.outcome import Done, Failed, Going, Held, Overtaken, Ready
from tests.support.stages import bad, proved, stage, unit, word


@pytest.mark.parametrize("phase", ["rolling", "waiting", "going-back"])
def test_what_is_under_way_is_waited_for(phase):
    """Also the way back: it is over when everyone is back."""
    assert outcome.judge(stage(phase=phase), 2) == Going()


def test_a_hub_that_has_not_begun_is_waited_for():
    """It shows the version before, which may be done."""
    assert outcome.judge(stage(version=1, phase="done"), 2) == Going()


def test_a_later_version_overtakes():
    """Exit 8."""
    assert outcome.judge(stage(version=3), 2) == Overtaken(version=3)


def test_done_is_what_the_hub_calls_done():
    """Exit 0."""
    found = stage(proved(1), proved(2), phase="done")
    assert outcome.judge(found, 2) == Done(total=2)


def test_one_that_went_back_alone_is_remarked():
    """It came back after the rollout was done; that is no failure of the fleet."""
    found = stage(proved(1), bad(2), phase="done", reason="bad on n2")
    assert outcome.judge(found, 2) == Done(total=2, remark="bad on n2")


def test_whoever_is_offline_gets_it_later():
    """And is named; a device that has it already and went offline is not."""
    away = unit(2, online=False, wanted=2)
    found = stage(proved(1), away, proved(3, online=False), phase="done")
    assert outcome.judge(found, 2) == Done(total=3, waiting=("n2",))


def test_failed_says_why_and_where():
    """Exit 6, by the hub's reason, with the device if that names none."""
    found = stage(bad(1), phase="failed", reason="a device failed its trial")
    assert outcome.judge(found, 2) == Failed(
        problem=(
            "cannot bring web 2 about: a device failed its trial"
            " (web.1 on n1: exit code 1); version 1 runs again"
        )
    )


def test_a_reason_that_names_the_device_stands_alone():
    """Nobody reads it twice."""
    reason = "web.1 on n1 ended with code 1"
    verdict = outcome.judge(stage(bad(1), bad(2), phase="failed", reason=reason), 2)
    assert isinstance(verdict, Failed)
    assert verdict.problem == (
        f"cannot bring web 2 about: {reason}; version 1 runs again"
    )


def test_a_failure_without_any_reason_is_one_all_the_same():
    """An older hub may say less."""
    verdict = outcome.judge(stage(bad(1, reason=""), phase="failed"), 2)
    assert isinstance(verdict, Failed)
    assert "a device failed (web.1 on n1);" in verdict.problem


def test_an_abort_is_a_failure_of_its_own():
    """Exit 6 for whoever watches the deploy."""
    verdict = outcome.judge(stage(phase="aborted"), 2)
    assert isinstance(verdict, Failed)
    assert "an operator aborted it; version 1 runs again" in verdict.problem


def test_a_rollout_that_stands_still_by_itself_is_held():
    """Exit 6: nobody is going to move it but an operator."""
    verdict = outcome.judge(stage(phase="paused", reason="nothing proved in 10m"), 2)
    assert isinstance(verdict, Held)
    assert verdict.problem == (
        "cannot go on with web 2: nothing proved in 10m; it is paused: "
        "`edgectl rollout resume web` or `edgectl rollout abort web`"
    )


def test_a_pause_by_hand_is_waited_out():
    """Whoever said pause will say more."""
    found = stage(phase="paused", control=word("pause"))
    assert outcome.judge(found, 2) == Going()
    assert outcome.is_paused_by_hand(found)


@pytest.mark.parametrize("other", [word("resume"), word("pause", target=1), None])
def test_any_other_word_does_not_explain_a_pause(other):
    """One of another version, or one that is over."""
    found = stage(phase="paused", control=other)
    assert not outcome.is_paused_by_hand(found)
    assert isinstance(outcome.judge(found, 2), Held)


def test_failures_are_the_replicas_where_it_failed():
    """For their logs."""
    found = stage(bad(1), unit(2))
    assert outcome.failures(found) == (found.units[0],)


def test_a_new_set_that_is_up_is_an_end_that_says_how_to_go_on():
    """The operator decides another day; nobody watches until then."""
    away = unit(2, online=False, wanted=2)
    found = stage(proved(1), away, phase="promotable", strategy="blue-green")
    assert outcome.judge(found, 2) == Ready(waiting=("n2",))
    assert outcome.ending(found, "3.1 s") == (
        "web 2 runs beside version 1, 3.1 s: `edgectl rollout promote web` switches to"
        " it, `edgectl rollout abort web` removes it"
    )
    assert outcome.ending(stage(phase="done")) == "web 2: done"
