"""The hub over HTTPS: one endpoint that takes signed documents, and views to read.

docs/protocol.md lists the calls, `hub.openapi` describes them for machines. Nothing is
decided here: `hub.desk` judges what is posted, `hub.rows` says what is shown. Rules:

- Every body is size-capped before it is read, every error has a named reason.
- Writing needs no login: a document says who signed it. Refusals cost the sender's
  address a token, so a flood of forgeries ends in 429; what is accepted is free.
- Reading fleet data needs an operator's session (`hub.sessions`).
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edge import envelope
from edge.bucket import Rate
from edge.errors import RequestError, StoreError
from edge.names import is_name
from hub import exchange, openapi, registry, rollout_rows, rows
from hub.desk import Desk
from hub.exchange import JSON, NOT_FOUND
from hub.intake import FORBIDDEN, STATUSES
from hub.limits import WAIT_MAX, Buckets
from hub.reads import Poll
from hub.sessions import RANDOM_BYTES, TOKEN_FOR, Sessions

FLOOD = Rate(burst=200.0, per_second=20.0)
"""Refused, repeated and unauthenticated requests of one address. A site of 100 devices
behind one router may enrol at once, and again after a power cut."""
SESSION_MAX = 16 * 1024  # bytes of an answered challenge
NODES_MAX = 1000
EVENTS_MAX = 1000
VERSION_DIGITS = 16
TOKEN_BYTES = 32
UNAUTHORISED, TOO_MANY = 401, 429

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What the hub says of itself to anybody."""

    url: str
    broker: str
    version: str


