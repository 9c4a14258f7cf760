"""The hub's HTTPS calls, as docs/protocol.md lists them.

What comes back is the hub's word: documents are bytes for `edge.ctl.view` to judge,
everything else is for showing. A session is opened when the hub asks for one, kept in
the context's folder until it ends, and renewed once when the hub no longer knows it.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from edge import documents, envelope, files
from edge.ctl.shapes import (
    Challenge,
    Counters,
    Event,
    Events,
    Failure,
    HubWord,
    NodeRow,
    Nodes,
    ReplicaRow,
    Replicas,
    Result,
    Results,
    Revision,
    Session,
    Stage,
    Status,
    Token,
)
from edge.ctl.web import Connection, Reply
from edge.documents import Session as SessionDocument
from edge.errors import ConfigError, RequestError, TrustError, WireError
from edge.sealing import Signer

OK, NOT_MODIFIED, UNAUTHORISED = 200, 304, 401
DONE = frozenset({"accepted", "known"})
SESSION_MAX = 16 * 1024  # bytes
SESSION_MARGIN = 30.0  # seconds; a token about to end is not begun with
BUNDLE_BUDGET = envelope.BUNDLE_MAX - 1024  # bytes; the rest is the frame
EVENTS_KEPT = 100
PAGES_MAX = 10_000  # a hub that never ends a list is not believed

Shape = TypeVar("Shape")


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: fleet, key on demand, clock, and where the session is kept."""

    fleet: str
    hubs: frozenset[str]
    """Keys of the hubs that root signed in; no other is answered."""
    signer: Callable[[], Signer]
    now: Callable[[], float]
    session: Path
    read: Callable[[Stage], Stage] = lambda stage: stage
    """Opens what in a stage is sealed to this operator."""


