"""Every topic is built here and taken apart here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import names, topics

FLEET = names.FleetName("shop")
N1 = names.NodeName("n1")
NAMES = st.from_regex(names.NAME, fullmatch=True)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (topics.trust, "edge/v1/shop/fleet/trust"),
        (topics.revocation, "edge/v1/shop/fleet/revocation"),
        (topics.beacon, "edge/v1/shop/fleet/beacon"),
    ],
)
def test_what_the_hub_tells_everyone(build, expected):
    """The fleet's own branch."""
    assert build(FLEET) == expected


@pytest.mark.parametrize(
    ("build", "leaf"),
    [
        (topics.desired, "desired"),
        (topics.secrets, "secrets"),
        (topics.plan, "plan"),
        (topics.wanted, "wanted"),
        (topics.report, "report"),
        (topics.status, "status"),
        (topics.event, "event"),
        (topics.telemetry_system, "telemetry/system"),
    ],
)
def test_a_nodes_topic_is_read_back(build, leaf):
    """The hub learns from the topic who wrote: the broker's ACL made it true."""
    assert build(FLEET, N1) == f"edge/v1/shop/nodes/n1/{leaf}"
    assert topics.parse_node(FLEET, build(FLEET, N1)) == ("n1", leaf)


def test_a_datagram_lies_under_its_receiver_and_says_its_sender():
    """The broker lets n2 write there, and nobody else."""
    topic = topics.mesh(FLEET, N1, names.NodeName("n2"))
    assert topic == "edge/v1/shop/nodes/n1/mesh/n2"
    assert topics.parse_node(FLEET, topic) == ("n1", "mesh/n2")
    assert "edge/v1/shop/nodes/n1/mesh/+" in topics.for_node(FLEET, N1)


@given(NAMES, NAMES, NAMES)
def test_no_name_reaches_into_anothers_branch(fleet, node, other):
    """Whatever the names, a topic belongs to one node of one fleet."""
    topic = topics.report(names.FleetName(fleet), names.NodeName(node))
    assert topics.parse_node(names.FleetName(fleet), topic) == (node, "report")
    if other != fleet:
        assert topics.parse_node(names.FleetName(other), topic) is None


@pytest.mark.parametrize(
    "topic",
    [
        "edge/v1/other/nodes/n1/report",
        "edge/v2/shop/nodes/n1/report",
        "edge/v1/shop/fleet/trust",
        "edge/v1/shop/nodes/n1",
        "edge/v1/shop/nodes/n1/",
        "edge/v1/shop/nodes//report",
        "edge/v1/shop/nodes/+/report",
        "edge/v1/shop/nodes/N1/report",
        "",
    ],
)
def test_a_topic_that_is_no_nodes_is_nobodys(topic):
    """Wildcards, other fleets, other majors and halves name no node."""
    assert topics.parse_node(FLEET, topic) is None


def test_what_a_node_listens_to():
    """The fleet's branch and its own, nothing of its neighbours'."""
    own = (topics.desired, topics.secrets, topics.plan, topics.wanted)
    mine = [
        *(topic(FLEET, N1) for topic in own),
        f"{topics.MAJOR}/shop/nodes/n1/mesh/+",
    ]
    fleet = [topics.trust(FLEET), topics.revocation(FLEET), topics.beacon(FLEET)]
    assert sorted(topics.for_node(FLEET, N1)) == sorted(mine + fleet)


def test_what_the_hub_listens_to():
    """One level of wildcard: a portable broker delivers these."""
    assert set(topics.for_hub(FLEET)) == {
        "edge/v1/shop/nodes/+/report",
        "edge/v1/shop/nodes/+/status",
        "edge/v1/shop/nodes/+/event",
        "edge/v1/shop/nodes/+/documents",
    }
