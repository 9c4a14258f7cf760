"""How a connection is opened without blocking, and what it refuses."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest

from edge import dial, tls
from edge.dial import LimitedSocket
from edge.errors import TrustError, Unreachable
from hub import authority

NOW = 1_790_000_000.0
WINDOW = tls.Validity(not_before=NOW - 1000, not_after=NOW + 1000)
CA_KEY = authority.generate_key()
CA_PEM = authority.create(CA_KEY, "shop", NOW)
CA = authority.load(CA_PEM, CA_KEY)


def server_context(tmp_path, *hosts: str) -> ssl.SSLContext:
    """A server of our CA for these names and addresses."""
    key = authority.generate_key()
    file = tmp_path / "server.pem"
    file.write_bytes(authority.issue_server(CA, hosts, key, WINDOW) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def opened(port: int, context=None, judge=None, host="127.0.0.1", within=5.0):
    """Open as the broker does."""
    return await dial.open_socket(host, port, tls=context, judge=judge, within=within)


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that says ``hello`` to one client and waits for its end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer, args=(server, context))
        answering.start()
        yield server.getsockname()[1]
        answering.join()


def answer(server: socket.socket, context: ssl.SSLContext | None) -> None:
    """Serve one client, whatever it does."""
    plain, _ = server.accept()
    with plain, suppress(OSError):
        if context is None:
            plain.sendall(b"hello")
            plain.recv(4096)
            return
        with context.wrap_socket(plain, server_side=True) as secured:
            secured.sendall(b"hello")
            secured.recv(4096)


async def test_small_packets_leave_at_once():
    """Nagle's algorithm costs every round trip 40 ms and more."""
    with listening() as port, await opened(port) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getblocking() is False


async def test_a_verified_peer_is_shown_to_the_judge(tmp_path):
    """The judge sees what OpenSSL verified."""
    seen: list[Mapping[str, object]] = []
    context = server_context(tmp_path, "127.0.0.1")
    trusting = tls.client_context(CA_PEM)
    with listening(context) as port, await opened(port, trusting, seen.append) as sock:
        assert isinstance(sock, ssl.SSLSocket)
    assert seen[0]["subjectAltName"] == (("IP Address", "127.0.0.1"),)


async def test_a_peer_the_judge_refuses_gets_no_byte(tmp_path):
    """An expired certificate ends the attempt before MQTT begins."""
    context = server_context(tmp_path, "127.0.0.1")
    trusting = tls.client_context(CA_PEM)
    with listening(context) as port, pytest.raises(TrustError) as caught:
        await opened(
            port, trusting, lambda peer: tls.check_validity(peer, NOW + 5000, 0.0)
        )
    assert caught.value.reason == "certificate-late"


async def test_a_peer_of_another_name_is_a_trust_error(tmp_path):
    """Somebody answered who is not trusted: another attempt will not help."""
    context = server_context(tmp_path, "10.9.9.9")
    refused = pytest.raises(TrustError, match="IP address mismatch")
    with listening(context) as port, refused:
        await opened(port, tls.client_context(CA_PEM))


async def test_a_peer_without_tls_is_unreachable():
    """Another program on the port is not a matter of trust."""
    with listening() as port, pytest.raises(Unreachable, match="cannot connect"):
        await opened(port, tls.client_context(CA_PEM))


async def test_a_silent_peer_costs_the_deadline_and_no_more():
    """A port that accepts and says nothing must not hang the daemon."""
    refused = pytest.raises(Unreachable, match=r"no answer in 0\.05 s")
    with socket.create_server(("127.0.0.1", 0)) as silent, refused:
        await opened(silent.getsockname()[1], tls.client_context(CA_PEM), within=0.05)


async def test_a_closed_port_is_unreachable():
    """Nobody listens: try again later."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match="cannot connect to 127"):
        await opened(port)


@pytest.mark.parametrize("host", ["", ".", "a..b", "x" * 300, "no-such.invalid"])
async def test_a_name_that_leads_nowhere_is_unreachable(host):
    """Whatever the join file says is refused with a sentence."""
    with pytest.raises(Unreachable, match="cannot"):
        await opened(1, host=host)


async def test_leaving_while_connecting_leaks_nothing():
    """A cancelled attempt closes its socket; pytest turns a leak into an error."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        attempt = asyncio.create_task(opened(port, tls.client_context(CA_PEM)))
        await asyncio.sleep(0.01)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        with silent.accept()[0] as peer:
            assert peer.recv(4096).startswith(b"\x16\x03")  # a TLS greeting
            assert peer.recv(4096) == b""


def pair(read_max: int) -> tuple[LimitedSocket, socket.socket]:
    """A limited socket and its other end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    return LimitedSocket(ours, read_max=read_max), theirs


def test_a_wish_over_the_limit_is_refused_unread():
    """The bytes of a packet too large never reach this process."""
    limited, theirs = pair(10)
    theirs.send(b"x" * 20)
    with pytest.raises(ConnectionError):
        limited.recv(11)
    assert limited.failure == "a packet of 11 bytes, 10 are allowed"
    assert limited.recv(10) == b"x" * 10
    limited.close()
    theirs.close()


def test_bytes_both_ways_are_progress():
    """What moves is counted, so that a slow link is not taken for a dead one."""
    limited, theirs = pair(10)
    theirs.send(b"abc")
    limited.send(b"defg")
    assert (limited.recv(10), limited.moved) == (b"abc", 7)
    limited.close()
    theirs.close()


def test_the_reason_of_the_end_is_kept():
    """The library throws away why a socket failed; we do not."""
    limited, theirs = pair(10)
    limited.close()
    theirs.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        limited.recv(1)
    assert "Bad file descriptor" in limited.failure
    assert (limited.fileno(), limited.pending()) == (-1, 0)
