"""Single decisions for one replica; the laws are in test_reconcile."""

from dataclasses import replace

import pytest

from edge.model import Port
from node import backoff, container_spec, upkeep
from node.actions import Create, Remove, Start, Stop, Wipe
from node.backoff import Trail
from node.replica import Container
from node.upkeep import Case
from tests.support.replicas import HOST, a_container, a_replica, a_workload, exited

WEB = a_replica()


def a_case(current: Container | None, **changes) -> Case:
    """Return the case of one replica with its container, followed for long enough."""
    trail = Trail(life=current.life if current else "")
    made = Case(replica=WEB, host=HOST, current=current, trail=trail, now=100.0)
    return replace(made, **changes)


def test_what_runs_as_wanted_needs_nothing():
    """The usual look."""
    step = upkeep.decide(a_case(a_container(WEB)))
    assert (step.state, step.is_healthy, step.actions) == ("running", True, ())


@pytest.mark.parametrize(
    ("ran_for", "shown"),
    [(0.9, ("starting", False)), (backoff.STEADY_AFTER, ("running", True))],
)
def test_what_nobody_probes_is_healthy_when_it_lasts(ran_for, shown):
    """A program that ends at once must not pass for one that works."""
    current = a_container(WEB)
    trail = Trail(life=current.life, since=100.0 - ran_for)
    step = upkeep.decide(a_case(current, trail=trail))
    assert (step.state, step.is_healthy) == shown
    assert step.wake_at == (None if step.is_healthy else backoff.steady_at(trail))


def test_what_a_chain_is_starting_is_not_healthy_yet():
    """The trail is still of the life before."""
    step = upkeep.decide(a_case(a_container(WEB), trail=Trail(life="before")))
    assert (step.state, step.is_healthy, step.wake_at) == ("starting", False, None)


def test_a_second_container_of_a_running_slot_goes():
    """However it came to be; the wanted one stays."""
    other = a_container(WEB, 2, name="tutti-web_web.1_r0", spec="old")
    step = upkeep.decide(a_case(a_container(WEB), others=(other,)))
    assert [(type(a), a.container) for a in step.actions] == [
        (Stop, other.id),
        (Remove, other.id),
    ]


def test_leaving_wipes_only_what_was_provided():
    """A container without secrets has none to wipe."""
    container = exited(a_container(WEB))
    without = upkeep.leave(container, "x", {})
    having = upkeep.leave(container, "x", {container.name: "p"})
    assert [type(each) for each in without] == [Remove]
    assert [type(each) for each in having] == [Remove, Wipe]


def test_a_container_that_is_stopping_is_waited_for():
    """Somebody else asked; Podman is at it."""
    step = upkeep.decide(a_case(replace(a_container(WEB), state="stopping")))
    assert (step.state, step.actions) == ("stopping", ())
    assert step.wake_at == 100.0 + upkeep.LOOK_AGAIN


def test_a_pause_is_told_with_its_length_and_its_cause():
    """The sentence does not change while it lasts: reports stay quiet."""
    trail = Trail(failures=4, failed_at=99.0, problem="ended with exit code 2")
    step = upkeep.decide(a_case(exited(a_container(WEB)), trail=trail))
    assert step.reason == "ended with exit code 2; trying again after 4 s"
    assert step.wake_at == 103.0


def test_what_is_provided_late_is_not_restarted_for_it():
    """While it pauses after a failure, a running container goes on."""
    wanted = a_replica(
        workload=a_workload(secrets={"t": "/run/secrets/t"}), secrets="p"
    )
    current = a_container(wanted)
    trail = Trail(life=current.life, failures=3, failed_at=99.0, problem="full")
    case = a_case(current, replica=wanted, trail=trail)
    step = upkeep.decide(case)
    assert (step.state, step.actions, step.reason) == ("running", (), "full")


@pytest.mark.parametrize(
    ("address", "protocol", "collides"),
    [
        ("", "tcp", True),
        ("10.0.0.1", "tcp", True),
        ("10.0.0.2", "tcp", False),
        ("0.0.0.0", "tcp", True),
        ("10.0.0.1", "udp", False),
    ],
)
def test_ports_collide_by_number_protocol_and_address(address, protocol, collides):
    """An address of its own leaves the others to neighbours."""
    mine = Port(host=80, container=80, address="10.0.0.1")
    wanted = a_replica(workload=a_workload(ports=(mine,)))
    theirs = Port(host=80, container=1, address=address, protocol=protocol)
    neighbour = a_container(a_replica("db/db.1"), 9, ports=(theirs,))
    step = upkeep.decide(a_case(None, replica=wanted, neighbours=(neighbour,)))
    assert (step.state == "waiting") is collides


def test_a_container_that_cannot_be_started_is_made_anew():
    """After a power cut Podman may list what it has lost."""
    broken = exited(a_container(WEB))
    twice = Trail(refused=backoff.REMAKE_AFTER - 1)
    assert [
        type(each) for each in upkeep.decide(a_case(broken, trail=twice)).actions
    ] == [Start]
    often = Trail(refused=backoff.REMAKE_AFTER)
    assert [
        type(each) for each in upkeep.decide(a_case(broken, trail=often)).actions
    ] == [
        Remove,
        Create,
        Start,
    ]


def test_a_container_made_by_an_older_revision_keeps_its_name():
    """It is started under the ID it has; nothing is made anew."""
    old = exited(a_container(WEB), 0)
    step = upkeep.decide(a_case(old, replica=a_replica(version=5)))
    (start,) = step.actions
    assert isinstance(start, Start)
    assert start.container == old.id
    assert container_spec.name(a_replica(version=5)) != old.name


OLD = a_container(WEB, 2, name="tutti-web_web.1_r1", spec="old", version=1)
NEXT = a_replica(version=2, starts_first=True)


def test_where_it_starts_first_the_old_one_is_left_alone():
    """It is made and started beside it; nothing is stopped."""
    case = a_case(None, replica=NEXT, others=(OLD,))
    assert [type(each) for each in upkeep.decide(case).actions] == [Create, Start]


def test_the_old_one_leaves_when_the_new_one_is_healthy():
    """Not before, and people read why."""
    current = a_container(NEXT, 3)
    fresh = Trail(life=current.life, since=99.9)
    step = upkeep.decide(a_case(current, replica=NEXT, others=(OLD,), trail=fresh))
    assert (step.actions, step.is_healthy) == ((), False)
    assert step.reason == "revision 1 serves until it is healthy"
    step = upkeep.decide(a_case(current, replica=NEXT, others=(OLD,)))
    assert [each.container for each in step.actions] == [OLD.id, OLD.id]


def test_of_two_older_ones_the_oldest_serves_on():
    """The other was on its way when it was overtaken."""
    between = replace(OLD, id="4" * 64, version=2, name="tutti-web_web.1_r2")
    replica = replace(NEXT, version=3)
    case = a_case(None, replica=replica, others=(OLD, between))
    actions = upkeep.decide(case).actions
    assert [type(each) for each in actions] == [Create, Stop, Start, Remove]
    assert {each.container for each in actions} & {OLD.id} == set()


def test_what_is_gone_back_from_leaves_at_once():
    """It is the newer one, and it is bad."""
    bad = a_container(NEXT, 3)
    back = replace(WEB, starts_first=True)
    current = replace(OLD, spec=container_spec.digest(WEB, HOST))
    fresh = Trail(life=current.life, since=99.9)
    step = upkeep.decide(a_case(current, replica=back, others=(bad,), trail=fresh))
    assert [each.container for each in step.actions] == [bad.id, bad.id]
