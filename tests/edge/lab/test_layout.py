"""Everything of a lab follows from its name, its subnet and its nodes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import LabError
from edge.lab import layout
from edge.lab.layout import LabLayout, Place

HOME = Path("/var/lib/tutti/labs")
LONGEST_INTERFACE = 15  # IFNAMSIZ less its terminating zero
LONGEST_SOCKET = 107  # sun_path less its terminating zero

lab_names = st.from_regex(layout.NAME, fullmatch=True).filter(
    lambda name: name not in layout.RESERVED_NAMES
)
counts = st.integers(min_value=1, max_value=layout.MOST_NODES)


def lab(name: str = "lab", nodes: int = 3) -> LabLayout:
    """A lab of that many nodes on the default subnet."""
    places = layout.parse_places(nodes, None)
    return layout.plan(name, layout.DEFAULT_SUBNET, places, HOME)


def test_addresses_are_the_documented_ones() -> None:
    """People type these by hand."""
    found = {machine.name: machine.address for machine in lab().machines}
    assert found == {
        "hub": "10.90.0.2",
        "broker": "10.90.0.3",
        "n1": "10.90.0.11",
        "n2": "10.90.0.12",
        "n3": "10.90.0.13",
    }


def test_host_and_registry_share_the_first_address() -> None:
    """Manifests name images by it."""
    assert (lab().host_address, lab().registry) == ("10.90.0.1", "10.90.0.1:5000")


def test_a_namespace_is_named_after_lab_and_machine() -> None:
    """`ip netns` must tell whose it is."""
    assert lab().machine("n1").namespace == "lab-n1"


def test_a_mac_follows_from_the_address() -> None:
    """A machine that boots again must be the same to its neighbours."""
    assert lab().machine("n1").mac == "02:54:0a:5a:00:0b"


@given(name=lab_names, nodes=counts)
def test_no_name_outgrows_the_kernel(name: str, nodes: int) -> None:
    """Interface names and socket paths have hard limits."""
    planned = lab(name, nodes)
    machines = planned.machines
    assert len(planned.lan) <= LONGEST_INTERFACE
    assert all(len(machine.port) <= LONGEST_INTERFACE for machine in machines)
    assert all(len(str(machine.socket)) <= LONGEST_SOCKET for machine in machines)


@given(nodes=counts)
def test_no_two_machines_share_anything(nodes: int) -> None:
    """Address, MAC, namespace and folders are each machine's own."""
    machines = lab(nodes=nodes).machines
    for own in ("address", "mac", "namespace", "folder", "run"):
        assert len({getattr(machine, own) for machine in machines}) == len(machines)


@given(one=lab_names, other=lab_names)
def test_namespaces_of_two_labs_never_meet(one: str, other: str) -> None:
    """A lab is cleaned up by the names of its namespaces."""
    if one != other:
        prefix = f"{one}-"
        names = [machine.namespace for machine in lab(other).machines]
        assert not any(name.startswith(prefix) for name in names)


def test_only_nodes_run_containers() -> None:
    """Hub and broker are ordinary machines without a store."""
    found = [machine.name for machine in lab().machines if machine.has_podman]
    assert found == ["n1", "n2", "n3"]


def test_an_unknown_machine_is_refused_with_those_there_are() -> None:
    """The message answers the next question."""
    with pytest.raises(LabError, match="cannot find n9 in lab lab: it has hub, bro"):
        lab().machine("n9")


@pytest.mark.parametrize(
    "name", ["", "Lab", "1lab", "a-b", "twelve.chars", "abcdefghijkl", "netns", "l\n"]
)
def test_a_lab_name_that_cannot_be_derived_from_is_refused(name: str) -> None:
    """It becomes part of interface and namespace names."""
    with pytest.raises(LabError, match="cannot name a lab"):
        lab(name)


@pytest.mark.parametrize(
    "subnet", ["", "lab", "10.90.0.1/24", "10.90.0.0/16", "8.8.8.0/24", "fd00::/24"]
)
def test_only_a_private_24_is_a_subnet(subnet: str) -> None:
    """Public addresses would hide someone's real hosts."""
    with pytest.raises(LabError, match="cannot use subnet"):
        layout.plan("lab", subnet, (Place(name="n1", site="a"),), HOME)


def test_a_lab_without_nodes_is_refused() -> None:
    """There would be nothing to try."""
    with pytest.raises(LabError, match="cannot plan lab lab without nodes"):
        layout.plan("lab", layout.DEFAULT_SUBNET, (), HOME)


def test_sites_number_their_nodes_through() -> None:
    """n4 is the first node of the second site."""
    places = layout.parse_places(None, "a:3, b:2")
    assert [(place.name, place.site) for place in places] == [
        ("n1", "a"),
        ("n2", "a"),
        ("n3", "a"),
        ("n4", "b"),
        ("n5", "b"),
    ]


def test_three_nodes_on_one_site_are_the_default() -> None:
    """`edgectl lab up` needs no options."""
    places = layout.parse_places(None, None)
    assert [place.name for place in places] == ["n1", "n2", "n3"]
    assert {place.site for place in places} == {layout.DEFAULT_SITE}


@pytest.mark.parametrize("sites", ["a", "a:", "a:0", "a:x", ":2", "a:1,,b:1", "A:1"])
def test_a_site_that_cannot_be_read_shows_how_to_write_it(sites: str) -> None:
    """The message carries the shape."""
    with pytest.raises(LabError, match="write it as name:count"):
        layout.parse_places(None, sites)


def test_a_site_is_named_once() -> None:
    """Two sizes for one site have no meaning."""
    with pytest.raises(LabError, match="cannot use site 'a' twice"):
        layout.parse_places(None, "a:1,a:2")


def test_a_count_that_contradicts_the_sites_is_refused() -> None:
    """Neither of the two is right more than the other."""
    with pytest.raises(LabError, match="cannot make 4 nodes: --site a:3 adds up to 3"):
        layout.parse_places(4, "a:3")


@pytest.mark.parametrize("count", [0, -1, layout.MOST_NODES + 1])
def test_a_lab_has_no_more_nodes_than_addresses(count: int) -> None:
    """The last address is the broadcast's."""
    with pytest.raises(LabError, match=f"cannot make {count} nodes"):
        layout.parse_places(count, None)


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({}, "/var/lib/tutti/labs"),
        ({"XDG_STATE_HOME": "/s"}, "/s/tutti/labs"),
        ({"XDG_STATE_HOME": "/s", "EDGE_LAB_HOME": "/l"}, "/l"),
    ],
)
def test_the_most_particular_setting_says_where_labs_are(
    environ: dict[str, str], home: str
) -> None:
    """EDGE_LAB_HOME, then the XDG folder, then the system's."""
    assert layout.homes(environ) == Path(home)


def test_a_relative_home_is_refused() -> None:
    """The next command may be run from another folder."""
    with pytest.raises(LabError, match="EDGE_LAB_HOME must be absolute"):
        layout.homes({"EDGE_LAB_HOME": "labs"})


@pytest.mark.parametrize(("text", "percent"), [("20%", 20), ("0", 0), ("0.5%", 0.5)])
def test_a_loss_is_read_in_per_cent(text: str, percent: float) -> None:
    """With or without the sign."""
    assert layout.parse_percent(text) == percent


@pytest.mark.parametrize("text", ["", "much", "-1", "101%", "nan", "inf"])
def test_a_loss_outside_all_and_nothing_is_refused(text: str) -> None:
    """There are no more packets than all."""
    with pytest.raises(LabError, match="say 0% to 100%"):
        layout.parse_percent(text)
