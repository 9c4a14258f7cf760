"""A plan says what changes where, and refuses what would run nowhere."""

import msgspec
import pytest

from edge.ctl import plan as plans
from edge.model import Security
from edge.names import NodeName, Slot
from edge.placement import Placement, Unmatched, Unplaced
from tests.support import builders as a


def placed(places=None, unplaced=(), unmatched=()):
    """Return a placement of slots by name."""
    return Placement(
        places={Slot(slot): NodeName(node) for slot, node in (places or {}).items()},
        unplaced=tuple(
            Unplaced(slot=Slot(slot), reasons={NodeName("n1"): "is drained"})
            for slot in unplaced
        ),
        unmatched=unmatched,
    )


def made(before, after, placement, where=None):
    """Return the plan; ``where`` is slot → node now."""
    current = {Slot(slot): NodeName(node) for slot, node in (where or {}).items()}
    return plans.make(before, after, placement, current)


def kinds(plan):
    """Return slot → what happens to it."""
    return {each.slot: each.kind for each in plan.changes}


ONE, TWO = a.deployment("web", 1), a.deployment("web", 2)
PLACED = placed({"web/web.1": "n1"})


def test_a_first_version_is_all_new():
    """Nothing was there."""
    plan = made(None, ONE, PLACED)
    assert plan.is_new_version
    assert kinds(plan) == {"web/web.1": "new"}


def test_the_same_workload_is_left_alone():
    """A new number does not restart a container."""
    plan = made(ONE, TWO, PLACED, {"web/web.1": "n1"})
    assert kinds(plan) == {"web/web.1": "unchanged"}


def test_another_workload_changes_where_it_is():
    """The device stays, the container goes."""
    other = a.deployment("web", 2, workloads=(a.workload("web", env={"A": "1"}),))
    plan = made(ONE, other, PLACED, {"web/web.1": "n1"})
    assert kinds(plan) == {"web/web.1": "changed"}


def test_a_replica_that_went_back_is_compared_with_what_it_runs():
    """The version before failed there: the same again is a change, what runs none."""
    other = a.workload("web", env={"A": "1"})
    bad, again = (a.deployment("web", n, workloads=(other,)) for n in (2, 3))
    where = {Slot("web/web.1"): NodeName("n1")}
    runs = {Slot("web/web.1"): ONE.workloads[0]}
    plan = plans.make(bad, again, PLACED, where, runs)
    assert kinds(plan) == {"web/web.1": "changed"}
    undone = a.deployment("web", 3)
    plan = plans.make(bad, undone, PLACED, where, runs)
    assert kinds(plan) == {"web/web.1": "unchanged"}


def test_a_replica_that_leaves_its_device_is_moved():
    """Both devices are named."""
    (change,) = made(ONE, TWO, PLACED, {"web/web.1": "n2"}).changes
    assert (change.kind, change.before, change.node) == ("moved", "n2", "n1")


def test_a_replica_that_is_no_longer_wanted_is_removed():
    """Fewer replicas, or a workload that went."""
    plan = made(ONE, TWO, PLACED, {"web/web.1": "n1", "web/web.2": "n2"})
    assert kinds(plan)["web/web.2"] == "removed"


def test_a_replica_without_a_place_is_explained_not_removed():
    """It is wanted; there is no room."""
    plan = made(ONE, TWO, placed(unplaced=["web/web.1"]), {"web/web.1": "n1"})
    assert plan.changes == ()
    assert plan.unplaced == ("cannot place web/web.1: is drained (n1)",)
    assert plan.hopeless == ("web",)


def test_one_replica_of_two_is_not_hopeless():
    """The rest waits for a device."""
    two = a.deployment(workloads=(a.workload("web", replicas=2),))
    plan = made(None, two, placed({"web/web.1": "n1"}, ["web/web.2"]))
    assert plan.hopeless == ()
    assert len(plan.unplaced) == 1


def test_every_without_a_device_is_hopeless():
    """A label nobody carries is most often a slip."""
    asked = a.deployment(workloads=(a.workload("web", every="role=x"),))
    nobody = Unmatched(deployment="web", workload="web", reasons={})
    assert made(None, asked, placed(unmatched=(nobody,))).hopeless == ("web",)


def test_no_replicas_is_not_hopeless():
    """`replicas = 0` runs nowhere on purpose."""
    asked = a.deployment(workloads=(a.workload("web", replicas=0),))
    assert made(None, asked, placed()).hopeless == ()


def test_only_a_new_weakness_is_new():
    """People are asked once, not at each deploy."""
    weak = a.workload("web", security=Security(capabilities=("NET_ADMIN",)))
    first = a.deployment("web", 2, workloads=(weak,))
    again = msgspec.structs.replace(first, version=3)
    assert made(ONE, first, PLACED).new_weakenings
    plan = made(first, again, PLACED)
    assert plan.weakenings == ("web: keeps the capability NET_ADMIN",)
    assert plan.new_weakenings == ()


@pytest.mark.parametrize(
    ("before", "is_same"),
    [
        (None, False),
        (ONE, True),
        (msgspec.structs.replace(ONE, scope="x"), False),
        (msgspec.structs.replace(ONE, rollout=a.rollout()), False),
    ],
)
def test_a_version_that_says_the_same_is_not_signed(before, is_same):
    """Numbers, dates and parents do not count."""
    assert plans.is_same(before, TWO) is is_same


def test_ten_comes_after_two():
    """Replicas are listed as people count."""
    places = {f"web/web.{number}": "n1" for number in (10, 2, 1)}
    plan = made(None, ONE, placed(places))
    assert [each.slot for each in plan.changes] == [
        "web/web.1",
        "web/web.2",
        "web/web.10",
    ]
