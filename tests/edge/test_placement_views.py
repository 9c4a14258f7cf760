"""What placement knows of a device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import names, placement
from edge.model import MIB, Port, Resources
from edge.names import NodeName, SiteName, Slot
from edge.placement import views
from edge.placement.views import Load, NodeView
from tests.support import builders

N1 = NodeView(name=NodeName("n1"), site=SiteName("home"), memory=1024 * MIB)
WEB = builders.workload(
    ports=(Port(host=8080, container=80),), resources=Resources(memory=100 * MIB)
)


def test_facts_become_labels() -> None:
    """A board sold with 4 GB reports 3.7 GiB: it is called 4."""
    facts = builders.facts(
        architecture="arm64", memory=3794 * MIB, cpus=4, model="Raspberry Pi 4 Model B"
    )
    assert placement.facts_labels(facts) == {
        "fact.arch": "arm64",
        "fact.cpus": "4",
        "fact.memory_gib": "4",
        "fact.model": "Raspberry-Pi-4-Model-B",
    }


@given(st.text(max_size=100), st.text(max_size=100))
def test_labels_of_facts_are_regular_whatever_a_device_says(
    architecture: str, model: str
) -> None:
    """A device is not believed to be polite."""
    facts = builders.facts(architecture=architecture, model=model)
    for key, value in placement.facts_labels(facts).items():
        assert names.LABEL_KEY.fullmatch(key)
        assert names.LABEL_VALUE.fullmatch(value)


@pytest.mark.parametrize("key", ["fact.arch", "fact.model"])
def test_an_operator_can_not_give_a_fact(key: str) -> None:
    """So the two kinds of labels never meet."""
    assert not names.is_label(key, "x")


def test_memory_is_promised_once() -> None:
    """What is left after the system's share and the promises."""
    load = Load()
    load.add(Slot("web/web.1"), WEB)
    left = 1024 * MIB - views.SYSTEM_RESERVE - 100 * MIB
    assert (views.free_memory(N1, load), load.replicas) == (left, 1)


def test_a_clashing_port_names_its_holder() -> None:
    """For the sentence a person reads."""
    load = Load()
    load.add(Slot("web/web.1"), WEB)
    clashing = Port(host=8080, container=1, address="10.0.0.1")
    assert load.holder(clashing) == "web/web.1"
    assert load.holder(Port(host=8081, container=80)) is None


def test_a_device_that_never_reported_is_unknown() -> None:
    """Its architecture is not said."""
    assert not N1.is_known
