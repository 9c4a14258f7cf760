"""When a deploy is done, failed or overtaken, by what the hub shows."""

import msgspec
import pytest

from edge.ctl import progress
from edge.ctl.progress import Done, Failed, Overtaken, Waiting
from edge.ctl.shapes import Expected, ReplicaRow, Status, Unplaced
from tests.support import builders as a

TWO = (a.workload("web", replicas=2),)


def row(number=1, **changes):
    """Return a replica that works at version 2."""
    parts = {
        "deployment": "web",
        "workload": "web",
        "replica": f"web.{number}",
        "revision": 2,
        "node": f"n{number}",
        "site": "home",
        "state": "running",
        "healthy": True,
        "slot": f"web/web.{number}",
        "wanted": 2,
    }
    return ReplicaRow(**{**parts, **changes})


def status(*rows, **changes):
    """Return how version 2 stands with these replicas expected."""
    expected = tuple(Expected(slot=each.slot, node=each.node) for each in rows)
    parts = {"name": "web", "version": 2, "expected": expected, "replicas": rows}
    return Status(**{**parts, **changes})


def judge(found, **options):
    """Return the verdict on version 2 with two replicas."""
    return progress.judge(found, 2, TWO, **options)


def test_all_healthy_is_done():
    """Exit 0."""
    assert judge(status(row(1), row(2))) == Done(total=2)


def test_one_that_starts_is_waited_for():
    """And said."""
    verdict = judge(status(row(1), row(2, state="starting", healthy=False)))
    assert isinstance(verdict, Waiting)
    assert verdict.lines == ("web.1 on n1: healthy", "web.2 on n2: starting")


@pytest.mark.parametrize(
    "second",
    [
        row(2, revision=1),
        row(2, healthy=False),
        row(2, state="stopping"),
        row(2, node="n9"),
    ],
)
def test_what_does_not_work_at_this_version_is_waited_for(second):
    """An old replica is healthy too, and does not count."""
    expected = tuple(Expected(slot=f"web/web.{n}", node=f"n{n}") for n in (1, 2))
    found = status(row(1), second, expected=expected)
    assert isinstance(judge(found), Waiting)


def test_a_hub_that_has_not_decided_yet_is_waited_for():
    """Right after the hand-in nothing is expected, which is not the same as done."""
    assert isinstance(judge(status()), Waiting)
    assert isinstance(judge(status(row(1))), Waiting)
    assert isinstance(judge(status(row(1), row(2), version=1)), Waiting)


def test_a_device_that_cannot_run_it_fails_the_deploy():
    """With its name and its reason."""
    bad = row(2, state="failed", healthy=False, reason="no image for arm")
    verdict = judge(status(row(1), bad))
    assert verdict == Failed(problems=("web.2 on n2 failed: no image for arm",))


def test_a_few_restarts_are_waited_out():
    """A database that comes up late."""
    slow = row(2, state="backing-off", healthy=False, restarts=2)
    assert isinstance(judge(status(row(1), slow)), Waiting)


def test_many_restarts_fail_the_deploy():
    """Patience would only hide the reason."""
    ill = row(2, state="starting", healthy=False, restarts=3, reason="500")
    verdict = judge(status(row(1), ill))
    assert verdict == Failed(problems=("web.2 on n2 starting after 3 restarts: 500",))


def test_what_still_runs_the_revision_before_says_so():
    """Healthy alone would sound as if it were done."""
    assert progress.lines([row(2, revision=1)]) == (
        "web.2 on n2: healthy at revision 1",
    )


def test_restarts_of_a_healthy_replica_are_history():
    """It got there."""
    assert judge(status(row(1), row(2, restarts=9))) == Done(total=2)


def test_trouble_of_the_old_version_is_not_ours():
    """The one that fails may be what is being replaced."""
    old = row(2, revision=1, state="failed", healthy=False)
    assert isinstance(judge(status(row(1), old)), Waiting)


def test_a_replica_without_a_place_fails_when_the_rest_works():
    """Exit 6 after the rest is healthy."""
    nowhere = Unplaced(slot="web/web.2", workload="web", problem="is drained (n1)")
    starting = status(row(1, state="starting", healthy=False), unplaced=(nowhere,))
    assert isinstance(judge(starting), Waiting)
    found = status(row(1), unplaced=(nowhere,))
    assert judge(found) == Failed(problems=("is drained (n1)",))


def test_unless_that_was_allowed():
    """`--allow-unplaced`."""
    nowhere = Unplaced(slot="web/web.2", workload="web")
    found = status(row(1), unplaced=(nowhere,))
    assert judge(found, allow_unplaced=True) == Done(total=1)


def test_every_is_decided_by_one_place():
    """How many there will be is the fleet's matter."""
    sensors = (a.workload("web", every="role=x"),)
    one = row(slot="web/web@n1", replica="web@n1")
    assert progress.judge(status(one), 2, sensors) == Done(total=1)
    assert isinstance(progress.judge(status(), 2, sensors), Waiting)


def test_a_later_version_overtakes():
    """Exit 8."""
    assert judge(status(version=3)) == Overtaken(version=3)


def test_no_replicas_are_done_at_once():
    """`replicas = 0`."""
    nothing = (a.workload("web", replicas=0),)
    assert progress.judge(status(), 2, nothing) == Done(total=0)


def test_a_deletion_is_over_when_nobody_runs_it():
    """What an offline device still runs ends when it hears of it."""
    assert progress.is_gone(status())
    assert progress.is_gone(status(row(1, state="unknown")))
    assert not progress.is_gone(status(row(1, state="stopping")))


def test_the_reason_is_told_while_it_lasts():
    """And not any more when it is healthy."""
    pulling = row(1, state="pulling", healthy=False, reason="12 MB")
    assert progress.lines([pulling]) == ("web.1 on n1: pulling (12 MB)",)
    nowhere = msgspec.structs.replace(pulling, node="", state="waiting", reason="")
    assert progress.lines([nowhere]) == ("web.1: waiting",)
