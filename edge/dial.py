"""Open a TCP and TLS connection from asyncio and hand out the plain socket.

asyncio's streams keep their socket to themselves, and `edge.broker` must give paho
one. Nothing blocks the event loop, each step has a deadline, and the caller's judge
sees the peer's certificate before a byte of ours is sent.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping

from edge.errors import EdgeError, TrustError, Unreachable

# Data the peer's kernel does not confirm for so long means the path is gone; at 20 %
# loss TCP still gets through in well under ten seconds.
UNCONFIRMED_FOR = 30.0
MILLISECONDS = 1000

# Sees what `ssl.SSLSocket.getpeercert` returned; raises `TrustError`.
Judge = Callable[[Mapping[str, object]], None]
_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


class LimitedSocket:
    """A non-blocking socket that refuses to read more than ``read_max`` at once.

    paho asks for the whole rest of a packet in one call, so this is the place where
    a packet is too large, before any memory is given to it. ``failure`` keeps the
    system's words for the end of the connection, ``moved`` counts bytes both ways.
    """

    def __init__(self, inner: socket.socket, *, read_max: int) -> None:
        self._inner = inner
        self._read_max = read_max
        self.failure = ""
        self.moved = 0

    def recv(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; raise `ConnectionError` for too large a wish."""
        if size > self._read_max:
            self.failure = f"a packet of {size} bytes, {self._read_max} are allowed"
            raise ConnectionError(self.failure)
        try:
            content = self._inner.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.failure = str(error)
            raise
        self.moved += len(content)
        return content

    def send(self, content: bytes | bytearray, /) -> int:
        """Send what fits; the same errors as a socket."""
        sent = self._inner.send(content)
        self.moved += sent
        return sent

    def pending(self) -> int:
        """Return how many bytes TLS has read ahead, unseen by ``select``."""
        return self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return self._inner.fileno()

    def setblocking(self, flag: bool, /) -> None:
        """Stay as we are: asyncio needs the socket not to block."""

    def close(self) -> None:
        """Close the socket; closing twice is fine."""
        self._inner.close()


async def open_socket(
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None,
    judge: Judge | None,
    within: float,
) -> socket.socket:
    """Return a connected, non-blocking socket with Nagle's algorithm off.

    Tries every address of ``host``; each gets ``within`` seconds. Raises
    `Unreachable`, and `TrustError` when somebody answered who is not trusted.
    """
    last: EdgeError = Unreachable(f"cannot resolve {host}: no address")
    for family, address in await _resolve(host, port):
        try:
            async with asyncio.timeout(within):
                return await _open(family, address, host, tls, judge)
        except TimeoutError:
            problem = f"cannot connect to {host}:{port}: no answer in {within:g} s"
            last = Unreachable(problem)
        except ssl.SSLCertVerificationError as error:
            problem = f"cannot trust {host}:{port}: {error.verify_message}"
            last = TrustError("certificate-chain", problem)
        except (OSError, ValueError) as error:
            last = Unreachable(f"cannot connect to {host}:{port}: {error}")
    raise last


async def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, _Address]]:
    try:  # an address needs no resolver and no thread
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (OSError, ValueError):
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise Unreachable(f"cannot resolve {host}: {error}") from error
    return [(family, address) for family, _, _, _, address in found]


async def _open(
    family: socket.AddressFamily,
    address: _Address,
    host: str,
    tls: ssl.SSLContext | None,
    judge: Judge | None,
) -> socket.socket:
    plain = socket.socket(family, socket.SOCK_STREAM)
    opened: socket.socket = plain
    try:
        plain.settimeout(0)  # never block: asyncio waits
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limit = int(UNCONFIRMED_FOR * MILLISECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)
        await asyncio.get_running_loop().sock_connect(plain, address)
        if tls is not None:
            opened = secured = tls.wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
            await _shake_hands(secured)
            if judge is not None:
                judge(secured.getpeercert() or {})
    except BaseException:
        opened.close()
        plain.close()
        raise
    return opened


async def _shake_hands(secured: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(secured, loop.add_reader, loop.remove_reader)
        except ssl.SSLWantWriteError:
            await _ready(secured, loop.add_writer, loop.remove_writer)
        else:
            return


async def _ready(
    sock: ssl.SSLSocket,
    add: Callable[[int, Callable[[], None]], None],
    remove: Callable[[int], bool],
) -> None:
    ready = asyncio.Event()
    add(sock.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock.fileno())
