"""The API for machines: OpenAPI 3.1, written down as data.

`tests/hub/test_openapi.py` holds it to the routes that exist, in both directions.
"""

from typing import Any

from edge import envelope
from hub.limits import WAIT_MAX

Object = dict[str, Any]
STATES = (
    "revoked",
    "pending",
    "relayed",
    "dead",
    "cut from hub",
    "offline",
    "leaving",
    "partitioned",
    "drained",
    "cordoned",
    "ready",
)
"""What a node can be; docs/protocol.md says which word is used when."""

PHASES = (
    "idle",
    "waiting",
    "rolling",
    "paused",
    "promotable",
    "going-back",
    "done",
    "failed",
    "aborted",
)
"""What a rollout can be in; ``idle`` is a deployment that has no limits."""

ERROR = {"$ref": "#/components/schemas/Error"}
BUNDLE = {"$ref": "#/components/schemas/Bundle"}
ENVELOPE = {"$ref": "#/components/schemas/Envelope"}
TEXT: Object = {"type": "string"}
NUMBER: Object = {"type": "number"}
COUNT: Object = {"type": "integer", "minimum": 0}
FLAG: Object = {"type": "boolean"}


def describe(version: str) -> Object:
    """Return the whole description; ``version`` is the hub's."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tutti hub",
            "version": version,
            "description": (
                "One endpoint takes signed documents, the others are views. Reading "
                "fleet data needs the token of a session, which an operator's "
                "signature under a challenge opens."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
    }


def _content(schema: Object) -> Object:
    return {"application/json": {"schema": schema}}


def _query(name: str, schema: Object, text: str) -> Object:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _object(**properties: Object) -> Object:
    return {"type": "object", "properties": properties}


def _list(schema: Object) -> Object:
    return {"type": "array", "items": schema}


def _responses(schema: Object, *statuses: int) -> Object:
    good = {"description": "the answer", "content": _content(schema)}
    bad = {"description": "refused, with a reason", "content": _content(ERROR)}
    return {"200": good, **{str(status): bad for status in (*statuses, 429, 503)}}


def _public(summary: str, schema: Object, *parameters: Object) -> Object:
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": _responses(schema, 400),
    }


def _private(summary: str, schema: Object, *parameters: Object) -> Object:
    return {
        "summary": summary,
        "security": [{"session": []}],
        "parameters": list(parameters),
        "responses": _responses(schema, 400, 401, 404),
    }


def _polled(summary: str, schema: Object, *parameters: Object) -> Object:
    wait = _query("wait", NUMBER, f"seconds to wait for a change, {WAIT_MAX:g} at most")
    known = {
        "name": "If-None-Match",
        "in": "header",
        "schema": TEXT,
        "description": "the ETag of the answer before; 304 if nothing changed",
    }
    described = _private(summary, schema, *parameters, wait, known)
    described["responses"]["304"] = {"description": "nothing changed"}
    return described


def _posted(summary: str, body: Object, schema: Object, *statuses: int) -> Object:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _content(body)},
        "responses": _responses(schema, *statuses),
    }


UNIT = _object(
    slot=TEXT,
    node=TEXT,
    site=TEXT,
    wave=COUNT,
    version=COUNT,
    wanted=COUNT,
    state=TEXT,
    healthy=FLAG,
    proved=FLAG,
    bad=FLAG,
    online=FLAG,
    reason=TEXT,
    log=TEXT,
)
NODE = _object(
    name=TEXT,
    id=TEXT,
    site=TEXT,
    labels={"type": "object", "additionalProperties": TEXT},
    state={"enum": list(STATES)},
    address=TEXT,
    revisions={"type": "object", "additionalProperties": COUNT},
    last_seen=NUMBER,
    reason=TEXT,
)
REPLICA = _object(
    deployment=TEXT,
    workload=TEXT,
    replica=TEXT,
    revision=COUNT,
    node=TEXT,
    site=TEXT,
    state=TEXT,
    healthy=FLAG,
    address=TEXT,
    since=NUMBER,
    slot=TEXT,
    term=COUNT,
    restarts=COUNT,
    reason=TEXT,
)
RESULT = _object(
    kind=TEXT,
    stream=TEXT,
    digest=TEXT,
    result={"enum": ["accepted", "known", "refused"]},
    reason=TEXT,
    problem=TEXT,
    certificate=TEXT,
)
SCHEMAS: Object = {
    "Error": _object(error=_object(reason=TEXT, problem=TEXT)),
    "Envelope": {
        **_object(
            payloadType=TEXT,
            payload={**TEXT, "contentEncoding": "base64url"},
            signatures=_list(_object(keyid=TEXT, sig=TEXT)),
        ),
        "description": f"DSSE v1, at most {envelope.ENVELOPE_MAX} bytes",
    },
    "Bundle": {
        **_object(documents={**_list(ENVELOPE), "maxItems": envelope.BUNDLE_COUNT_MAX}),
        "description": f"at most {envelope.BUNDLE_MAX} bytes",
    },
    "Node": NODE,
    "Replica": REPLICA,
    "Result": RESULT,
    "Event": _object(id=COUNT, at=NUMBER, kind=TEXT, subject=TEXT, text=TEXT),
    "Revision": _object(
        version=COUNT, issued_at=NUMBER, deleted=FLAG, is_newest=FLAG, workloads=COUNT
    ),
    "Rollout": _object(
        name=TEXT,
        version=COUNT,
        fallback=COUNT,
        strategy=TEXT,
        phase={"type": "string", "enum": list(PHASES)},
        wave=COUNT,
        waves=COUNT,
        reason=TEXT,
        since=NUMBER,
        deadline={"type": ["number", "null"]},
        unavailable=COUNT,
        allowed=COUNT,
        control={"type": ["object", "null"]},
        stranded=_list(TEXT),
        units=_list({"$ref": "#/components/schemas/Unit"}),
    ),
    "Unit": UNIT,
    "Status": _object(
        name=TEXT,
        version=COUNT,
        digest=TEXT,
        deleted=FLAG,
        expected=_list(_object(slot=TEXT, node=TEXT, term=COUNT)),
        unplaced=_list(
            _object(slot=TEXT, workload=TEXT, reasons={"type": "object"}, problem=TEXT)
        ),
        replicas=_list({"$ref": "#/components/schemas/Replica"}),
    ),
}


def _named(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


NAME: Object = {"name": "name", "in": "path", "required": True, "schema": TEXT}
AFTER = _query("after", TEXT, "go on after this one")
PATHS: Object = {
    "/v1/hub": {
        "get": _public(
            "What the hub says of itself",
            _object(
                fleet=TEXT,
                key=TEXT,
                ca=TEXT,
                url=TEXT,
                broker=TEXT,
                version=TEXT,
                adopted=FLAG,
                asks_for=TEXT,
            ),
        )
    },
    "/v1/trust": {
        "get": _public(
            "Trust documents, oldest first",
            BUNDLE,
            _query("since", COUNT, "only versions after this one"),
        )
    },
    "/v1/documents": {
        "post": _posted(
            "Hand in signed documents; stops at the first refusal",
            BUNDLE,
            _object(results=_list(_named("Result"))),
            400,
            403,
            409,
            413,
        ),
        "get": _private(
            "The newest document of each stream; header Tutti-Next leads on",
            BUNDLE,
            _query("prefix", TEXT, "how the stream's name begins"),
            AFTER,
        ),
    },
    "/v1/challenge": {
        "get": _public(
            "A nonce to sign, good for a minute, once", _object(nonce=TEXT, hub=TEXT)
        )
    },
    "/v1/sessions": {
        "post": _posted(
            "Answer a challenge with a session document",
            ENVELOPE,
            _object(token=TEXT, expires_in=NUMBER),
            400,
            403,
        )
    },
    "/v1/nodes": {
        "get": _polled(
            "Devices, by name",
            _object(nodes=_list(_named("Node")), next=TEXT),
            _query("limit", COUNT, "how many at most"),
            AFTER,
        )
    },
    "/v1/replicas": {
        "get": _polled(
            "Replicas as assigned and reported",
            _object(replicas=_list(_named("Replica"))),
            _query("deployment", TEXT, "of this deployment only"),
        )
    },
    "/v1/deployments": {
        "get": _polled(
            "Deployments, in a line each", _object(deployments=_list(_object()))
        )
    },
    "/v1/deployments/{name}": {
        "get": _polled(
            "How a deployment stands",
            _named("Status"),
            NAME,
        )
    },
    "/v1/deployments/{name}/revisions": {
        "get": _private(
            "The versions of a deployment that are kept, oldest first",
            _list(_named("Revision")),
            NAME,
        )
    },
    "/v1/deployments/{name}/revisions/{version}": {
        "get": _private(
            "One version of a deployment as it was signed",
            ENVELOPE,
            NAME,
            {"name": "version", "in": "path", "required": True, "schema": COUNT},
        )
    },
    "/v1/rollouts/{name}": {
        "get": _polled("How a rollout stands", _named("Rollout"), NAME)
    },
    "/v1/vouchers": {
        "get": _polled(
            "Join tokens and how often they were used",
            _object(vouchers=_list(_object())),
        )
    },
    "/v1/events": {
        "get": _private(
            "What was decided and refused, oldest first",
            _object(events=_list(_named("Event"))),
            _query("after", COUNT, "only events with a larger id"),
            _query("limit", COUNT, "how many at most"),
            _query("wait", NUMBER, f"seconds to wait for one, {WAIT_MAX:g} at most"),
        )
    },
    "/v1/counters": {
        "get": _private(
            "How often what was refused",
            _object(counters={"type": "object", "additionalProperties": COUNT}),
        )
    },
    "/openapi.json": {"get": _public("This description", {"type": "object"})},
}