class Api:
    """The application; `Poll.close` ends its long polls."""

    def __init__(self, desk: Desk, word: Word, flood: Rate = FLOOD) -> None:
        """``flood`` is how much one address may send that is not accepted."""
        self.poll = Poll(changes=desk.changes)
        self._desk = desk
        self._word = word
        self._flood = Buckets(rate=flood)
        self._sessions = Sessions(
            secret=os.urandom(TOKEN_BYTES), hub=desk.identity.key.public
        )
        self.app = Starlette(
            routes=self._routes(),
            exception_handlers={
                HTTPException: exchange.refused,
                RequestError: exchange.refused,
                ClientDisconnect: exchange.refused,
                StoreError: exchange.not_stored,
                Exception: exchange.defect,
            },
        )

    def _routes(self) -> list[Route]:
        guarded = self._guarded
        return [
            Route("/v1/hub", self.hub),
            Route("/v1/trust", self.trust),
            Route("/v1/documents", self.post, methods=["POST"]),
            Route("/v1/documents", guarded(self.documents), methods=["GET"]),
            Route("/v1/challenge", self.challenge),
            Route("/v1/sessions", self.session, methods=["POST"]),
            Route("/v1/nodes", guarded(self.nodes)),
            Route("/v1/replicas", guarded(self.replicas)),
            Route("/v1/deployments", guarded(self.deployments)),
            Route("/v1/deployments/{name}", guarded(self.deployment)),
            Route("/v1/deployments/{name}/revisions", guarded(self.revisions)),
            Route(
                "/v1/deployments/{name}/revisions/{version}",
                guarded(self.revision),
            ),
            Route("/v1/rollouts/{name}", guarded(self.rollout)),
            Route("/v1/vouchers", guarded(self.vouchers)),
            Route("/v1/events", guarded(self.events)),
            Route("/v1/counters", guarded(self.counters)),
            Route("/openapi.json", self.describe),
        ]

    async def hub(self, _request: Request) -> Response:
        """Say who this is, to anybody."""
        state = self._desk.state
        return exchange.as_json(
            {
                "fleet": state.ledger.fleet,
                "key": state.hub,
                "ca": self._desk.identity.ca_pem.decode(),
                "url": self._word.url,
                "broker": self._word.broker,
                "version": self._word.version,
                "adopted": state.is_adopted,
                "asks_for": state.recovery.said,
            }
        )

    async def trust(self, request: Request) -> Response:
        """Return trust documents, newer ones only if asked so."""
        since = exchange.number(request, "since", 0)
        kept = self._desk.state.shelf.trust_since(since)
        body = envelope.bundle(each.envelope for each in kept)
        return Response(body, media_type=JSON)

    async def post(self, request: Request) -> Response:
        """Take in documents."""
        address = self._admit(request)
        body = await exchange.body(request, envelope.BUNDLE_MAX)
        code = request.headers.get("tutti-adoption", "")
        answer = await self._desk.post(body, code)
        if all(each.result == "accepted" for each in answer.results):
            self._flood.give_back(address)
        return exchange.as_json({"results": answer.results}, answer.status)

    async def documents(self, request: Request) -> Response:
        """Return the newest document of each stream, a bundle at a time."""
        prefix, after = (exchange.text(request, name) for name in ("prefix", "after"))
        found, following = self._desk.state.shelf.page(prefix, after)
        body = envelope.bundle(each.envelope for each in found)
        headers = {"Tutti-Next": following} if following else {}
        return Response(body, media_type=JSON, headers=headers)

    async def challenge(self, request: Request) -> Response:
        """Return something to sign, so that reading needs an operator's key."""
        self._admit(request)
        now = self._desk.clock()
        nonce = self._sessions.challenge(os.urandom(RANDOM_BYTES), now)
        return exchange.as_json({"nonce": nonce, "hub": self._desk.state.hub})

    async def session(self, request: Request) -> Response:
        """Return a token to whoever signed the challenge."""
        address = self._admit(request)
        body = await exchange.body(request, SESSION_MAX)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        ledger, now = self._desk.state.ledger, self._desk.clock()
        refused = self._sessions.open(body, token, ledger, now)
        if refused is not None:
            self._desk.backlog.refuse(refused, now)
            status = STATUSES.get(refused.reason, FORBIDDEN)
            raise RequestError(status, refused.reason, refused.problem)
        self._flood.give_back(address)
        return exchange.as_json({"token": token, "expires_in": TOKEN_FOR})

    async def nodes(self, request: Request) -> Response:
        """Return devices, by name."""
        limit = min(exchange.number(request, "limit", NODES_MAX), NODES_MAX)
        after = exchange.text(request, "after")
        return await self._polled(request, lambda: self._nodes(after, max(limit, 1)))

    async def replicas(self, request: Request) -> Response:
        """Return replicas, of one deployment or of all."""
        name = exchange.text(request, "deployment")
        return await self._polled(
            request, lambda: {"replicas": rows.replicas(self._view(), name)}
        )

    async def deployments(self, request: Request) -> Response:
        """Return deployments, in a line each."""
        return await self._polled(
            request, lambda: {"deployments": rows.deployments(self._view())}
        )

    async def deployment(self, request: Request) -> Response:
        """Return how one deployment stands."""
        name = request.path_params["name"]
        return await self._polled(request, lambda: self._deployment(name))

    async def revisions(self, request: Request) -> Response:
        """Return the versions of a deployment that are kept, oldest first."""
        name = request.path_params["name"]
        lineage = self._desk.state.shelf.lineage
        found = rollout_rows.revisions(lineage, name) if is_name(name) else []
        if not found:
            raise _no_deployment(name)
        return exchange.as_json(found)

    async def revision(self, request: Request) -> Response:
        """Return one version of a deployment as it was signed."""
        name, version = request.path_params["name"], request.path_params["version"]
        is_number = version.isascii() and version.isdigit()
        number = int(version) if is_number and len(version) <= VERSION_DIGITS else 0
        found = self._desk.state.shelf.lineage.revision(name, number)
        if found is None:
            problem = f"version {version[:VERSION_DIGITS]} of {name[:63]!r} is not kept"
            raise RequestError(NOT_FOUND, "not-found", problem)
        return Response(found.envelope, media_type=JSON)

    async def rollout(self, request: Request) -> Response:
        """Return how the rollout of a deployment stands."""
        name = request.path_params["name"]
        return await self._polled(request, lambda: self._rollout(name))

    async def vouchers(self, request: Request) -> Response:
        """Return join tokens and how often they were used."""
        return await self._polled(
            request, lambda: {"vouchers": registry.vouchers(self._desk.state.ledger)}
        )

    async def events(self, request: Request) -> Response:
        """Return what was decided and refused, oldest first."""
        after = exchange.number(request, "after", 0)
        limit = min(exchange.number(request, "limit", EVENTS_MAX), EVENTS_MAX)
        wait = min(exchange.wait(request), WAIT_MAX)
        ends_at = asyncio.get_running_loop().time() + wait
        while True:
            latest = self._desk.changes.latest()
            found = await self._desk.archive.events(after, max(limit, 1))
            if found or not await self.poll.rest(latest, ends_at):
                return exchange.as_json({"events": found})

    async def counters(self, _request: Request) -> Response:
        """Return how often what was refused, for `edgectl doctor`."""
        counters = sorted(self._desk.backlog.counters.items())
        return exchange.as_json({"counters": dict(counters)})

    async def describe(self, _request: Request) -> Response:
        """Return what this API is, for machines."""
        return exchange.as_json(openapi.describe(self._word.version))

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            state, now = self._desk.state, self._desk.clock()
            reader = self._sessions.reader(token.strip(), state.ledger, now)
            if scheme.lower() != "bearer" or reader is None:
                problem = "the session ended or there was none; answer a challenge"
                raise RequestError(UNAUTHORISED, "no-session", problem)
            return await endpoint(request)

        return guarded

    def _admit(self, request: Request) -> str:
        """Return the sender's address, unless it sent too much lately."""
        address = request.client.host if request.client else ""
        if not self._flood.take(address, asyncio.get_running_loop().time()):
            self._desk.backlog.counters["request: too-many"] += 1
            problem = "too many requests were refused lately; wait a moment"
            raise RequestError(TOO_MANY, "too-many", problem)
        return address

    def _view(self) -> rows.FleetView:
        return self._desk.state.view(self._desk.clock())

    def _nodes(self, after: str, limit: int) -> dict[str, object]:
        view = self._view()
        names = [name for name in view.standings if name > after]
        shown = [rows.node(view, view.standings[name]) for name in names[:limit]]
        return {"nodes": shown, "next": names[limit - 1] if len(names) > limit else ""}

    def _deployment(self, name: str) -> rows.Row:
        found = rows.deployment(self._view(), name) if is_name(name) else None
        if found is None:
            raise _no_deployment(name)
        return found

    def _rollout(self, name: str) -> rows.Row:
        shown = rollout_rows.view(self._desk.state, self._desk.clock())
        found = rollout_rows.rollout(shown, name) if is_name(name) else None
        if found is None:
            raise _no_deployment(name)
        return found

    async def _polled(self, request: Request, look: Callable[[], object]) -> Response:
        known = request.headers.get("if-none-match", "")
        wait = exchange.wait(request) if known else 0.0
        return exchange.tagged(await self.poll.answer(look, known, wait), known)


def _no_deployment(name: str) -> RequestError:
    problem = f"there is no deployment {name[:63]!r}"
    return RequestError(NOT_FOUND, "not-found", problem)