class Hub:
    """The hub at one address, asked by one operator, or by anyone (``asker`` None)."""

    def __init__(self, connection: Connection, asker: Asker | None = None) -> None:
        """Open nothing yet."""
        self._connection = connection
        self._anyone_or = asker
        self._token = ""

    @property
    def address(self) -> str:
        """Return where the hub is."""
        return str(self._connection.at)

    @property
    def _asker(self) -> Asker:
        if self._anyone_or is None:
            raise ConfigError(f"cannot ask {self.address}: that needs an operator")
        return self._anyone_or

    def word(self) -> HubWord:
        """Return what the hub says of itself."""
        return _read(self._connection.get("/v1/hub"), HubWord)

    def clock(self) -> float | None:
        """Return the hub's clock, to the second, None when it does not say."""
        from email.utils import parsedate_to_datetime

        said = self._connection.get("/v1/hub").headers.get("date", "")
        try:
            return parsedate_to_datetime(said).timestamp()
        except ValueError:
            return None

    def trust_since(self, version: int) -> tuple[bytes, ...]:
        """Return trust documents newer than ``version``, oldest first."""
        reply = self._connection.get(f"/v1/trust?since={version}")
        return envelope.unbundle(_good(reply).body)

    def post(self, sealed: Iterable[bytes], code: str = "") -> tuple[Result, ...]:
        """Hand documents in, in order; raise `RequestError` at the first refusal.

        ``code`` is the one-time code that adopts a hub.
        """
        headers = {"Tutti-Adoption": code} if code else {}
        results: list[Result] = []
        for part in _parts(sealed):
            body = envelope.bundle(part)
            reply = self._connection.post("/v1/documents", body, headers)
            results += _results(reply)
        return tuple(results)

    def documents(self, prefix: str) -> Iterator[bytes]:
        """Yield the newest document of each stream with a prefix, page by page."""
        after = ""
        for _ in range(PAGES_MAX):
            query = f"prefix={quote(prefix, safe='')}&after={quote(after, safe='')}"
            reply = self._get(f"/v1/documents?{query}")
            yield from envelope.unbundle(reply.body)
            after = reply.headers.get("tutti-next", "")
            if not after:
                return
        raise WireError(f"cannot read the documents {prefix!r}: the list has no end")

    def nodes(self) -> tuple[NodeRow, ...]:
        """Return all devices as the hub sees them."""
        found: list[NodeRow] = []
        after = ""
        for _ in range(PAGES_MAX):
            reply = self._get(f"/v1/nodes?limit=1000&after={quote(after, safe='')}")
            page = _read(reply, Nodes)
            found += page.nodes
            after = page.next or ""
            if not after:
                return tuple(found)
        raise WireError("cannot read the devices: the list has no end")

    def replicas(self, deployment: str = "") -> tuple[ReplicaRow, ...]:
        """Return all replicas, or one deployment's, as the hub sees them."""
        query = f"?deployment={quote(deployment, safe='')}" if deployment else ""
        return _read(self._get(f"/v1/replicas{query}"), Replicas).replicas

    def status(
        self, deployment: str, etag: str = "", wait: float = 0.0
    ) -> tuple[Status | None, str]:
        """Return how a deployment stands and its ETag, None if nothing changed."""
        path = f"/v1/deployments/{quote(deployment, safe='')}"
        return self._polled(path, Status, etag, wait)

    def stage(
        self, deployment: str, etag: str = "", wait: float = 0.0
    ) -> tuple[Stage | None, str]:
        """Return where a rollout stands and its ETag, None if nothing changed."""
        path = f"/v1/rollouts/{quote(deployment, safe='')}"
        found, etag = self._polled(path, Stage, etag, wait)
        return (self._asker.read(found) if found else None), etag

    def revisions(self, deployment: str) -> tuple[Revision, ...]:
        """Return the versions of a deployment that the hub keeps, oldest first."""
        path = f"/v1/deployments/{quote(deployment, safe='')}/revisions"
        return _read(self._get(path), tuple[Revision, ...])

    def revision(self, deployment: str, version: int) -> bytes:
        """Return the envelope of one version."""
        path = f"/v1/deployments/{quote(deployment, safe='')}/revisions/{version}"
        return self._get(path).body

    def events(self, after: str = "", wait: float = 0.0) -> Events:
        """Return what was decided and refused since ``after``, oldest first."""
        query = f"after={quote(after, safe='')}" + (f"&wait={wait:g}" if wait else "")
        return _read(self._get(f"/v1/events?{query}", wait=wait), Events)

    def last_events(self) -> tuple[Event, ...]:
        """Return the newest events, at least a few if there are, oldest first."""
        found: tuple[Event, ...] = ()
        for _ in range(PAGES_MAX):
            newer = self.events(str(found[-1].id) if found else "").events
            if not newer:
                break
            found = (*found, *newer)[-EVENTS_KEPT:]
        return found

    def counters(self) -> dict[str, int]:
        """Return how often what was refused, by ``<kind>: <reason>``."""
        return _read(self._get("/v1/counters"), Counters).counters

    def _polled(
        self, path: str, shape: type[Shape], etag: str, wait: float
    ) -> tuple[Shape | None, str]:
        """Return an answer and its ETag; wait for another one than ``etag``'s."""
        headers = {"If-None-Match": etag} if etag else {}
        query = f"?wait={wait:g}" if wait else ""
        reply = self._get(f"{path}{query}", headers, wait)
        if reply.status == NOT_MODIFIED:
            return None, etag
        return _read(reply, shape), reply.headers.get("etag", "")

    def _get(
        self, path: str, headers: dict[str, str] | None = None, wait: float = 0.0
    ) -> Reply:
        """Ask with the session's token; open a new session once if it ended."""
        self._token = self._token or self._kept() or self._opened()
        reply = self._connection.get(path, self._signed(headers), wait=wait)
        if reply.status == UNAUTHORISED:
            self._token = self._opened()
            reply = self._connection.get(path, self._signed(headers), wait=wait)
        return reply if reply.status == NOT_MODIFIED else _good(reply)

    def _signed(self, headers: dict[str, str] | None) -> dict[str, str]:
        return {**(headers or {}), "Authorization": f"Bearer {self._token}"}

    def _kept(self) -> str:
        """Return the token of an earlier command, "" when it is over or not ours."""
        content = files.read(self._asker.session, at_most=SESSION_MAX)
        try:
            kept = msgspec.json.decode(content or b"{}", type=Session)
        except (msgspec.MsgspecError, RecursionError):
            return ""
        is_good = kept.hub == self.address and kept.expires_at > self._asker.now()
        return kept.token if is_good else ""

    def _opened(self) -> str:
        """Answer the hub's challenge and keep the token."""
        challenge = _read(self._connection.get("/v1/challenge"), Challenge)
        if challenge.hub not in self._asker.hubs:
            problem = f"cannot log in at {self.address}: root signed in another hub"
            raise TrustError("wrong-hub", f"{problem}; see `edgectl hub adopt`")
        answer = SessionDocument(
            fleet=self._asker.fleet, nonce=challenge.nonce, hub=challenge.hub
        )
        sealed = documents.sign(answer, self._asker.signer())
        token = _read(self._connection.post("/v1/sessions", sealed), Token)
        ends_at = self._asker.now() + token.expires_in - SESSION_MARGIN
        kept = Session(hub=self.address, token=token.token, expires_at=ends_at)
        files.write(self._asker.session, msgspec.json.encode(kept))
        return token.token


def _parts(sealed: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield documents in bundles that a hub reads."""
    part: list[bytes] = []
    size = 0
    for each in sealed:
        is_full = size + len(each) > BUNDLE_BUDGET
        if part and (is_full or len(part) == envelope.BUNDLE_COUNT_MAX):
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each) + 1
    if part:
        yield part


def _results(reply: Reply) -> tuple[Result, ...]:
    """Return what became of each document; raise `RequestError` for a refusal."""
    try:
        results = msgspec.json.decode(reply.body, type=Results).results
    except (msgspec.MsgspecError, RecursionError):
        results = ()
    last = results[-1] if results else None
    if last is not None and last.result not in DONE:
        subject = last.stream or last.kind or "a document"
        problem = f"cannot hand in {subject}: {last.problem or last.reason}"
        raise RequestError(reply.status, last.reason, problem)
    _good(reply)
    return results


def _good(reply: Reply) -> Reply:
    if reply.status == OK:
        return reply
    try:
        failure = msgspec.json.decode(reply.body, type=Failure).error
        reason, problem = failure.reason, failure.problem
    except (msgspec.MsgspecError, RecursionError):
        reason, problem = "refused", f"the hub answered {reply.status}"
    raise RequestError(reply.status, reason, f"cannot ask the hub: {problem}")


def _read(reply: Reply, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(_good(reply).body, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WireError(f"cannot read the hub's answer: {error}") from error
