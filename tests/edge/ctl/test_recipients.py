"""Who holds a secret: those that run it, two stand-ins, and nobody by its own word."""

from hypothesis import given
from hypothesis import strategies as st

from edge.ctl import recipients
from edge.ctl.recipients import Sites
from edge.names import NodeName, SiteName, Slot
from edge.placement import Held, NodeView
from tests.support import builders as a

GIB = 1024**3


def view(name, **changes):
    """Return a device of the site ``home`` that could run anything."""
    parts = {"site": SiteName("home"), "architecture": "amd64", "memory": GIB}
    return NodeView(name=NodeName(name), **{**parts, **changes})


def deployment(**changes):
    """Return ``web`` with one workload that uses secret ``token``."""
    workload = a.workload("web", secrets={"token": "/run/secrets/token"}, **changes)
    return a.deployment(workloads=(workload,))


def found(asked, *nodes, current=None):
    """Return who gets the token."""
    return recipients.recipients(
        asked, "token", Sites(nodes=nodes, current=current or {})
    )


FOUR = tuple(view(f"n{number}") for number in range(1, 5))


def test_every_gives_it_to_each_matching_device():
    """And to no other."""
    sensors = [view(name, labels={"role": "sensor"}) for name in ("n2", "n3")]
    asked = deployment(every="role=sensor")
    assert found(asked, view("n1"), *sensors) == ("n2", "n3")


def test_replicas_give_it_to_their_devices_and_two_stand_ins():
    """`takers = 2` unless the manifest says otherwise."""
    assert found(deployment(replicas=1), *FOUR) == ("n1", "n2", "n3")
    assert found(deployment(replicas=1, takers=0), *FOUR) == ("n1",)


def test_where_a_replica_is_counts():
    """Sealing follows what runs, it does not move it."""
    current = {Slot("web/web.1"): Held(node=NodeName("n4"), workload=a.workload("web"))}
    assert found(deployment(replicas=1, takers=0), *FOUR, current=current) == ("n4",)


def test_who_holds_it_already_stands_in_first():
    """The fewer devices ever held it, the better."""
    holder = view("n4", sealed=frozenset({"web/token"}))
    asked = deployment(replicas=1, takers=1)
    assert found(asked, *FOUR[:3], holder) == ("n1", "n4")


def test_a_fact_selects_no_secret():
    """A device says of itself what it likes."""
    asked = deployment(every="fact.arch=arm64")
    assert found(asked, view("n1", labels={"fact.arch": "arm64"})) == ()
    (said,) = recipients.obstacles(asked)
    assert "asks for fact.arch" in said


def test_a_fact_in_require_is_said_too():
    """Both ways to ask for a fact are explained."""
    (said,) = recipients.obstacles(deployment(require={"fact.cpus": "4"}))
    assert "asks for fact.cpus" in said


def test_without_facts_nothing_is_in_the_way():
    """No note where there is nothing to note."""
    assert recipients.obstacles(deployment()) == ()


def test_another_sites_device_gets_nothing():
    """The manifest's sites bind secrets as well."""
    assert found(deployment(sites=("away",)), *FOUR) == ()


def test_a_drained_device_is_no_stand_in():
    """It is on its way out."""
    nodes = (FOUR[0], view("n2", scheduling="drained"), FOUR[2])
    assert found(deployment(replicas=1), *nodes) == ("n1", "n3")


def test_a_device_that_waits_for_approval_is_one():
    """Approval and copy are handed in together."""
    assert found(deployment(replicas=1), view("n1", ready=False)) == ("n1",)


def test_the_names_a_deployment_uses_are_listed_once():
    """Two workloads may share a secret."""
    both = tuple(
        a.workload(name, secrets={"token": "/t", name: "/n"}) for name in ("api", "web")
    )
    asked = a.deployment(workloads=both)
    assert recipients.wanted(asked) == ("api", "token", "web")


@given(
    st.integers(0, 6),
    st.integers(0, 5),
    st.integers(0, 4),
    st.sets(st.integers(1, 6)),
)
def test_no_more_devices_hold_it_than_were_asked_for(count, replicas, takers, holders):
    """Replicas and takers bound how many can ever read it."""
    nodes = [
        view(
            f"n{number}",
            sealed=frozenset({"web/token"}) if number in holders else frozenset(),
        )
        for number in range(1, count + 1)
    ]
    asked = deployment(replicas=replicas, takers=takers)
    names = found(asked, *nodes)
    assert len(names) == len(set(names)) <= min(count, replicas + takers)
