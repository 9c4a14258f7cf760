"""One request to Podman's API socket, and the one place its failures are named.

The only import of podman-py, and of it only the session over a Unix socket
(`podman.api.client`): its domain objects cost 4 MiB of memory and 150 ms of start for
what is one JSON body each. Every request is a connection of its own: the service of a
socket-activated Podman leaves when idle, and a kept connection keeps it for ever.
Calls block; `node.podman_runtime` makes them in threads.
"""

import importlib.util
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edge.errors import RuntimeFailure, Unreachable
from edge.model import MIB

if TYPE_CHECKING:
    from podman.api.client import APIClient, APIResponse

VERSION = "4.0.0"
"""The oldest API we speak; Podman 4.0 and later serve it, 5.x too."""
ANSWER_MAX = 16 * MIB
"""Bytes of an answer: a list of a thousand containers takes about one MiB."""
CHUNK = 64 * 1024
CONNECT_AFTER = 10.0
"""Seconds for the socket to accept; the kernel does it before the service runs."""
REPLY_AFTER = 60.0
"""Seconds for an ordinary answer; a start on a small busy board takes 5."""
COMPLAINT_MAX = 500
GUESSERS = ("chardet", "charset_normalizer")
"""Guess in which encoding text is. We read bytes; without them requests takes 3 MiB
less."""
OK, NOT_MODIFIED, REFUSED, NOT_FOUND, SERVER_FAILED = 200, 304, 400, 404, 500


class Answer(NamedTuple):
    """What the service said: HTTP status and body."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - the JSON boundary
        """Return the decoded body; raise `RuntimeFailure` for what is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.MsgspecError as error:
            raise RuntimeFailure(f"cannot read Podman's answer: {error}") from error


class Request(NamedTuple):
    """One call: ``path`` is below ``/libpod``; ``within`` is seconds of silence."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: object = None
    within: float = REPLY_AFTER


class PodmanApi:
    """The service behind one socket."""

    def __init__(self, url: str) -> None:
        """Remember where (``unix:///run/podman/podman.sock``); connect to nothing."""
        self.url = url
        self._session: APIClient | None = None

    def load(self) -> None:
        """Import podman-py now: 0.1 s that the first request need not wait for."""
        if self._session is None:
            self._session = _client_class()(base_url=self.url, version=VERSION)

    def call(self, request: Request, *, missing_is_fine: bool = False) -> Answer:
        """Make one request and return its answer.

        Raises `Unreachable` when nobody answers, `RuntimeFailure` when Podman could not
        do it; what does not exist is a failure too, unless ``missing_is_fine``.
        """
        answer = self._exchange(request)
        is_missing = answer.status == NOT_FOUND and missing_is_fine
        if answer.status >= REFUSED and not is_missing:
            what = f"{request.method} {request.path}"
            raise RuntimeFailure(f"cannot {what}: {complaint(answer)}")
        return answer

    def _exchange(self, request: Request) -> Answer:
        try:
            return self._send(request)
        except OSError as error:
            cause = _root_cause(error)
            if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
                raise self._unreachable(cause) from error
            if isinstance(cause, TimeoutError):
                problem = f"cannot wait for Podman's {request.path}: nothing came in "
                raise Unreachable(f"{problem}{request.within:g} s") from error
        # It was about to leave and closed on us; its socket starts it again. All we
        # ask for may be asked twice.
        try:
            return self._send(request)
        except OSError as error:
            raise self._unreachable(_root_cause(error)) from error

    def _send(self, request: Request) -> Answer:
        """Send and read; whatever fails on the way is an OSError."""
        self.load()
        assert self._session is not None  # noqa: S101 - load() made it
        body = None if request.body is None else msgspec.json.encode(request.body)
        send = {
            "GET": self._session.get,
            "POST": self._session.post,
            "DELETE": self._session.delete,
        }[request.method]
        more = {"data": body} if body is not None else {}
        reply = send(
            request.path,
            params=dict(request.query),
            headers={"Connection": "close", "Content-Type": "application/json"},
            timeout=(CONNECT_AFTER, request.within),
            stream=True,
            **more,
        )
        try:
            return Answer(reply.status_code, _read(reply))
        finally:
            reply.close()

    def _unreachable(self, cause: BaseException) -> Unreachable:
        problem = f"cannot reach Podman at {self.url}: {cause}; "
        return Unreachable(problem + "is podman.socket enabled and started?")


def complaint(answer: Answer) -> str:
    """Return what Podman said went wrong, in one line."""
    try:
        said = msgspec.json.decode(answer.body)
        text = str(said["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        text = answer.body.decode("utf-8", "replace") or f"status {answer.status}"
    return " ".join(text.split())[:COMPLAINT_MAX]


def _read(reply: "APIResponse") -> bytes:
    parts, size = [], 0
    for chunk in reply.iter_content(CHUNK):
        size += len(chunk)
        if size > ANSWER_MAX:
            problem = f"cannot read Podman's answer: more than {ANSWER_MAX} bytes"
            raise RuntimeFailure(problem)
        parts.append(chunk)
    return b"".join(parts)


def _root_cause(error: BaseException) -> BaseException:
    """Return the first thing that went wrong below the wrappings of three libraries."""
    cause: BaseException | None = error
    while cause is not None:
        error, cause = cause, cause.__cause__ or cause.__context__
    return error


def _client_class() -> "type[APIClient]":
    """Return podman-py's API session without importing its domain objects.

    ``import podman`` imports all of them. An empty package of that name with the right
    path lets Python find the one module below it.
    """
    if "podman" not in sys.modules:
        spec = importlib.util.find_spec("podman")
        package = ModuleType("podman")
        package.__path__ = list((spec and spec.submodule_search_locations) or [])
        sys.modules["podman"] = package
    with _hidden(*GUESSERS):
        from podman.api.client import APIClient

    return APIClient


@contextmanager
def _hidden(*modules: str) -> Iterator[None]:
    """Let an import do without what it can do without."""
    hidden = [each for each in modules if each not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # requests would rather have one
            yield
    finally:
        for each in hidden:
            del sys.modules[each]
