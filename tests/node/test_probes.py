"""Probes against real sockets on the loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from edge.model import Health
from node.probes import Prober
from tests.support.fake_runtime import FakeRuntime
from tests.support.replicas import a_container, a_replica, a_workload

CONTAINER = a_container(a_replica())


@asynccontextmanager
async def server(answer: bytes, seen: list[bytes] | None = None) -> AsyncIterator[int]:
    """Yield the port of a server that reads a request and says ``answer``."""
    serving: set = set()

    async def serve(reader, writer) -> None:
        serving.add(asyncio.current_task())
        request = await reader.readline()
        while request and not request.endswith(b"\r\n\r\n"):
            request += await reader.readline()
        if seen is not None:
            seen.append(request)
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
    # Every connection has ended by now on our side; let the server notice.
    await asyncio.gather(*serving)


async def ask(health: Health, runtime: FakeRuntime | None = None, **workload) -> str:
    """Return what one probe says."""
    prober = Prober(runtime or FakeRuntime())
    return await prober.probe(CONTAINER, a_workload(health=health, **workload))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nbody", ""),
        (b"HTTP/1.0 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 500\r\n\r\n", "answered 500"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 \xff\xff\xff\r\n\r\n", "the answer is not HTTP"),
        (b"no end of line", "the answer is not HTTP"),
        (b"x" * 100_000, "the answer is not HTTP"),
    ],
)
async def test_http_is_judged_by_its_status_line(answer, problem):
    """Success and redirects are well; whatever else comes is read up to a limit."""
    async with server(answer) as port:
        assert await ask(Health(http=f"http://:{port}/healthz")) == problem


async def test_the_request_asks_for_the_signed_path():
    """With the query, and a host for servers that look at it."""
    seen: list[bytes] = []
    async with server(b"HTTP/1.1 200 OK\r\n\r\n", seen) as port:
        await ask(Health(http=f"http://127.0.0.1:{port}/a?b=c"))
    assert seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_a_server_that_does_not_answer_is_given_up():
    """After the signed time."""
    async with server(b"") as port:
        health = Health(http=f"http://:{port}/", timeout=0.1)
        assert await ask(health) == "no answer within 0.1 s"


async def test_tcp_needs_only_a_connection():
    """Whatever the server says."""
    async with server(b"x") as port:
        assert await ask(Health(tcp=f":{port}")) == ""


async def test_a_closed_port_is_a_problem():
    """The sentence says which kind."""
    async with server(b"x") as port:
        pass
    assert "cannot connect" in await ask(Health(tcp=f":{port}"))


async def test_a_command_is_judged_by_its_exit_code():
    """Zero is well."""
    health = Health(command=("check", "it"))
    runtime = FakeRuntime()
    said = []
    for runtime.exit_code in (0, 3, -1):
        said.append(await ask(health, runtime))
    failed = "check ended with exit code 3"
    assert said == ["", failed, "cannot run the health command"]


async def test_a_replica_without_an_address_is_a_problem():
    """It has no network, or is gone."""
    runtime = FakeRuntime()
    runtime.ip = ""
    assert "no address" in await ask(Health(tcp=":80"), runtime)


async def test_a_replica_on_the_hosts_network_is_on_the_loopback():
    """Nobody has to be asked."""
    runtime = FakeRuntime()
    async with server(b"x") as port:
        assert await ask(Health(tcp=f":{port}"), runtime, network="host") == ""
    assert runtime.asked == []


async def test_an_address_is_asked_for_once_in_a_life():
    """Podman's service need not start for every probe."""
    runtime = FakeRuntime()
    prober = Prober(runtime)
    async with server(b"x") as port:
        workload = a_workload(health=Health(tcp=f":{port}"))
        for _ in range(3):
            await prober.probe(CONTAINER, workload)
        await prober.probe(a_container(a_replica(), pid=7), workload)
    assert len(runtime.asked) == 2


async def test_nothing_signed_means_nothing_asked():
    """Then running is all that counts."""
    assert await Prober(FakeRuntime()).probe(CONTAINER, a_workload()) == ""
