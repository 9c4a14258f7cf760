"""Asks a replica whether it works: over HTTP, by a TCP connection, or by a command.

HTTP is one GET with HTTP/1.1, no redirects followed: 200 to 399 is well. The answer is
read up to its status line; a body of any size costs nothing. A library would cost more
memory than all probes together.
An outcome is a value: "" for well, else a sentence for people.
"""

import asyncio
from urllib.parse import urlsplit

from edge.errors import TemporaryError
from edge.model import Health, Workload
from node.replica import Container
from node.runtime import Runtime

LINE_MAX = 1024  # bytes of a status line; RFC 9112 suggests far more for requests only
LOOPBACK = "127.0.0.1"
STATUS_AT = slice(9, 12)  # of "HTTP/1.1 200 OK"
HTTP_PORT = 80


class Prober:
    """Asks replicas; remembers where each life of a container is reached."""

    def __init__(self, runtime: Runtime) -> None:
        """Ask through ``runtime`` for addresses, and to run commands."""
        self._runtime = runtime
        self._addresses: dict[str, dict[str, str]] = {}
        """Slot → address of each life: two, where an elder runs on."""

    async def probe(self, container: Container, workload: Workload) -> str:
        """Return "" when the replica works, else why not; "" without a health check."""
        health = workload.health
        if health is None:
            return ""
        try:
            async with asyncio.timeout(health.timeout):
                return await self._ask(container, workload, health)
        except TimeoutError:
            return f"no answer within {health.timeout:g} s"
        except TemporaryError as error:
            return str(error)
        except OSError as error:
            return f"cannot connect: {error.strerror or error}"

    async def _ask(
        self, container: Container, workload: Workload, health: Health
    ) -> str:
        if health.command:
            return await self._command(container, health)
        address = await self._address(container, workload)
        if health.http:
            return await _http(health.http, address)
        return await _tcp(health.tcp, address)

    async def _address(self, container: Container, workload: Workload) -> str:
        if workload.network == "host":
            return LOOPBACK
        known = self._addresses.get(container.slot, {})
        address = known.get(container.life, "")
        if not address:
            address = await self._runtime.address(container.id)
            newest = list(known.items())[-1:]
            self._addresses[container.slot] = dict([*newest, (container.life, address)])
        return address

    async def _command(self, container: Container, health: Health) -> str:
        code = await self._runtime.execute(
            container.id, health.command, within=health.timeout
        )
        return "" if code == 0 else f"{health.command[0]} ended with exit code {code}"


async def _http(url: str, address: str) -> str:
    parts = urlsplit(url)
    host, port = parts.hostname or address, parts.port or HTTP_PORT
    if not host:
        return "cannot connect: the replica has no address"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {path} HTTP/1.1\r\nHost: {_host(host)}:{port}\r\n"
    request += "User-Agent: tutti\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(host, port, limit=LINE_MAX)
    try:
        writer.write(request.encode("ascii", "replace"))
        line = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return "the answer is not HTTP"
    finally:
        writer.close()
    return _judge(line)


async def _tcp(place: str, address: str) -> str:
    host, _, port = place.rpartition(":")
    host = host.strip("[]") or address
    if not host:
        return "cannot connect: the replica has no address"
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    return ""


def _judge(line: bytes) -> str:
    status = line[STATUS_AT]
    if not line.startswith(b"HTTP/1.") or not status.isdigit():
        return "the answer is not HTTP"
    if b"200" <= status < b"400":
        return ""
    return f"answered {status.decode()}"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
