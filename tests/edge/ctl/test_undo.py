"""Which old version runs again, and under which limits."""

import pytest

from edge.ctl import undo
from edge.ctl.exits import Ended, Exit
from edge.ctl.shapes import Revision
from edge.ctl.staging import Candidate
from edge.staging import waves
from edge.staging.shapes import Wave
from tests.support import builders as a

THREE = (Revision(version=1), Revision(version=2), Revision(version=3, is_newest=True))
NEWEST = a.deployment("web", 3)
FLEET = tuple(Candidate(name, "home", {}, runs=True) for name in ("n1", "n2"))


def refused(newest, rows, asked):
    """Return the exit code and the sentence of an undo that cannot be."""
    with pytest.raises(Ended) as caught:
        undo.target(newest, rows, asked)
    return caught.value.code, str(caught.value)


def test_the_version_before_runs_again():
    """By default."""
    assert undo.target(NEWEST, THREE, None) == 2


def test_the_way_back_of_the_newest_comes_first():
    """Version 2 was bad, and 3 was to go back to 1 itself."""
    newest = a.deployment("web", 3, rollout=a.rollout(), fallback=1)
    assert undo.target(newest, THREE, None) == 1


def test_a_way_back_the_hub_lost_is_none():
    """Rather the one before it than nothing."""
    newest = a.deployment("web", 3, rollout=a.rollout(), fallback=1)
    assert undo.target(newest, THREE[1:], None) == 2


def test_a_version_may_be_named():
    """Any that there was; the newest itself tries again what failed."""
    assert undo.target(NEWEST, THREE, 1) == 1
    assert undo.target(NEWEST, THREE, 3) == 3


def test_an_end_of_the_deployment_is_passed_over():
    """Nothing ran then."""
    rows = (Revision(version=1), Revision(version=2, deleted=True))
    assert undo.target(NEWEST, rows, None) == 1
    code, problem = refused(NEWEST, rows, 2)
    assert code == Exit.FAILURE
    assert "it is an end, nothing ran then" in problem


def test_nothing_is_before_the_first_version():
    """What there is to do instead."""
    first = a.deployment("web", 1)
    code, problem = refused(first, (Revision(version=1, is_newest=True),), None)
    assert code == Exit.FAILURE
    assert problem == (
        "cannot undo web 1: it is the first version;"
        " `edgectl delete web` ends the deployment"
    )


@pytest.mark.parametrize("asked", [4, 9])
def test_a_version_that_never_was_is_not_found(asked):
    """Exit 3, and where to look."""
    code, problem = refused(NEWEST, THREE, asked)
    assert code == Exit.NOT_FOUND
    assert f"to version {asked}: there is no such version" in problem
    assert "`edgectl rollout history web`" in problem


def test_without_limits_it_is_everywhere_at_once():
    """As the newest version was."""
    assert undo.staged(NEWEST, FLEET, 2) == NEWEST


def test_the_limits_of_the_newest_version_hold():
    """With a way back of its own."""
    found = undo.staged(a.deployment("web", 4, rollout=a.rollout()), FLEET, 3)
    assert (found.rollout, found.fallback) == (a.rollout(), 3)


def test_a_device_that_is_gone_is_waited_for_no_more():
    """A wave of nobody would never be proved; every other wave stays."""
    limits = a.rollout(
        waves=(
            Wave(nodes=("gone",)),
            Wave(nodes=("gone", "n1")),
            Wave(nodes=("n1",)),
            Wave(share=1_000),
            Wave(nodes=("gone",), share=1_000),
            Wave(share=10_000),
        )
    )
    found = undo.staged(a.deployment("web", 4, rollout=limits), FLEET, 3).rollout
    assert found is not None
    assert found.waves == (
        Wave(nodes=("n1",)),
        Wave(share=1_000),
        Wave(share=10_000),
    )
    assert waves.problem(found) == ""
