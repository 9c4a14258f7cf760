"""What of a neighbour's mDNS answer is worth a try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmesh import lookout

OURS = {b"fleet": b"shop", b"device": b"d-1", b"v": b"1"}


def test_an_answer_of_the_device_that_was_asked_for_is_a_place():
    """With the port it says."""
    found = lookout.places(OURS, OURS, ["10.0.0.1"], 8445)
    assert found == (("10.0.0.1", 8445),)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {**OURS, b"fleet": b"other"},
        {**OURS, b"device": b"d-2"},
        {**OURS, b"v": b"2"},
        {**OURS, b"device": None},
    ],
)
def test_what_was_not_asked_for_is_none(said):
    """Another fleet, device or version."""
    assert lookout.places(said, OURS, ["10.0.0.1"], 8445) == ()


def test_more_words_do_no_harm():
    """A huge TXT record, or a later version with something to add."""
    said = {**OURS, b"more": b"x" * 8000}
    assert lookout.places(said, OURS, ["10.0.0.1"], 8445)


@pytest.mark.parametrize("port", [None, 0])
def test_an_answer_without_a_port_is_none(port):
    """There is nothing to try."""
    assert lookout.places(OURS, OURS, ["10.0.0.1"], port) == ()


@given(st.lists(st.ip_addresses().map(str), max_size=50))
def test_a_few_ipv4_addresses_at_most(addresses):
    """The mesh's socket knows no other kind."""
    found = lookout.places(OURS, OURS, addresses, 8445)
    assert len(found) <= lookout.ADDRESSES_MAX
    assert all(":" not in address for address, _ in found)


def test_own_addresses_are_such_that_neighbours_may_reach():
    """No loopback, nothing that leads to containers."""
    assert "127.0.0.1" not in lookout.own_addresses()
    assert len(lookout.own_addresses()) <= lookout.ADDRESSES_MAX
