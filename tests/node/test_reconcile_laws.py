"""The laws of the planner, over thousands of small devices."""

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.staging.order import stops_first
from node import reconcile
from node.actions import Remove, Stop
from tests.support.planning import ROUNDS, SLOTS, Device, interleaved, running
from tests.support.replicas import (
    PodmanModel,
    a_container,
    a_port,
    a_replica,
    a_workload,
    exited,
    image,
    image_id,
)


@st.composite
def replicas(draw, slots=SLOTS):
    """Draw what one slot may want: image, revision, secrets, port, strictness."""
    slot = draw(st.sampled_from(slots))
    workload = a_workload(
        image=image(draw(st.integers(1, 2))),
        env={"A": draw(st.sampled_from("xy"))},
        ports=draw(st.sampled_from([(), (a_port(8080),), (a_port(8081),)])),
        secrets=draw(st.sampled_from([{}, {"token": "/run/secrets/token"}])),
        failover=draw(st.sampled_from(["available", "strict"])),
    )
    digest = draw(st.sampled_from("pq")) if workload.secrets else ""
    version = draw(st.integers(1, 3))
    can_overlap = not stops_first(workload, "auto")
    return a_replica(
        slot,
        version,
        workload=workload,
        secrets=digest,
        starts_first=can_overlap and draw(st.booleans()),
    )


@st.composite
def containers(draw, number):
    """Draw a container of some past: any replica's, in any state."""
    made = a_container(draw(replicas()), number)
    state = draw(st.sampled_from(["running", "exited", "created", "paused", "lost"]))
    if state == "running":
        return made
    if state == "lost":
        return replace(made, is_alive=False)
    return replace(exited(made, draw(st.integers(0, 2))), state=state)


@st.composite
def devices(draw):
    """Draw a device: containers of the past, images, opened secrets."""
    model = PodmanModel()
    for number in range(draw(st.integers(0, 4))):
        drawn = draw(containers(number + 1))
        # Podman knows a name once, and one process listens on a port.
        names = {each.name for each in model.containers.values()}
        taken = {p for each in model.running_others(drawn) for p in each.ports}
        is_free = taken.isdisjoint(drawn.ports) or not drawn.is_alive
        if drawn.name not in names and is_free and not model.running(drawn.slot):
            model.add(drawn)
    model.images = draw(st.sets(st.sampled_from([image_id(1), image_id(2)])))
    known = sorted(each.name for each in model.containers.values())
    for name in draw(st.sets(st.sampled_from([*known, "tutti-gone_gone.1_r1"]))):
        model.provided[name] = draw(st.sampled_from("pq"))
    return model


@st.composite
def wishes(draw):
    """Draw what should run: one replica of each slot at most, no port wanted twice."""
    drawn = draw(st.lists(replicas(), max_size=4, unique_by=lambda each: each.slot))
    ports: set = set()
    wanted = []
    for each in drawn:
        if ports.isdisjoint(each.workload.ports):
            wanted.append(each)
            ports.update(each.workload.ports)
    return wanted


@given(model=devices(), wanted=wishes(), order=st.data())
def test_performing_plans_converges_to_what_is_wanted(model, wanted, order):
    """From any past, each wanted replica ends up running once, as wanted."""
    Device(model).settle(wanted, order)
    for replica in wanted:
        assert running(model, replica).spec == a_container(replica).spec
    assert len(model.containers) == len(wanted)


@given(model=devices(), wanted=wishes())
def test_a_converged_device_gets_an_empty_plan(model, wanted):
    """Nothing is done to what is right, however often it is looked at."""
    device = Device(model)
    device.settle(wanted)
    before = dict(model.containers)
    assert [device.plan(wanted).actions for _ in range(3)] == [(), (), ()]
    assert model.containers == before


@given(model=devices(), wanted=wishes())
def test_a_restarted_daemon_changes_nothing(model, wanted):
    """An empty history adopts what runs: containers outlive the daemon."""
    Device(model).settle(wanted)
    assert Device(model).plan(wanted).actions == ()


@given(model=devices(), wanted=wishes())
def test_secrets_are_in_the_vault_for_running_containers_and_no_others(model, wanted):
    """What is provided is what is wanted now; the rest is wiped."""
    Device(model).settle(wanted)
    expected = {
        running(model, each).name: each.secrets
        for each in wanted
        if each.workload.secrets
    }
    kept = {n: d for n, d in model.provided.items() if expected.get(n)}
    assert kept == expected
    assert model.provided.keys() <= {each.name for each in model.containers.values()}


@given(model=devices(), old=wishes(), new=wishes(), failures=st.integers(0, 20))
def test_a_back_off_never_delays_a_newer_revision(model, old, new, failures):
    """However often the old one failed, the new one converges without waiting."""
    device = Device(model)
    for _ in range(failures):
        for chain in device.plan(old).chains:
            device.history = reconcile.failed(device.history, chain, "no", device.now)
    newer = [replace(each, version=each.version + 10) for each in new]
    waited_from = device.now
    device.settle(newer)
    # Only others are waited for: a process that is gone gets time to be noticed.
    assert device.now - waited_from <= 5


@given(model=devices(), wanted=wishes(), order=st.data())
def test_what_starts_first_leaves_no_gap(model, wanted, order):
    """From any past: an older container serves until the wanted one is steady."""
    served = {
        each.slot
        for each in wanted
        for older in model.running(each.slot)
        if each.starts_first and older.version < each.version
    }
    device = Device(model)
    for _ in range(ROUNDS):
        plan = device.plan(wanted)
        if not plan.actions and plan.wake_at is None:
            return
        if not plan.actions:
            device.now = plan.wake_at or device.now
        for action in interleaved(plan, order):
            model.perform(action)
            assert all(model.running(slot) for slot in served)


@given(model=devices(), old=wishes(), steps=st.integers(0, 6), first=st.booleans())
def test_going_back_in_the_middle_of_a_switch_converges(model, old, steps, first):
    """Whatever the switch had done already, the version before ends up alone."""
    device = Device(model)
    device.settle(old)
    newer = [_after(each, starts_first=first) for each in old]
    for chain in device.plan(newer).chains:
        for action in chain.actions[:steps]:
            model.perform(action)
    device.settle(old)
    for replica in old:
        assert running(model, replica).spec == a_container(replica).spec
    assert len(model.containers) == len(old)


def _after(replica, *, starts_first):
    """Return the replica's next version, which is another container."""
    workload = msgspec.structs.replace(replica.workload, env={"A": "next"})
    can_overlap = not stops_first(workload, "auto")
    return replace(
        replica,
        version=replica.version + 10,
        workload=workload,
        starts_first=starts_first and can_overlap,
    )


@given(model=devices(), wanted=wishes())
def test_only_containers_that_were_seen_are_addressed(model, wanted):
    """Stop and Remove name an ID of this very look: never a name, never another's."""
    plan = Device(model).plan(wanted)
    named = {a.container for a in plan.actions if isinstance(a, Stop | Remove)}
    assert named <= model.containers.keys()


@given(model=devices(), wanted=wishes(), busy=st.sets(st.sampled_from(SLOTS)))
def test_a_chain_in_flight_is_not_planned_again(model, wanted, busy):
    """What somebody is working on is left to them."""
    plan = Device(model).plan(wanted, busy=frozenset(busy))
    assert busy.isdisjoint({chain.key for chain in plan.chains})
