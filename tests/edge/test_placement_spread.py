"""Which device is best, rule by rule."""

from typing import Any

from edge.model import MIB, Resources, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import Ask, Load, NodeView
from edge.placement.spread import spread
from tests.support import builders


def node(name: str, site: str = "home", **changes: Any) -> NodeView:
    """Return a device of a gibibyte."""
    fields: dict[str, Any] = {
        "name": NodeName(name),
        "site": SiteName(site),
        "architecture": "amd64",
        "memory": 1024 * MIB,
        "cpus": 4,
    }
    return NodeView(**{**fields, **changes})


def placed(
    nodes: list[NodeView],
    count: int = 1,
    *,
    workload: Workload | None = None,
    here: str = "",
    busy: str = "",
) -> str:
    """Return the devices of new replicas; ``here`` and ``busy`` name loaded ones."""
    by_name = {each.name: each for each in nodes}
    loads = {name: Load() for name in by_name}
    for name in busy.split():
        loads[NodeName(name)].add(Slot("other/x.1"), builders.workload())
    slots = [Slot(f"web/web.{index}") for index in range(1, count + 1)]
    ask = Ask(deployment="web", workload=workload or builders.workload())
    names = [NodeName(name) for name in here.split()]
    return " ".join(spread(ask, slots, by_name, loads, names).values())


def test_the_site_with_the_fewest_comes_first() -> None:
    """Even when its only device is busier: a site is one failure domain."""
    nodes = [node("a1", "a"), node("a2", "a"), node("b1", "b")]
    assert placed(nodes, here="a1", busy="b1 b1") == "b1"


def test_then_the_device_with_the_fewest_of_it() -> None:
    """Two copies on one device are lost together."""
    assert placed([node("n1"), node("n2")], here="n1", busy="n2 n2") == "n2"


def test_then_the_device_with_the_fewest_of_anything() -> None:
    """Work is shared out."""
    assert placed([node("n1"), node("n2")], busy="n1") == "n2"


def test_then_the_preferred_label() -> None:
    """More matches are better."""
    liked = builders.workload(prefer={"disk": "ssd", "power": "mains"})
    nodes = [node("n1", labels={"disk": "ssd"}), node("n2", labels=dict(liked.prefer))]
    assert placed(nodes, workload=liked) == "n2"


def test_then_the_most_free_memory() -> None:
    """Room to grow."""
    assert placed([node("n1"), node("n2", memory=2048 * MIB)]) == "n2"


def test_then_the_name() -> None:
    """So that two runs agree."""
    assert placed([node("n2"), node("n1")]) == "n1"


def test_replicas_go_round() -> None:
    """Sites first, then devices, then again from the start."""
    nodes = [node("a1", "a"), node("a2", "a"), node("b1", "b")]
    assert placed(nodes, 5) == "a1 b1 a2 b1 a1"


def test_a_full_device_takes_no_more() -> None:
    """The rest find no place."""
    big = builders.workload(resources=Resources(memory=500 * MIB))
    assert placed([node("n1")], 3, workload=big) == "n1"


def test_a_device_that_may_not_is_not_used() -> None:
    """However good it looks otherwise."""
    assert placed([node("n1", scheduling="drained"), node("n2")], 2) == "n2 n2"
