"""What a mode means on a site, told before it is signed, and true on the devices."""

import pytest

from edge.ctl import prospects
from edge.ctl import voters as voters_of
from edge.ctl.prospects import Outlook
from edge.model import Port, Resources
from edge.names import NodeName, Slot
from edge.placement import Held, NodeView
from netmesh.view import Peer, View
from node import succession
from node.lease import Granted, Holder
from tests.support import builders as a

MIB = 1024 * 1024


def node(name, site="home", **changes):
    """Return a device with room for much."""
    facts = {"architecture": "amd64", "memory": 1024 * MIB, "cpus": 4}
    return NodeView(name=NodeName(name), site=site, **{**facts, **changes})


def outlook(*names, places=("n1",), voters=(), others=None, **workload):
    """Return a deployment ``web`` whose replicas are on ``places``."""
    asked = a.workload("web", replicas=len(places), **workload)
    return Outlook(
        deployment=a.deployment("web", workloads=(asked,)),
        nodes=tuple(
            each if isinstance(each, NodeView) else node(each) for each in names
        ),
        places={
            Slot(f"web/web.{at}"): NodeName(name) for at, name in enumerate(places, 1)
        },
        others=others or {},
        voters={"home": tuple(voters)} if voters else {},
    )


def said(*names, **changes):
    """Return the one sentence about the workload."""
    (found,) = prospects.sentences(outlook(*names, **changes))
    return found


def test_none_stays_down():
    """Whatever the site."""
    assert "stays down" in said("n1", "n2", "n3", failover="none")


def test_every_moves_nowhere():
    """Its neighbours have one already."""
    asked = a.deployment("web", workloads=(a.workload("web", every="*"),))
    places = {Slot("web/web@n1"): NodeName("n1")}
    found = prospects.sentences(
        Outlook(deployment=asked, nodes=(node("n1"),), places=places)
    )
    assert found == ("web: one on each device: nothing moves when a device is lost",)


def test_a_device_alone_has_no_neighbour():
    """Another site does not count."""
    text = said("n1", node("n2", site="away"), failover="available")
    assert text == "web: nowhere to move: its device is alone at its site"


def test_available_on_two_devices_may_run_twice():
    """A lost device and a cut line look the same from there."""
    text = said("n1", "n2", failover="available")
    assert "if its device is lost, it moves to n2" in text
    assert "one hold more" in text
    assert "both may run it while the line is cut" in text


def test_available_on_five_devices_moves_where_three_are():
    """A device that reaches fewer takes nothing."""
    text = said("n1", "n2", "n3", "n4", "n5", failover="available")
    assert "moves only where 3 of 5 devices reach each other" in text


def test_strict_on_two_devices_does_not_move():
    """A majority of 2 is 2, and the copy that is left stops as well."""
    text = said("n1", "n2", failover="strict", voters=("n1", "n2"))
    assert "if n1 or n2 is lost, it stops and does not move: a majority of 2" in text
    assert "a third voter (a witness) at home mends that" in text


def test_strict_with_one_voter_names_it():
    """What is lost with it."""
    text = said("n1", "n2", failover="strict", voters=("n2",))
    assert "n2 alone grants leases" in text


def test_strict_with_three_voters_moves_and_never_runs_twice():
    """While two of them reach each other."""
    names = ("n1", "n2", "n3")
    text = said(*names, failover="strict", voters=names)
    assert "it moves to n" in text
    assert "runs only where 2 of 3 voters (n1, n2, n3) are reached, never twice" in text
    assert "moves only" not in text


def test_strict_without_voters_does_not_run():
    """And the command that names them is told."""
    assert "`edgectl site voters`" in said("n1", "n2", failover="strict")


def test_a_port_that_every_device_has_taken_leaves_nowhere_to_move():
    """The replica on each device holds it."""
    names, port = ("n1", "n2", "n3"), Port(host=8080, container=80)
    text = said(*names, places=names, failover="available", ports=(port,))
    assert text.startswith("web: nowhere to move: port 8080")
    assert "web/web.2 (n2)" in text
    assert "moves only" not in text


