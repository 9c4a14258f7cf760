"""What of an mDNS answer is worth a try."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.names import FleetName
from netmesh import discovery

SHOP = FleetName("shop")
OURS = {b"fleet": b"shop", b"v": b"1"}


def test_a_hub_of_the_fleet_is_a_candidate():
    """Both families, in the order of the answer."""
    found = discovery.candidates(SHOP, OURS, ["10.0.0.1", "fd00::1"], 8443)
    assert found == ("https://10.0.0.1:8443", "https://[fd00::1]:8443")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {b"fleet": b"shop"},
        {b"fleet": None, b"v": b"1"},
        {b"fleet": b"other", b"v": b"1"},
        {b"fleet": b"shop", b"v": b"2"},
        {b"fleet": b"SHOP", b"v": b"1"},
    ],
)
def test_strangers_and_other_versions_are_none(said):
    """Another fleet on the same LAN is nobody's mistake."""
    assert discovery.candidates(SHOP, said, ["10.0.0.1"], 8443) == ()


@pytest.mark.parametrize("port", [None, 0])
def test_an_answer_without_a_port_is_none(port):
    """There is nothing to try."""
    assert discovery.candidates(SHOP, OURS, ["10.0.0.1"], port) == ()


NOWHERE = ["127.0.0.1", "::1", "224.0.0.251", "0.0.0.0", "::", "240.0.0.1", "fe80::1"]


@pytest.mark.parametrize("address", [*NOWHERE, "ff02::fb", "fe80::1%eth0", "", "hub"])
def test_addresses_that_lead_nowhere_are_left_out(address):
    """Ourselves, groups, and what is no address."""
    assert discovery.candidates(SHOP, OURS, [address], 8443) == ()


@given(st.lists(st.ip_addresses().map(str), max_size=50), st.integers(1, 65535))
def test_whatever_is_said_leads_to_a_few_unicast_addresses(addresses, port):
    """Never to this device itself, never to more than the limit."""
    found = discovery.candidates(SHOP, OURS, addresses, port)
    assert len(found) <= discovery.ADDRESSES_MAX
    for url in found:
        parts = urlsplit(url)
        assert (parts.scheme, parts.port) == ("https", port)
        address = ip_address(parts.hostname or "")
        assert not address.is_loopback
        assert not address.is_multicast


def test_own_addresses_are_such_that_others_may_reach():
    """What a hub announces by default passes its own sieve."""
    own = discovery.own_addresses()
    assert len(discovery.candidates(SHOP, OURS, own[:1], 1)) == len(own[:1])
    assert "127.0.0.1" not in own


async def test_a_fleet_that_cannot_exist_is_refused():
    """It becomes an argument of a command."""
    with pytest.raises(ConfigError, match="cannot look for hubs"):
        await discovery.find_hubs(FleetName("--help"), within=1)
