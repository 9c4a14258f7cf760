"""The few HTTPS calls a device makes: fetch trust, hand in documents.

Used at enrolment and to renew a certificate, in a process of its own: what http.client
costs in memory is gone again when the daemon runs. Answers are size-capped; nothing in
them is believed unless it is signed or, for a certificate, useless to anyone else.
"""

import http.client
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from edge import envelope
from edge.errors import RequestError, TrustError, Unreachable, WireError

TIMEOUT = 10.0
"""Seconds for one call; a small board needs about one for the TLS handshake."""
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
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=TIMEOUT, context=self._context
        )
        try:
            connection.connect()
            self._look_at(connection)
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, _capped(response.read(ANSWER_MAX + 1))
        except ssl.SSLCertVerificationError as error:
            problem = f"cannot trust {self.url}: {error.verify_message}"
            raise TrustError("certificate-chain", problem) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"cannot reach the hub at {self.url}: {error}") from error
        finally:
            connection.close()

    def _look_at(self, connection: http.client.HTTPSConnection) -> None:
        if self._judge is not None and isinstance(connection.sock, ssl.SSLSocket):
            self._judge(connection.sock.getpeercert() or {})


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
