"""Who is next in line, and who had better take nothing."""

import pytest

from edge.names import NodeName, SiteName, Slot
from edge.placement import NodeView
from netmesh.view import Peer, View
from node import succession
from node.failover import Failover
from node.lease import Voter
from node.scene import Scene
from node.succession import Movable
from tests.support import builders as a

IDS = ("d-1", "d-2", "d-3", "d-4")
SLOT = Slot("web/web.1")
MOVABLE = Movable(
    slot=SLOT, deployment="web", version=1, workload=a.workload(failover="available")
)


def view(*states):
    """A device's view of its neighbours."""
    peers = {
        f"d-{at}": Peer(device=f"d-{at}", name=f"n{at}", state=state)
        for at, state in enumerate(states, start=2)
    }
    return View(at=1.0, peers=peers)


def order(candidates, owners=None, **node):
    """Who may take the slot, the first first."""
    nodes = {
        each: NodeView(name=NodeName(each), site=SiteName("home"), **node)
        for each in IDS
    }
    return succession.rank(MOVABLE, candidates, nodes, {}, owners or {})


@pytest.mark.parametrize(
    ("states", "brake"),
    [
        ((), "free"),
        (("dead",), "half"),
        (("suspect",), "free"),
        (("dead", "alive"), "free"),
        (("dead", "dead"), "held"),
        (("dead", "dead", "alive"), "half"),
        (("dead", "unknown", "alive", "alive"), "free"),
    ],
)
def test_whoever_reaches_few_is_held_back(states, brake):
    """More likely alone than all others are dead."""
    assert succession.brake(view(*states)) == brake


def test_whoever_said_goodbye_does_not_count():
    """Two of four went home: the two that are left are the whole site."""
    assert succession.brake(view("leaving", "leaving", "alive")) == "free"


def test_every_device_draws_the_same_lot():
    """Whatever the order in which it knows them."""
    assert order(IDS).order == order(reversed(IDS)).order


def test_whoever_has_fewer_of_a_workload_is_first():
    """Two copies on one device are lost together."""
    first = order(IDS).order[0]
    owners = {Slot("web/web.2"): first}
    assert order(IDS, owners).order[-1] == first


def test_a_device_that_is_out_of_the_question_says_why():
    """For whoever looks for the reason at night."""
    found = order(IDS, scheduling="drained")
    assert found.order == ()
    assert set(found.reasons.values()) == {"is drained"}


def outcome(*states, holder="d-2", can_take=True):
    """What d-1 decides, after every rank had its turn."""
    seen = view(*states)
    nodes = {
        each: NodeView(name=NodeName(each), site=SiteName("home")) for each in IDS[:3]
    }
    scene = Scene(
        view=seen,
        movable={SLOT: MOVABLE},
        nodes=nodes,
        planned={SLOT: (holder, 1)},
        can_take=can_take,
    )
    machine = Failover(me="d-1", started_at=0.0, voter=Voter(me="d-1"))
    machine.step(scene, 100.0)
    return machine.step(scene, 100.0 + 3 * succession.STEP)


def test_the_next_in_line_fetch_images_ahead():
    """A pull in the middle of the night is what a takeover cannot wait for."""
    assert outcome("alive", "alive").standby == (SLOT,)
    assert outcome("alive", "alive", holder="d-1").standby == ()


def test_a_cordoned_device_takes_nothing_and_fetches_nothing():
    """An operator said so; the next one takes it."""
    assert outcome("dead", "alive").places == {SLOT: 2}
    assert outcome("dead", "alive", can_take=False).places == {}
    assert outcome("alive", "alive", can_take=False).standby == ()
