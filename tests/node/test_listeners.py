import socket
from contextlib import closing
from pathlib import Path

import pytest

from node import facts, listeners


def heard() -> set[int]:
    """What the kernel says; it must say something here."""
    found = listeners.tcp()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
)
def test_a_port_that_is_listened_on_is_told(family, address):
    """Of either kind of address."""
    with closing(socket.create_server((address, 0), family=family)) as server:
        assert server.getsockname()[1] in heard()


def test_the_loopback_keeps_nobody_from_a_port():
    """A container publishes on other addresses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert server.getsockname()[1] not in heard()


def test_a_clients_port_is_not_listened_on():
    """It is gone in a moment."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        closing(socket.create_connection(server.getsockname())) as client,
    ):
        assert client.getsockname()[1] not in heard()


def test_it_says_what_proc_says():
    """The slow way round has the same answer, for what is ours."""
    with (
        closing(socket.create_server(("0.0.0.0", 0))) as open_to_all,
        closing(socket.create_server(("127.0.0.1", 0))) as for_us_alone,
    ):
        ours = {each.getsockname()[1] for each in (open_to_all, for_us_alone)}
        table = Path("/proc/net/tcp").read_text()
        assert ours & heard() == ours & facts.parse_sockets(table, facts.LISTEN)
