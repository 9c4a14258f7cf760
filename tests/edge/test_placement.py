"""Placement as a whole: its laws, and what a person would try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import placement
from edge.documents import Deployment
from edge.model import MIB, Port, Resources, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import (
    Ask,
    Held,
    Load,
    NodeView,
    Placement,
    Unmatched,
    Unplaced,
    views,
)
from tests.support import builders

HTTP = Port(host=8080, container=80)
NOWHERE: Mapping[Slot, Held] = {}


def node(name: str, **changes: Any) -> NodeView:
    """Return a device of a gibibyte."""
    fields: dict[str, Any] = {
        "name": NodeName(name),
        "site": SiteName("home"),
        "architecture": "amd64",
        "memory": 1024 * MIB,
        "cpus": 4,
    }
    return NodeView(**{**fields, **changes})


def deployment(name: str = "web", **fields: Any) -> Deployment:
    """Return a deployment of one workload of its own name."""
    return builders.deployment(name, workloads=(builders.workload(name, **fields),))


def at(workload: Workload, **places: str) -> dict[Slot, Held]:
    """Return where replicas of a deployment of one workload are: ``_1="n2"``."""
    return {
        Slot(f"{workload.name}/{workload.name}.{index.strip('_')}"): Held(
            node=NodeName(name), workload=workload
        )
        for index, name in places.items()
    }


def places(
    requests: Sequence[Deployment],
    nodes: Sequence[NodeView],
    current: Mapping[Slot, Held] = NOWHERE,
) -> dict[str, str]:
    """Return slot → device."""
    found = placement.assign(requests, nodes, current).places
    return {str(slot): str(name) for slot, name in found.items()}


THREE = [node("n1"), node("n2"), node("n3")]


def test_replicas_are_numbered_from_one_and_spread() -> None:
    """One on each of three devices."""
    found = places([deployment(replicas=3)], THREE)
    assert found == {"web/web.1": "n1", "web/web.2": "n2", "web/web.3": "n3"}


def test_every_runs_on_each_device_with_the_label() -> None:
    """The slot is named after the device."""
    nodes = [node("n1", labels={"role": "sensor"}), node("n2")]
    assert places([deployment(every="role=sensor")], nodes) == {"web/web@n1": "n1"}


def test_every_includes_a_device_that_is_silent() -> None:
    """Its place waits for it."""
    silent = node("n1", reporting=False, architecture="", memory=0)
    assert places([deployment(every="*")], [silent]) == {"web/web@n1": "n1"}


def test_every_comes_before_replicas_that_have_a_choice() -> None:
    """The one that has only this device gets its port."""
    web, each = deployment(ports=(HTTP,)), deployment("z", every="x=1", ports=(HTTP,))
    nodes = [node("n1", labels={"x": "1"}), node("n2")]
    assert places([web, each], nodes) == {"web/web.1": "n2", "z/z@n1": "n1"}


def test_every_on_a_device_that_can_not_says_why() -> None:
    """About that device only."""
    nodes = [node("n1", scheduling="drained"), node("n2")]
    found = placement.assign([deployment(every="*")], nodes, {})
    assert found.unplaced == (
        Unplaced(slot=Slot("web/web@n1"), reasons={NodeName("n1"): "is drained"}),
    )


def test_a_label_nobody_carries_is_said() -> None:
    """Or nothing at all would seem to be wrong."""
    found = placement.assign([deployment(every="role=x")], [node("n1")], {})
    reasons = {NodeName("n1"): "needs label role=x"}
    assert found.unmatched == (
        Unmatched(deployment="web", workload="web", reasons=reasons),
    )


def test_one_port_is_one_device_for_each_replica() -> None:
    """The fourth of four has nowhere to go, and says so of each device."""
    found = placement.assign([deployment(replicas=4, ports=(HTTP,))], THREE, {})
    assert set(found.places.values()) == {"n1", "n2", "n3"}
    (missing,) = found.unplaced
    assert missing.slot == "web/web.4"
    assert missing.reasons[NodeName("n1")] == "port 8080/tcp is taken by web/web.1"


def test_what_runs_stays_though_another_device_is_better() -> None:
    """Least movement comes before spreading."""
    web = deployment(replicas=2)
    current = at(web.workloads[0], _1="n1", _2="n1")
    assert places([web], THREE, current) == {"web/web.1": "n1", "web/web.2": "n1"}


@pytest.mark.parametrize(
    ("change", "device"),
    [
        ({"scheduling": "cordoned"}, "n1"),
        ({"reporting": False}, "n1"),
        ({"scheduling": "drained"}, "n2"),
        ({"ready": False}, "n2"),
    ],
)
def test_only_some_reasons_move_a_replica(change: dict[str, Any], device: str) -> None:
    """A cordon and silence do not; draining does."""
    web = deployment()
    current = at(web.workloads[0], _1="n1")
    nodes = [node("n1", **change), node("n2")]
    assert places([web], nodes, current) == {"web/web.1": device}


def test_a_device_that_left_the_fleet_loses_its_replicas() -> None:
    """Revoked devices are not among the nodes."""
    web = deployment()
    current = at(web.workloads[0], _1="gone")
    assert places([web], [node("n2")], current) == {"web/web.1": "n2"}


def test_fewer_replicas_drop_the_highest_numbers() -> None:
    """The others stay where they are."""
    three = builders.workload("web", replicas=3)
    current = at(three, _1="n3", _2="n2", _3="n1")
    assert places([deployment(replicas=1)], THREE, current) == {"web/web.1": "n3"}


def test_a_new_version_never_pushes_out_a_stranger() -> None:
    """``a`` grows beyond the device it shares with ``z``: it is ``a`` that moves."""
    old = builders.workload("a", resources=Resources(memory=400 * MIB))
    new = deployment("a", resources=Resources(memory=600 * MIB))
    other = deployment("z", resources=Resources(memory=500 * MIB))
    current = {**at(old, _1="n1"), **at(other.workloads[0], _1="n1")}
    found = places([new, other], THREE, current)
    assert found == {"a/a.1": "n2", "z/z.1": "n1"}


def test_a_new_version_stays_in_place_with_its_port() -> None:
    """Its old self does not stand in its way."""
    old = builders.workload("web", ports=(HTTP,))
    new = msgspec.structs.replace(old, env={"A": "1"})
    web = builders.deployment("web", workloads=(new,))
    nodes = [node("n1", ports=(HTTP,)), node("n2")]
    assert places([web], nodes, at(old, _1="n1")) == {"web/web.1": "n1"}


def test_what_was_not_asked_about_keeps_what_it_holds() -> None:
    """And is no part of the answer."""
    other = builders.workload("other", ports=(HTTP,))
    found = places([deployment(ports=(HTTP,))], THREE, at(other, _1="n1"))
    assert found == {"web/web.1": "n2"}


def test_a_replica_that_is_no_longer_asked_for_holds_nothing() -> None:
    """Its port is free for its successor."""
    old = builders.workload("old", ports=(HTTP,))
    current = {Slot("web/old.1"): Held(node=NodeName("n1"), workload=old)}
    web = deployment(ports=(HTTP,))
    assert places([web], [node("n1")], current) == {"web/web.1": "n1"}


def test_an_every_slot_that_stands_elsewhere_comes_home() -> None:
    """A hub's mistake is not kept."""
    web = deployment(every="*")
    held = Held(node=NodeName("n2"), workload=web.workloads[0])
    assert places([web], [node("n1")], {Slot("web/web@n1"): held}) == {
        "web/web@n1": "n1"
    }


