"""Requests read and answers made, for `hub.api`: capped, named, JSON.

Every refusal is ``{"error": {"reason", "problem"}}``; a request that is refused raises
`RequestError`, which `refused` turns into an answer.
"""

import asyncio

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edge.errors import RequestError
from hub.reads import Reading

OK, NOT_MODIFIED = 200, 304
BAD_REQUEST, NOT_FOUND, TOO_SLOW, TOO_LARGE = 400, 404, 408, 413
DEFECT, UNAVAILABLE = 500, 503
JSON = "application/json"
BODY_WITHIN = 30.0
"""Seconds for a body to arrive; a bundle at 300 kbit/s."""
DIGITS_MAX = 16  # of a number in a query; counters stay under 2**53
WAIT_ASKED_MAX = 1e6  # seconds somebody may ask for; `hub.reads` grants fewer


def as_json(value: object, status: int = OK) -> Response:
    """Return a value as the body of an answer."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def tagged(found: Reading, known: str) -> Response:
    """Return what was found, or 304 if it is ``known`` to the reader."""
    headers = {"ETag": found.tag}
    if found.tag == known:
        return Response(status_code=NOT_MODIFIED, headers=headers)
    return Response(found.body, media_type=JSON, headers=headers)


async def refused(_request: Request, error: Exception) -> Response:
    """Answer a request that was refused by us or by the router."""
    if isinstance(error, RequestError):
        return failure(error.status, error.reason, str(error))
    status = error.status_code if isinstance(error, HTTPException) else BAD_REQUEST
    reason = "not-found" if status == NOT_FOUND else "refused"
    return failure(status, reason, str(error))


async def not_stored(_request: Request, error: Exception) -> Response:
    """Answer that nothing was changed because the disk did not take it."""
    return failure(UNAVAILABLE, "not-stored", str(error))


async def defect(_request: Request, error: Exception) -> Response:
    """Answer for a fault of ours; the traceback goes to the log."""
    problem = f"the hub failed ({type(error).__name__}); its log says how"
    return failure(DEFECT, "defect", problem)


def failure(status: int, reason: str, problem: str) -> Response:
    """Return a refusal."""
    return as_json({"error": {"reason": reason, "problem": problem}}, status)


async def body(request: Request, most: int) -> bytes:
    """Return the body; refuse it before more than ``most`` bytes are in memory."""
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for part in request.stream():
                content += part
                if len(content) > most:
                    problem = f"the body is larger than {most} bytes"
                    raise RequestError(TOO_LARGE, "too-large", problem)
    except TimeoutError as error:
        problem = f"the body did not arrive within {BODY_WITHIN:g} s"
        raise RequestError(TOO_SLOW, "too-slow", problem) from error
    return bytes(content)


def text(request: Request, name: str) -> str:
    """Return a parameter of the query, "" when it is not there."""
    return request.query_params.get(name, "")


def number(request: Request, name: str, default: int) -> int:
    """Return a number of the query."""
    found = text(request, name)
    if not found:
        return default
    if not (found.isascii() and found.isdigit() and len(found) <= DIGITS_MAX):
        problem = f"{name} is a number, not {found[:32]!r}"
        raise RequestError(BAD_REQUEST, "malformed", problem)
    return int(found)


def wait(request: Request) -> float:
    """Return how many seconds a long poll may take."""
    found = text(request, "wait") or "0"
    try:
        seconds = float(found)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= WAIT_ASKED_MAX:
        problem = f"wait is in seconds, not {found[:32]!r}"
        raise RequestError(BAD_REQUEST, "malformed", problem)
    return seconds
