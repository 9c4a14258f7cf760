"""The laws of placement, over small fleets in which everything collides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge import placement
from edge.documents import Deployment
from edge.model import MIB, Port, Resources, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import Ask, Held, Load, NodeView, Placement, views
from tests.support import builders

SITES = st.sampled_from([SiteName("a"), SiteName("b")])
LABELS = st.dictionaries(st.sampled_from("xy"), st.sampled_from("01"), max_size=2)
PORTS = st.lists(
    st.builds(Port, host=st.sampled_from([80, 81]), container=st.just(80)),
    max_size=1,
).map(tuple)
RESOURCES = st.builds(
    Resources,
    memory=st.sampled_from([0, 100 * MIB, 400 * MIB]),
    cpus=st.sampled_from([0.0, 0.5, 2.0]),
)
DEVICES = st.sampled_from([(), ("/dev/x",)])


@st.composite
def workloads(draw: st.DrawFn, name: str) -> Workload:
    """Return a workload that wants some of what there is."""
    every = draw(st.sampled_from(["", "", "*", "x=1"]))
    secret = draw(st.booleans())
    return builders.workload(
        name,
        every=every,
        replicas=0 if every else draw(st.integers(0, 4)),
        require=draw(st.just({}) | LABELS),
        prefer=draw(LABELS),
        sites=draw(st.sampled_from([(), ("a",), ("a", "b")])),
        ports=draw(PORTS),
        resources=draw(RESOURCES),
        devices=draw(DEVICES),
        secrets={"key": "/run/s/key"} if secret else {},
    )


@st.composite
def deployments(draw: st.DrawFn) -> list[Deployment]:
    """Return up to three deployments of up to two workloads."""
    return [
        builders.deployment(
            name,
            workloads=tuple(
                draw(workloads(each))
                for each in draw(st.sampled_from([("w",), ("v", "w")]))
            ),
        )
        for name in draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
    ]


@st.composite
def fleets(draw: st.DrawFn) -> list[NodeView]:
    """Return up to five devices in all states."""
    return [
        NodeView(
            name=NodeName(f"n{index}"),
            site=draw(SITES),
            labels=draw(LABELS),
            scheduling=draw(
                st.sampled_from(["active", "active", "cordoned", "drained"])
            ),
            ready=draw(st.sampled_from([True, True, False])),
            reporting=draw(st.sampled_from([True, True, False])),
            architecture=draw(st.sampled_from(["amd64", "arm64", "riscv64", ""])),
            memory=draw(st.sampled_from([256, 512, 1024])) * MIB,
            cpus=draw(st.integers(1, 2)),
            devices=draw(DEVICES),
            ports=draw(PORTS),
            sealed=draw(st.sampled_from([frozenset(), frozenset({"a/key", "b/key"})])),
        )
        for index in range(draw(st.integers(0, 5)))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A question, and its answer from a true history."""

    before: Placement
    current: Mapping[Slot, Held]
    requests: list[Deployment]
    nodes: list[NodeView]
    after: Placement


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return a fleet that was placed once and is placed again after changes."""
    first, nodes = draw(deployments()), draw(fleets())
    before = placement.assign(first, nodes, {})
    current = placement.held(first, before.places)
    requests = draw(st.just(first) | deployments())
    nodes = draw(st.just(nodes) | fleets())
    after = placement.assign(requests, nodes, current)
    return World(
        before=before, current=current, requests=requests, nodes=nodes, after=after
    )


def wanted(world: World) -> dict[str, tuple[str, Workload]]:
    """Return every slot there should be, with its workload, spelled out."""
    found: dict[str, tuple[str, Workload]] = {}
    for request in world.requests:
        for workload in request.workloads:
            base = f"{request.name}/{workload.name}"
            names = [f"{base}.{index + 1}" for index in range(workload.replicas)]
            if workload.every:
                names = [
                    f"{base}@{node.name}"
                    for node in world.nodes
                    if not placement.eligible(
                        workload, site=node.site, labels=node.labels
                    )
                ]
            found |= dict.fromkeys(names, (request.name, workload))
    return found


def is_other(world: World, slot: str) -> bool:
    """Return whether a slot belongs to a deployment that was not asked about."""
    return slot.partition("/")[0] not in {request.name for request in world.requests}


def settled(world: World) -> dict[Slot, Held]:
    """Return where everything is after the answer was carried out."""
    others = {
        slot: held for slot, held in world.current.items() if is_other(world, slot)
    }
    return {**others, **placement.held(world.requests, world.after.places)}


def load_without(world: World, slot: str, name: str) -> Load:
    """Return what all others take on a device, those not asked about included."""
    load = Load()
    for other, device in world.after.places.items():
        if device == name and other != slot:
            load.add(other, wanted(world)[other][1])
    for other, held in world.current.items():
        if held.node == name and is_other(world, other):
            load.add(other, held.workload)
    return load


@given(worlds())
def test_every_slot_is_placed_or_explained_and_never_both(world: World) -> None:
    """Nothing is forgotten and nothing is invented."""
    placed = set(world.after.places)
    explained = {each.slot for each in world.after.unplaced}
    assert placed | explained == set(wanted(world))
    assert not placed & explained


@given(worlds())
def test_an_unplaced_slot_has_a_reason_for_each_device(world: World) -> None:
    """A slot of `every` has one device it could be on."""
    everywhere = {node.name for node in world.nodes}
    for each in world.after.unplaced:
        _, at_sign, device = each.slot.partition("@")
        assert set(each.reasons) == ({device} if at_sign else everywhere)
        assert all(each.reasons.values())
        assert placement.explain(each).startswith(f"cannot place {each.slot}: ")


@given(worlds())
def test_a_placed_slot_passes_every_filter(world: World) -> None:
    """Beside everything that is on its device in the end."""
    views_of = {node.name: node for node in world.nodes}
    for slot, name in world.after.places.items():
        request, workload = wanted(world)[slot]
        held = world.current.get(slot)
        was = held.workload if held and held.node == name else None
        ask = Ask(deployment=request, workload=workload, was=was)
        load = load_without(world, slot, name)
        assert placement.reason(ask, views_of[name], load) is None


@given(worlds())
def test_no_port_is_given_twice_on_a_device(world: World) -> None:
    """Counted anew, without the code under test."""
    taken = [
        (name, port.host)
        for slot, name in world.after.places.items()
        for port in wanted(world)[slot][1].ports
    ]
    assert len(taken) == len(set(taken))


@given(deployments(), fleets())
def test_memory_is_not_promised_twice(
    requests: list[Deployment], nodes: list[NodeView]
) -> None:
    """The sum stays below what a known device has."""
    found = placement.assign(requests, nodes, {})
    held = placement.held(requests, found.places)
    for each in nodes:
        memory = sum(
            one.workload.resources.memory
            for one in held.values()
            if one.node == each.name
        )
        room = each.memory - views.SYSTEM_RESERVE
        assert not each.is_known or memory <= room


@given(worlds(), st.randoms())
def test_the_order_of_the_question_does_not_matter(world: World, random: Any) -> None:
    """Two hubs with the same facts decide alike."""
    requests = [
        msgspec.structs.replace(
            request,
            workloads=tuple(random.sample(request.workloads, k=len(request.workloads))),
        )
        for request in random.sample(world.requests, k=len(world.requests))
    ]
    nodes = random.sample(world.nodes, k=len(world.nodes))
    current = dict(random.sample(list(world.current.items()), k=len(world.current)))
    assert placement.assign(requests, nodes, current) == world.after


@given(worlds())
def test_placing_again_changes_nothing(world: World) -> None:
    """A hub that starts again moves nobody."""
    current = settled(world)
    again = placement.assign(world.requests, world.nodes, current)
    assert again.places == world.after.places
    assert [each.slot for each in again.unplaced] == [
        each.slot for each in world.after.unplaced
    ]


@given(worlds(), fleets())
def test_new_devices_move_nothing(world: World, more: list[NodeView]) -> None:
    """They take only what has no place yet."""
    current = settled(world)
    known = {node.name for node in world.nodes}
    nodes = [*world.nodes, *(each for each in more if each.name not in known)]
    again = placement.assign(world.requests, nodes, current)
    assert world.after.places.items() <= again.places.items()


@given(worlds(), st.integers(0, 4))
def test_a_lost_device_moves_nothing_else(world: World, index: int) -> None:
    """Only what was on it looks for a place."""
    current = settled(world)
    nodes = [each for each in world.nodes if each.name != f"n{index}"]
    again = placement.assign(world.requests, nodes, current)
    kept = {
        slot: name for slot, name in world.after.places.items() if name != f"n{index}"
    }
    assert kept.items() <= again.places.items()


@given(worlds())
def test_what_is_unchanged_moves_only_by_the_operators_word(world: World) -> None:
    """Labels, sites, approval, draining; a device out of the fleet; fewer replicas."""
    views_of = {node.name: node for node in world.nodes}
    for slot, held in world.current.items():
        (_, workload) = wanted(world).get(slot, ("", None))
        view = views_of.get(held.node)
        if workload != held.workload or view is None:
            continue
        limits = placement.eligible(workload, site=view.site, labels=view.labels)
        if not limits and view.ready and view.scheduling != "drained":
            assert world.after.places[slot] == held.node