def test_work_that_fits_on_one_device_only_has_nowhere_to_move():
    """The other one says how much it lacks."""
    small = node("n2", memory=128 * MIB)
    text = said(
        "n1", small, failover="available", resources=Resources(memory=512 * MIB)
    )
    assert "nowhere to move: needs 512 MiB, has 64 MiB free (n2)" in text


def test_what_runs_besides_takes_room_too():
    """Also a neighbour's workload that never moves."""
    big = a.workload("big", resources=Resources(memory=800 * MIB))
    others = {Slot("big/big.1"): Held(node=NodeName("n2"), workload=big)}
    asked = Resources(memory=512 * MIB)
    text = said("n1", "n2", failover="available", resources=asked, others=others)
    assert "nowhere to move" in text


def test_a_device_that_waits_for_approval_takes_nothing_and_counts_for_nothing():
    """It is no member of the site yet."""
    text = said("n1", node("n2", ready=False), failover="available")
    assert "alone" in text


def view(site, lost):
    """Return what one of ``site`` devices sees when ``lost`` of the others are dead."""
    peers = {
        f"d{each}": Peer(
            device=f"d{each}", name=f"n{each}", state="dead" if each < lost else "alive"
        )
        for each in range(site - 1)
    }
    return View(at=0.0, peers=peers)


@pytest.mark.parametrize("site", range(2, 8))
def test_the_number_told_is_the_number_devices_brake_at(site):
    """One less than told takes nothing over."""
    enough = prospects.least(site)
    assert succession.brake(view(site, site - enough)) != "held"
    if enough > 1:
        assert succession.brake(view(site, site - enough + 1)) == "held"


@pytest.mark.parametrize("count", range(1, 8))
def test_the_majority_told_is_the_one_leases_need(count):
    """One promise less is no lease."""
    voters = frozenset(f"v{each}" for each in range(count))
    needed = voters_of.majority(count)
    assert lease_with(needed, voters)
    assert not lease_with(needed - 1, voters)


def lease_with(promises, voters):
    """Return whether so many promises make a lease."""
    holder = Holder(me="x", slot=Slot("web/web.1"), term=1, lease=8.0)
    request = holder.ask(1, 0.0)
    for each in sorted(voters)[:promises]:
        granted = Granted("web/web.1", 1, request.round)
        holder.receive(granted, each, voters, 0.1)
    return holder.held(0.2) is not None


def test_strict_with_few_voters_also_needs_half_of_the_site():
    """The brake holds for it too."""
    names = tuple(f"n{each}" for each in range(1, 8))
    text = said(*names, failover="strict", voters=names[:3])
    assert text.endswith("never twice; moves only where 4 of 7 devices are")


def test_two_replicas_of_one_device_do_not_share_the_last_place():
    """Each fits alone, both do not: what is lost together is placed together."""
    tight = node("n2", memory=700 * MIB)
    text = said(
        "n1",
        tight,
        places=("n1", "n1"),
        failover="available",
        resources=Resources(memory=400 * MIB),
    )
    assert "(web.1 → n2); nowhere to move for web.2: needs 400 MiB" in text


def test_a_fleet_of_many_sites_is_told_in_a_few_lines():
    """Each line names its site."""
    names = [node(f"n{each}", site=f"s{each}") for each in range(9)]
    places = [each.name for each in names]
    asked = outlook(*names, places=places, failover="available")
    found = prospects.sentences(asked)
    assert len(found) == 4
    assert found[0].startswith("web: at s0, nowhere to move")
    assert found[-1] == "web: and so on at 6 more sites"


def test_only_sites_of_strict_work_need_voters():
    """A site without any is not asked for some."""
    away = node("n2", site="away")
    assert prospects.strict_sites(outlook("n1", away, failover="strict")) == {"home"}
    assert not prospects.strict_sites(outlook("n1", away, failover="available"))


def test_a_site_of_a_thousand_is_told_by_a_few():
    """Trying to lose each of its devices would take minutes; it is said."""
    names = [f"n{number}" for number in range(1, 1001)]
    text = said(*names, places=tuple(names), failover="available")
    assert "by 50 of 1000 devices that were tried" in text
    few = said(*names[:50], places=tuple(names[:50]), failover="available")
    assert "were tried" not in few
