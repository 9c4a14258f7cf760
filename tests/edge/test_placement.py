"""Placement as a whole: its laws, and what a person would try."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from edge import placement
from edge.documents import Deployment
from edge.model import MIB, Port, Resources, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import (
    Held,
    NodeView,
    Unmatched,
    Unplaced,
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
