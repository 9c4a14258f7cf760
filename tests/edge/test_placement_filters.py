"""Each filter in one sentence, and what staying excuses."""

from typing import Any

import msgspec
import pytest

from edge import placement
from edge.model import MIB, Port, Resources, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import Ask, Load, NodeView
from tests.support import builders

HTTP = Port(host=8080, container=80)


def node(**changes: Any) -> NodeView:
    """Return a device on which everything is well."""
    fields: dict[str, Any] = {
        "name": NodeName("n1"),
        "site": SiteName("home"),
        "labels": {"role": "till"},
        "architecture": "amd64",
        "memory": 1024 * MIB,
        "cpus": 4,
    }
    return NodeView(**{**fields, **changes})


def reason(workload: Workload, view: NodeView, was: Workload | None = None) -> str:
    """Return why the workload can not be on the device, "" when it can."""
    ask = Ask(deployment="app", workload=workload, was=was)
    return placement.reason(ask, view, Load()) or ""


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"sites": ("a", "b")}, {}, "site home is not among a, b"),
    ({"require": {"role": "sensor"}}, {}, "needs label role=sensor, has role=till"),
    ({"require": {"zone": "x"}}, {}, "needs label zone=x"),
    ({"every": "zone=x"}, {}, "needs label zone=x"),
    ({}, {"ready": False}, "not approved yet"),
    ({}, {"scheduling": "drained"}, "is drained"),
    ({}, {"scheduling": "cordoned"}, "is cordoned"),
    ({}, {"reporting": False}, "not heard from"),
    ({}, {"architecture": "riscv64"}, "image has no riscv64"),
    ({"resources": Resources(cpus=4.5)}, {}, "needs 4.5 cpus, has 4"),
    ({"devices": ("/dev/video0",)}, {}, "has no /dev/video0"),
    ({"secrets": {"key": "/run/s/key"}}, {}, "secret app/key is not sealed to it"),
    (
        {"ports": (HTTP,)},
        {"ports": (HTTP,)},
        "port 8080/tcp is taken by a program of the device",
    ),
    (
        {"resources": Resources(memory=1000 * MIB)},
        {},
        "needs 1000 MiB, has 960 MiB free",
    ),
]
ALLOWANCES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"sites": ("home",), "require": {"role": "till"}}, {}),
    ({"every": "role=till"}, {}),
    ({"every": "*"}, {"reporting": False}),
    ({"resources": Resources(cpus=4, memory=960 * MIB)}, {}),
    ({"devices": ("/dev/video0",)}, {"devices": ("/dev/video0",)}),
    ({"secrets": {"key": "/run/s/key"}}, {"sealed": frozenset({"app/key"})}),
    ({"ports": (HTTP,)}, {"ports": (Port(host=8080, container=80, protocol="udp"),)}),
]


@pytest.mark.parametrize(("asks", "is_", "why"), REFUSALS)
def test_a_refusal_is_a_sentence(
    asks: dict[str, Any], is_: dict[str, Any], why: str
) -> None:
    """What is needed, and what there is."""
    assert reason(builders.workload(**asks), node(**is_)) == why


@pytest.mark.parametrize(("asks", "is_"), ALLOWANCES)
def test_what_fits_has_no_reason(asks: dict[str, Any], is_: dict[str, Any]) -> None:
    """Exactly enough is enough."""
    assert not reason(builders.workload(**asks), node(**is_))


def test_a_port_of_another_replica_names_it() -> None:
    """The reader knows whom to ask."""
    load, workload = Load(), builders.workload(ports=(HTTP,))
    load.add(Slot("web/web.1"), workload)
    why = placement.reason(Ask(deployment="app", workload=workload), node(), load)
    assert why == "port 8080/tcp is taken by web/web.1"


def test_memory_counts_what_others_were_promised() -> None:
    """Reserved is reserved, used or not."""
    load, workload = Load(), builders.workload(resources=Resources(memory=600 * MIB))
    load.add(Slot("web/web.1"), workload)
    why = placement.reason(Ask(deployment="app", workload=workload), node(), load)
    assert why == "needs 600 MiB, has 360 MiB free"


def test_more_is_promised_than_there_is_without_a_negative_number() -> None:
    """A person reads 0."""
    load, workload = (
        Load(memory=2048 * MIB),
        builders.workload(resources=Resources(memory=MIB)),
    )
    why = placement.reason(Ask(deployment="app", workload=workload), node(), load)
    assert why == "needs 1 MiB, has 0 MiB free"


def test_a_device_that_never_reported_is_not_judged_by_facts() -> None:
    """It refuses by itself what it can not run."""
    big = Resources(memory=2**40, cpus=99)
    workload = builders.workload(every="*", devices=("/dev/x",), resources=big)
    view = node(architecture="", memory=0, cpus=0, reporting=False)
    assert not reason(workload, view)


@pytest.mark.parametrize(
    ("asks", "is_"),
    [(asks, is_) for asks, is_, why in REFUSALS[6:]],
    ids=[why for *_, why in REFUSALS[6:]],
)
def test_only_the_operator_moves_what_was_not_changed(
    asks: dict[str, Any], is_: dict[str, Any]
) -> None:
    """An unplugged camera does not: the device would keep it, and two would run."""
    workload = builders.workload(**asks)
    assert not reason(workload, node(**is_), was=workload)


@pytest.mark.parametrize(
    ("asks", "is_", "why"), [each for each in REFUSALS[:6] if "every" not in each[0]]
)
def test_the_operator_moves_what_runs(
    asks: dict[str, Any], is_: dict[str, Any], why: str
) -> None:
    """By labels, sites, approval and draining."""
    workload = builders.workload(**asks)
    assert reason(workload, node(**is_), was=workload) == why


@pytest.mark.parametrize("is_", [{"scheduling": "cordoned"}, {"reporting": False}])
def test_a_new_version_stays_on_a_silent_or_cordoned_device(
    is_: dict[str, Any],
) -> None:
    """A cordon keeps newcomers out, and what is there in."""
    old = builders.workload()
    new = msgspec.structs.replace(old, env={"A": "1"})
    assert not reason(new, node(**is_), was=old)


def test_a_new_version_must_fit_what_the_device_is() -> None:
    """What it newly needs must be there."""
    new = builders.workload(devices=("/dev/video0",))
    assert reason(new, node(), was=builders.workload()) == "has no /dev/video0"


def test_a_port_a_replica_holds_is_its_own() -> None:
    """The device reports it as busy, and who keeps it busy is the replica."""
    old = builders.workload(ports=(HTTP,))
    new = msgspec.structs.replace(old, env={"A": "1"})
    assert not reason(new, node(ports=(HTTP,)), was=old)


def test_limits_are_checked_without_a_fleet() -> None:
    """A device asks the same question about itself."""
    workload = builders.workload(require={"fact.arch": "arm64"}, sites=("home",))
    labels = {"fact.arch": "arm64"}
    assert placement.eligible(workload, site="home", labels=labels) is None
    assert placement.eligible(workload, site="away", labels=labels)
