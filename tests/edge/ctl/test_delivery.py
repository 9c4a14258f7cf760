"""What a person is asked before a deploy, and what others are told."""

import os
import sys

import click
import msgspec
import pytest

from edge.ctl import delivery
from edge.ctl.drafting import Draft
from edge.ctl.exits import Ended, Exit
from edge.ctl.handout import Handout
from edge.model import Security
from tests.support import builders as a
from tests.support.drafts import ground, next_version, stays, version, view

OLD = version(1, a.workload("web", env={"A": "1"}))


def draft(after=None, **changes):
    """Return a draft of version 2 on one device; ``changes`` are the plan's."""
    new = after or version(2, a.workload("web", env={"A": "2"}))
    found = ground(OLD, new, view("n1"))
    plan = msgspec.structs.replace(stays(found, 1), **changes)
    return Draft(deployment=new, before=OLD, plan=plan, handout=Handout(), ground=found)


@pytest.fixture
def answer(monkeypatch):
    """Sit at a terminal and type."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda text: os.write(ours, f"{text}\n".encode())
        monkeypatch.undo()
    os.close(ours)


def test_a_person_sees_the_plan_and_is_asked(answer, capfd):
    """Yes goes on."""
    answer("y")
    delivery.confirm(draft(), is_yes=False)
    said = capfd.readouterr().err
    assert '~ env.A: "1" → "2"' in said
    assert "Deploy it? [y/N]" in said


def test_no_is_the_answer_of_whoever_only_presses_enter(answer):
    """Nothing was signed."""
    answer("")
    with pytest.raises(click.Abort):
        delivery.confirm(draft(), is_yes=False)


def test_what_is_weaker_is_asked_about_as_such(answer, capfd):
    """The plan above says how."""
    weak = a.workload("web", security=Security(seccomp=False))
    answer("y")
    delivery.confirm(draft(version(2, weak)), is_yes=False)
    assert "Deploy it all the same?" in capfd.readouterr().err


def test_nobody_is_asked_who_said_yes(answer, capsys):
    """Or about what signs nothing."""
    delivery.confirm(draft(), is_yes=True)
    delivery.confirm(draft(is_new_version=False), is_yes=False)
    assert capsys.readouterr().err == ""


def test_without_a_terminal_what_matters_is_told(capsys):
    """No place, weaker, and what a lost device means."""
    weak = a.workload("web", security=Security(seccomp=False))
    said = {"unplaced": ("cannot place web/web.2",), "prospects": ("web: stays",)}
    delivery.confirm(draft(version(2, weak), **said), is_yes=False)
    assert capsys.readouterr().err.splitlines() == [
        "  cannot place web/web.2",
        "  failover: web: stays",
        "  weaker than usual: web: may make every system call, seccomp is off",
    ]


def test_an_undo_shows_its_plan_to_everyone(capsys):
    """There is no manifest to look at."""
    delivery.confirm(draft(), is_yes=True, is_shown=True)
    assert '~ env.A: "1" → "2"' in capsys.readouterr().err


def test_what_would_run_nowhere_is_refused():
    """Before a number is used up; unless that was allowed."""
    hopeless = draft(hopeless=("web",), unplaced=("no room",))
    with pytest.raises(Ended, match="web would run nowhere: no room") as caught:
        delivery.refuse_hopeless(hopeless, allow_unplaced=False)
    assert caught.value.code == Exit.ROLLOUT_FAILED
    delivery.refuse_hopeless(hopeless, allow_unplaced=True)
    delivery.refuse_hopeless(draft(), allow_unplaced=False)


def test_a_thousand_reasons_are_a_few_and_a_number():
    """The error stays a sentence."""
    many = tuple(f"cannot place {number}" for number in range(1000))
    with pytest.raises(Ended) as caught:
        delivery.refuse_hopeless(
            draft(hopeless=("web",), unplaced=many), allow_unplaced=False
        )
    said = str(caught.value)
    assert said.endswith("4; and 995 more replicas have no place; nothing was signed")


def test_waves_need_a_way_back():
    """A first version is everywhere at once, whatever it says."""
    assert delivery.is_staged(next_version())
    assert not delivery.is_staged(version(1, rollout=a.rollout()))
    assert not delivery.is_staged(OLD)
