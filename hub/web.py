"""An HTTPS server for an ASGI application: the only import of uvicorn.

It takes no signals (the daemon does), writes no access log, and its socket is open
before it says so. Nagle's algorithm is off, or every other request would take 44 ms:
uvicorn sends head and body apart, and asyncio turns it off only where the socket itself
says that it is TCP, which those of `socket.create_server` do not.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from edge.errors import ConfigError

CONCURRENT_MAX = 4_000
"""Requests and long polls at a time; more are answered 503."""
IDLE_FOR = 75
"""Seconds a connection may be idle: edgectl keeps one open between two commands."""
GOODBYE_WITHIN = 1
"""Seconds for requests to end when the hub does."""
HEAD_MAX = 16 * 1024  # bytes of a request's line and headers
BACKLOG = 1024  # connections the kernel holds while the loop is busy


# ASGI: (scope, receive, send), whose shapes only the two libraries need to agree on.
Application = Callable[[Any, Any, Any], Awaitable[None]]


class _Server(uvicorn.Server):
    """Uvicorn without its signal handling, that says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def bind(address: str, port: int) -> socket.socket:
    """Return a listening socket; raise `ConfigError` if the address is not free."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.create_server(
            (address, port), family=family, backlog=BACKLOG, reuse_port=False
        )
    except OSError as error:
        where = f"{address or 'every address'}, port {port}"
        problem = f"cannot listen on {where}: {error.strerror}"
        raise ConfigError(f"{problem}; choose another with --listen") from error
    # Connections inherit it. asyncio sets it only where a socket knows its protocol
    # number, which `create_server` leaves at 0; an answer would then take 44 ms more.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


@asynccontextmanager
async def serving(
    application: Application, listening: socket.socket, context: ssl.SSLContext
) -> AsyncIterator[None]:
    """Serve while the context is open."""
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_MAX,
        limit_concurrency=CONCURRENT_MAX,
        timeout_keep_alive=IDLE_FOR,
        timeout_graceful_shutdown=GOODBYE_WITHIN,
        ssl_context_factory=lambda _config, _default: context,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listening]))
        await server.ready.wait()
        try:
            yield
        finally:
            server.should_exit = True
