"""Where replicas go by edgectl is where the devices of the site take them."""

from hypothesis import given
from hypothesis import strategies as st

from edge.ctl.ways import Site, ways
from edge.model import MIB, Port, Resources
from edge.names import NodeName, Slot
from edge.placement import Held, Load, NodeView
from node import succession
from node.succession import Movable
from tests.support import builders as a

NAMES = ("n1", "n2", "n3", "n4")
WORKS = (
    a.workload("small", replicas=4, failover="available"),
    a.workload("big", failover="strict", resources=Resources(memory=400 * MIB)),
    a.workload("web", failover="available", ports=(Port(host=80, container=80),)),
    a.workload("stays", failover="none", resources=Resources(memory=300 * MIB)),
)
SPOTS = st.tuples(st.sampled_from(WORKS), st.sampled_from(NAMES))


def site_of(spots, sizes):
    """Return a site with one slot for each spot."""
    views = [
        NodeView(
            name=NodeName(name),
            site="home",
            architecture="amd64",
            memory=size * MIB,
            cpus=4,
        )
        for name, size in zip(NAMES, sizes, strict=True)
    ]
    running = {
        Slot(f"d/{work.name}.{at}"): Held(node=NodeName(name), workload=work)
        for at, (work, name) in enumerate(spots, 1)
    }
    ids = {NodeName(name): f"d-{name}" for name in NAMES}
    return Site(name="home", nodes=tuple(views), running=running, ids=ids, voters=())


def by_devices(site, lost):
    """Return slot → taker as `node.failover` finds it, one slot after the other."""
    movable = {
        slot: Movable(slot=slot, deployment="d", version=1, workload=held.workload)
        for slot, held in site.running.items()
        if held.workload.failover != "none"
    }
    holders = {slot: f"d-{site.running[slot].node}" for slot in movable}
    orphans = [slot for slot in sorted(movable) if holders[slot] == f"d-{lost}"]
    everything = {
        slot: Movable(slot=slot, deployment="d", version=1, workload=held.workload)
        for slot, held in site.running.items()
    }
    carried = succession.loads(
        {
            slot: f"d-{held.node}"
            for slot, held in site.running.items()
            if slot not in orphans
        },
        everything,
    )
    nodes = {f"d-{each.name}": each for each in site.nodes}
    found = {}
    for slot in orphans:
        alive = [each for each in nodes if each != f"d-{lost}"]
        order = succession.rank(movable[slot], alive, nodes, carried, holders).order
        found[slot] = order[0].removeprefix("d-") if order else ""
        if order:
            holders[slot] = order[0]
            load = carried.setdefault(order[0], Load())
            load.add(slot, movable[slot].workload)
    return found


@given(
    st.lists(SPOTS, max_size=8),
    st.tuples(*(st.sampled_from((300, 600, 1000)) for _ in NAMES)),
    st.sampled_from(NAMES),
)
def test_edgectl_and_the_devices_name_the_same_takers(spots, sizes, lost):
    """Whatever runs where, whatever room there is."""
    site = site_of(spots, sizes)
    assert {way.slot: way.taker for way in ways(site, NodeName(lost))} == by_devices(
        site, lost
    )


def test_what_does_not_move_is_no_way():
    """Mode none, and one replica on each device."""
    site = site_of([(WORKS[3], "n1")], (1000,) * 4)
    assert ways(site, NodeName("n1")) == ()