def test_an_every_slot_that_can_not_stay_says_what_is_missing() -> None:
    """Not that its device is cordoned: that alone would let it stay."""
    old = builders.workload("web", every="*")
    new = deployment(every="*", devices=("/dev/x",))
    current = {Slot("web/web@n1"): Held(node=NodeName("n1"), workload=old)}
    cordoned = node("n1", scheduling="cordoned")
    (missing,) = placement.assign([new], [cordoned], current).unplaced
    assert missing.reasons == {"n1": "has no /dev/x"}


def test_an_explanation_groups_devices_by_reason() -> None:
    """Three are named, the rest counted."""
    reasons = {NodeName(f"n{index}"): "is drained" for index in range(1, 7)}
    reasons[NodeName("n7")] = "is cordoned"
    text = placement.explain(Unplaced(slot=Slot("web/web.1"), reasons=reasons))
    assert text == (
        "cannot place web/web.1: is drained (n1, n2, n3 and 3 more); is cordoned (n7)"
    )


def test_an_explanation_of_an_empty_fleet_says_so() -> None:
    """Nobody refused; nobody is there."""
    unmatched = Unmatched(deployment="web", workload="reader", reasons={})
    text = placement.explain(unmatched)
    assert text == "cannot place web/reader: the fleet has no devices yet"


def test_held_forgets_what_is_no_longer_signed() -> None:
    """Only what a request names has a workload."""
    web = deployment()
    found = placement.held(
        [web], {Slot("web/web.1"): NodeName("n1"), Slot("x/x@n1"): NodeName("n1")}
    )
    assert found == {"web/web.1": Held(node=NodeName("n1"), workload=web.workloads[0])}


# Laws, over small fleets in which everything collides.

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
