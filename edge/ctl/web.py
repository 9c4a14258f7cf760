"""One HTTP connection, kept open: bytes out, capped bytes back, our errors only.

Over `http.client`, which writes head and body at once and turns Nagle's algorithm off;
either one alone would cost 40 ms for each request. What a kept connection lost is asked
once more, if asking twice changes nothing.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Self
from urllib.parse import urlsplit

import msgspec

from edge.errors import ConfigError, TrustError, Unreachable, WireError

CONNECT_WITHIN = 5.0  # seconds
ANSWER_WITHIN = 30.0  # seconds; a long poll adds what it asks for
BODY_MAX = 8 * 1024 * 1024  # bytes; a list of 10,000 devices has about 3 million
PORTS = {"https": 443, "http": 80}

Judge = Callable[[Mapping[str, object]], None]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect; ``port`` is explicit."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Return ``https://host:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answered, all of it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    """By lower-case name."""


def address(url: str, *, port: int = 0) -> Address:
    """Return the parts of ``https://host:port``; ``port`` when none is written."""
    try:
        parts = urlsplit(url)
        number = parts.port or port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ConfigError(f"cannot use the address {url!r}: {error}") from error
    is_bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in PORTS or not parts.hostname or not is_bare:
        problem = f"cannot use the address {url!r}: write https://host:port"
        raise ConfigError(problem)
    return Address(scheme=parts.scheme, host=parts.hostname, port=number)


class Connection:
    """A connection to one server, opened when first used and again when it broke."""

    def __init__(
        self,
        at: Address,
        context: ssl.SSLContext | None,
        judge: Judge | None = None,
    ) -> None:
        """``judge`` sees the server's certificate before a byte of ours is sent."""
        self.at = at
        self._context = context
        self._judge = judge
        self._inner: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        """Return itself; nothing is opened yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        if self._inner is not None:
            self._inner.close()
            self._inner = None

    @property
    def certificate(self) -> Mapping[str, object]:
        """Return the server's certificate, empty before a connection is open."""
        sock = self._inner.sock if self._inner is not None else None
        return (sock.getpeercert() or {}) if isinstance(sock, ssl.SSLSocket) else {}

    def open(self) -> None:
        """Connect and judge the server's certificate, if that was not done yet."""
        if self._inner is None:
            try:
                self._inner = self._opened()
            except ssl.SSLCertVerificationError as error:
                problem = f"cannot trust {self.at}: {error.verify_message}"
                raise TrustError("certificate-chain", problem) from error
            except (OSError, http.client.HTTPException) as error:
                problem = f"cannot reach {self.at}: {_said(error)}"
                raise Unreachable(problem) from error

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        wait: float = 0.0,
    ) -> Reply:
        """Return the answer to a GET; ``wait`` seconds are added to the deadline."""
        was_open = self._inner is not None
        try:
            return self._ask("GET", path, None, headers or {}, wait)
        except Unreachable:
            if not was_open:
                raise
        return self._ask("GET", path, None, headers or {}, wait)

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Return the answer to a POST of JSON, which is sent once only."""
        kind = {"Content-Type": "application/json"}
        return self._ask("POST", path, body, {**kind, **(headers or {})}, 0.0)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        wait: float,
    ) -> Reply:
        self.open()
        assert self._inner is not None  # noqa: S101 - `open` returned
        try:
            if self._inner.sock is not None:
                self._inner.sock.settimeout(ANSWER_WITHIN + wait)
            self._inner.request(method, path, body=body, headers=dict(headers))
            return _reply(self._inner.getresponse())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            problem = f"cannot get an answer from {self.at}: {_said(error)}"
            raise Unreachable(problem) from error

    def _opened(self) -> http.client.HTTPConnection:
        host, port = self.at.host, self.at.port
        if self._context is None:
            inner = http.client.HTTPConnection(host, port, timeout=CONNECT_WITHIN)
            inner.connect()
            _notice_a_death(inner.sock)
            return inner
        secured = http.client.HTTPSConnection(
            host, port, timeout=CONNECT_WITHIN, context=self._context
        )
        secured.connect()
        _notice_a_death(secured.sock)
        try:
            self._look_at(secured)
        except BaseException:
            secured.close()
            raise
        return secured

    def _look_at(self, secured: http.client.HTTPSConnection) -> None:
        if self._judge is not None and isinstance(secured.sock, ssl.SSLSocket):
            self._judge(secured.sock.getpeercert() or {})


def _notice_a_death(sock: socket.socket) -> None:
    """Have the kernel ask a silent hub whether it is there, see tcp(7).

    One that lost its power closes nothing: a question that may wait for half a minute
    would wait in vain for longer than that. So it fails after about nine seconds.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _reply(answer: http.client.HTTPResponse) -> Reply:
    body = answer.read(BODY_MAX + 1)
    if len(body) > BODY_MAX:
        raise WireError(f"cannot read an answer of more than {BODY_MAX} bytes")
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(status=answer.status, body=body, headers=headers)


def _said(error: Exception) -> str:
    """Return what went wrong as a person would say it."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
