"""Which published ports can not be on one device."""

from typing import Any

import pytest

from edge.model import Port
from edge.placement import ports


def port(address: str = "", **changes: Any) -> Port:
    """Return port 80 of an address."""
    return Port(**{"host": 80, "container": 8080, "address": address, **changes})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (port(), port()),
        (port(), port(container=1)),
        (port(), port("10.0.0.1")),
        (port("::"), port("10.0.0.1")),
        (port("10.0.0.1"), port("10.0.0.1")),
    ],
)
def test_the_same_number_clashes_where_addresses_meet(one: Port, other: Port) -> None:
    """In both orders; what is inside the container does not matter."""
    assert ports.clash(one, other)
    assert ports.clash(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (port(), port(host=81)),
        (port(), port(protocol="udp")),
        (port("10.0.0.1"), port("10.0.0.2")),
    ],
)
def test_other_ports_do_not_clash(one: Port, other: Port) -> None:
    """Another number, another protocol, another address."""
    assert not ports.clash(one, other)


def test_a_port_is_spelled_as_people_write_it() -> None:
    """The device's side."""
    assert ports.spelled(port(protocol="udp")) == "80/udp"
