"""Two copies of one slot: an elder beside a newer one, each cared for as any other."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from node import reconcile
from node.actions import Create, Pull, Remove, Start, Stop
from node.replica import ELDER
from tests.support.planning import ROUNDS, Device, interleaved, kinds, ready
from tests.support.replicas import (
    HEALTH,
    PodmanModel,
    a_container,
    a_port,
    a_replica,
    a_workload,
    exited,
    image,
    image_id,
)

SLOT = "web/web.1"


def copy(version: int, **changes):
    """Return a version of the slot, on a host port of its own."""
    workload = a_workload(ports=(a_port(8080 + version),))
    return a_replica(version=version, workload=workload, starts_first=True, **changes)


OLD, NEW, NEWEST = copy(1), copy(2), copy(3)
ELDEST = replace(OLD, is_elder=True, starts_first=False)
BOTH = (NEW, ELDEST)


def beside() -> Device:
    """Return a device on which both run."""
    return ready(*BOTH)


def shown(device: Device, number: int):
    """Return the container of a version."""
    found = device.model.containers.values()
    return next(each for each in found if each.version == number)


def test_the_new_one_starts_and_the_old_one_is_left_alone():
    """Nothing of the old one is touched, healthy or not."""
    device = ready(OLD)
    before = shown(device, 1)
    plan = device.settle(BOTH)
    assert shown(device, 1) == before
    assert [each.version for each in plan.statuses] == [2]
    assert plan.statuses[0].reason == "beside revision 1"
    assert len(device.model.running(SLOT)) == 2


def test_one_that_ends_is_started_again_and_the_other_one_left_alone():
    """The old one is what serves."""
    device = beside()
    for number in (1, 2):
        device.now += 1000.0
        device.plan(BOTH)
        gone = shown(device, number)
        device.model.crash(gone)
        plan = device.plan(BOTH)
        assert [(type(each), each.container) for each in plan.actions] == [
            (Start, gone.id)
        ]
        device.settle(BOTH)


def test_both_come_back_after_a_boot():
    """Neither was ever told to stop."""
    device = beside()
    for each in tuple(device.model.containers.values()):
        device.model.add(exited(each, 137))
    device.history = {}
    device.settle(BOTH)
    assert len(device.model.running(SLOT)) == 2


def test_one_that_podman_lost_is_made_anew():
    """Even if its image has to be fetched again."""
    device = beside()
    device.model.containers.pop(shown(device, 1).id)
    assert kinds(device.plan(BOTH)) == [Create, Start]
    device.model.images.clear()
    assert kinds(device.plan(BOTH)) == [Pull]


def test_the_old_one_leaves_alone():
    """After the switch there is one."""
    device = beside()
    kept = shown(device, 2)
    assert kinds(device.plan([NEW])) == [Stop, Remove]
    device.settle([NEW])
    assert device.model.running(SLOT) == [kept]


def test_going_back_starts_nothing():
    """The way back runs already: it is known, and healthy at once."""
    device = beside()
    plan = device.plan([OLD])
    assert kinds(plan) == [Stop, Remove]
    assert [each.version for each in plan.statuses] == [1]
    assert plan.statuses[0].healthy


def test_a_third_version_takes_the_place_of_the_second():
    """It may be on the second one's port, so that one stops first; two at most."""
    device = beside()
    kept = shown(device, 1)
    port = NEW.workload.ports
    third = a_replica(version=3, workload=a_workload(ports=port, env={"A": "3"}))
    wanted = (third, ELDEST)
    assert kinds(device.plan(wanted)) == [Create, Stop, Start, Remove]
    device.settle(wanted)
    assert {each.version for each in device.model.running(SLOT)} == {1, 3}
    assert shown(device, 1) == kept


def test_a_third_version_after_the_switch_takes_the_place_of_the_first():
    """On its ports, mostly: they go back and forth."""
    device = beside()
    third = a_replica(
        version=3,
        workload=a_workload(ports=OLD.workload.ports, env={"A": "3"}),
        starts_first=True,
    )
    wanted = (third, replace(NEW, is_elder=True))
    device.settle(wanted)
    assert {each.version for each in device.model.running(SLOT)} == {2, 3}


def test_what_a_version_does_not_change_has_no_elder():
    """One container is both."""
    same = replace(OLD, version=2)
    device = ready(OLD)
    plan = device.plan((same, ELDEST))
    assert not plan.actions
    assert len(device.model.running(SLOT)) == 1


def test_the_status_says_how_the_old_one_is():
    """It is the one that serves, and has no line of its own."""
    device = beside()
    device.now += 1000.0
    device.plan(BOTH)
    for _ in range(2):
        device.model.crash(shown(device, 1))
        plan = device.plan(BOTH)
    (status,) = plan.statuses
    assert status.healthy
    assert status.reason.startswith("beside revision 1, which is ")


def test_a_chain_of_one_copy_holds_up_the_other_one():
    """One becomes the other: its start must not be begun twice."""
    device = ready(OLD)
    device.model.crash(shown(device, 1))
    plan = device.plan(BOTH, busy=frozenset({SLOT}))
    assert SLOT not in {each.key for each in plan.chains}
    assert f"{SLOT}{ELDER}" not in {each.key for each in plan.chains}


def test_a_sick_elder_is_started_again_by_its_own_probes():
    """As it was when it was the only one."""
    old = copy(1, is_elder=True)
    old = replace(old, workload=a_workload(health=HEALTH, ports=old.workload.ports))
    device = ready(NEW, old)
    life = shown(device, 1).life
    plan = device.plan((NEW, old), verdicts={life: "unhealthy"})
    assert {each.container for each in plan.actions} == {shown(device, 1).id}


@given(data=st.data())
def test_whatever_was_there_both_run_in_the_end_and_the_elder_never_stops(data):
    """From any past of the slot, in any order of what is done."""
    device = ready()
    device.model = PodmanModel()
    device.model.images = data.draw(st.sets(st.sampled_from([image_id(1)])))
    versions = data.draw(st.sets(st.sampled_from([1, 2, 3])))
    for number in sorted(versions):
        made = a_container(copy(number), number)
        is_alive = data.draw(st.booleans())
        device.model.add(made if is_alive else exited(made, 0))
    served = device.model.running(SLOT)
    elder = [each.id for each in served if each.version == 1]
    wanted = (data.draw(st.sampled_from([NEW, NEWEST])), ELDEST)
    for _ in range(ROUNDS):
        plan = device.plan(wanted)
        for action in interleaved(plan, data):
            device.model.perform(action)
            left = {each.id for each in device.model.running(SLOT)}
            assert left.issuperset(elder)
        device.now = plan.wake_at or device.now
        if not plan.actions and plan.wake_at is None:
            break
    assert {e.version for e in device.model.running(SLOT)} == {1, wanted[0].version}
    assert len(device.model.containers) == 2


def test_the_image_of_both_is_asked_for():
    """Two images, two chains."""
    device = Device(PodmanModel())
    newer = replace(NEW, workload=a_workload(image=image(2)))
    plan = device.plan((newer, ELDEST))
    assert kinds(plan) == [Pull, Pull]
    assert reconcile.PULL + image_id(2) in {each.key for each in plan.chains}
