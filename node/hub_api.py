"""The few HTTPS calls a device makes: fetch trust, hand in documents.

Used at enrolment and to renew a certificate, in a process of its own: what http.client
costs in memory is gone again when the daemon runs. Answers are size-capped; nothing in
them is believed unless it is signed or, for a certificate, useless to anyone else.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from edge import envelope
from edge.errors import RequestError, TrustError, Unreachable, WireError

TIMEOUT = 10.0
"""Seconds of silence; a small board needs about one for the TLS handshake."""
CALL_MAX = 60.0
"""Seconds for one call, however busy the other side is: enrolment makes two, and a
supervisor waits three minutes for a sign of life."""
ANSWER_MAX = 2 * envelope.BUNDLE_MAX
PORT = 8443
Judge = Callable[[Mapping[str, object]], None]


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    result: str
    reason: str = ""
    problem: str = ""
    certificate: str = ""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    results: tuple[_Result, ...] = ()
    error: dict[str, Any] = {}


class HubApi:
    """One hub at one address; every call opens its own connection."""

    def __init__(
        self, url: str, context: ssl.SSLContext, judge: Judge | None = None
    ) -> None:
        """``judge`` sees the server's certificate first and may raise `TrustError`."""
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or ""
        self._port = parts.port or PORT
        self._context = context
        self._judge = judge

    def trust(self, since: int) -> tuple[bytes, ...]:
        """Return trust documents newer than version ``since``, oldest first."""
        status, body = self._call("GET", f"/v1/trust?since={since}", None)
        if status != http.client.OK:
            raise _refused(status, body, f"cannot fetch trust from {self.url}")
        return envelope.unbundle(body)

    def submit(self, document: bytes) -> str:
        """Hand in one document; return the certificate it is answered with, or "".

        Raises `RequestError` with the hub's named reason when it was refused.
        """
        body = envelope.bundle([document])
        status, answer = self._call("POST", "/v1/documents", body)
        results = _decode(answer).results
        if not results or results[0].result not in {"accepted", "known"}:
            raise _refused(status, answer, f"cannot hand in a document at {self.url}")
        return results[0].certificate

    def _call(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            raw = socket.create_connection((self._host, self._port), TIMEOUT)
            with raw, _cut_off(raw):
                return self._exchange(raw, method, path, body)
        except ssl.SSLCertVerificationError as error:
            problem = f"cannot trust {self.url}: {error.verify_message}"
            raise TrustError("certificate-chain", problem) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"cannot reach the hub at {self.url}: {error}") from error

    def _exchange(
        self, raw: socket.socket, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes]:
        with self._context.wrap_socket(raw, server_hostname=self._host) as secure:
            if self._judge is not None:
                self._judge(secure.getpeercert() or {})
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.sock = secure
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, _capped(response.read(ANSWER_MAX + 1))


@contextmanager
def _cut_off(raw: socket.socket) -> Iterator[None]:
    """End a connection in time: who sends a byte now and then is never silent."""
    handle = raw.dup()  # TLS takes the other one over
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        with suppress(OSError):  # it has ended meanwhile
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(CALL_MAX, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if is_late.is_set():
            raise TimeoutError(f"no whole answer in {CALL_MAX:.0f} s") from error
        raise
    finally:
        timer.cancel()
        handle.close()


def _capped(content: bytes) -> bytes:
    if len(content) > ANSWER_MAX:
        raise WireError(f"cannot read the hub's answer: over {ANSWER_MAX} bytes")
    return content


def _decode(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, RecursionError):
        return _Answer()


def _refused(status: int, body: bytes, sentence: str) -> RequestError:
    answer = _decode(body)
    last = answer.results[-1] if answer.results else None
    reason = last.reason if last else str(answer.error.get("reason", ""))
    problem = last.problem if last else str(answer.error.get("problem", ""))
    said = problem or f"the hub answered {status}"
    return RequestError(status, reason or "refused", f"{sentence}: {said}")
