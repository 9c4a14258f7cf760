"""Ask an ASGI application without a network."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Application,
    verb: str,
    path: str,
    body: bytes = b"",
    *,
    address: str = "10.0.0.1",
    **headers: str,
) -> Answer:
    """Send one request; ``headers`` have underscores for hyphens."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": verb,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "https",
        "client": (address, 1),
        "server": ("hub", 8443),
        "headers": [
            (name.replace("_", "-").lower().encode(), value.encode())
            for name, value in headers.items()
        ],
    }
    parts = [body[start : start + 65536] for start in range(0, len(body), 65536)]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        part = parts.pop(0) if parts else b""
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    content = b"".join(each.get("body", b"") for each in sent[1:])
    return Answer(sent[0]["status"], content, found)
