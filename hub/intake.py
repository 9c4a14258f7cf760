"""Documents that arrive over HTTPS: judge each, believe it, stop at the first refusal.

Nothing is written here: the caller commits what was taken, or forgets all of it and
reads the database again. A report is not taken this way: it is worth something only on
its device's own topic.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from edge import documents, envelope
from edge.documents import (
    Assignment,
    CertificateRequest,
    Control,
    Deployment,
    Document,
    Member,
    Node,
    Report,
    Revocation,
    Secret,
    Session,
    Tombstone,
    Trust,
    Voters,
)
from edge.errors import WireError
from edge.trust import Accepted, Known, Refused, judge
from edge.trust.devices import VIEWER_PREFIX
from hub import registry
from hub.state import State

MOVES = (Deployment, Tombstone, Control, Node, Secret, Revocation, Trust)
"""Kinds after which places are decided at once, before the sender gets an answer."""

NOT_BACK = (Report, CertificateRequest, Session)
"""Kinds that are worth something only where and when they were said."""

STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "malformed": 400,
        "unsigned": 400,
        "wrong-kind": 400,
        "future-dated": 400,
        "rolled-back": 409,
        "conflict": 409,
        "counter-jump": 409,
        "out-of-limits": 429,
    }
)
"""HTTP status of a refusal by its reason; 403 for all others."""
FORBIDDEN = 403


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document."""

    kind: str
    stream: str
    digest: str
    result: str
    """accepted, known or refused."""
    reason: str = ""
    problem: str = ""
    certificate: str = ""
    """PEM, for a member or certificate-request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Who is to get a certificate for which public key."""

    subject: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a bundle led to: verdicts in its order, the last one maybe a refusal."""

    verdicts: tuple[Accepted | Known | Refused, ...]

    @property
    def accepted(self) -> tuple[Accepted, ...]:
        """Return what is new."""
        return tuple(each for each in self.verdicts if isinstance(each, Accepted))

    @property
    def refused(self) -> Refused | None:
        """Return the refusal it stopped at."""
        last = self.verdicts[-1] if self.verdicts else None
        return last if isinstance(last, Refused) else None

    @property
    def all_refused(self) -> tuple[Refused, ...]:
        """Return every refusal, where each was judged for itself."""
        return tuple(each for each in self.verdicts if isinstance(each, Refused))

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """Return assignments that are new here: they came back from a device."""
        found = (each.document for each in self.accepted)
        return tuple(each for each in found if isinstance(each, Assignment))

    @property
    def is_moving(self) -> bool:
        """Return whether places may be others now."""
        return any(isinstance(each.document, MOVES) for each in self.accepted)

    @property
    def is_joining(self) -> bool:
        """Return whether a device came in, or changed its keys."""
        return any(isinstance(each.document, Member) for each in self.accepted)

    @property
    def is_revoking(self) -> bool:
        """Return whether somebody is trusted no longer."""
        return any(isinstance(each.document, Revocation) for each in self.accepted)

    @property
    def is_viewing(self) -> bool:
        """Return whether a dashboard was let in."""
        wishes = (certified(each.document) for each in self.accepted)
        return any(
            w is not None and w.subject.startswith(VIEWER_PREFIX) for w in wishes
        )

    @property
    def is_founding(self) -> bool:
        """Return whether root said something new."""
        return any(isinstance(each.document, Trust) for each in self.accepted)


def take(state: State, envelopes: Iterable[bytes], now: float) -> Taken:
    """Judge documents in order and let ``state`` believe what is accepted."""
    verdicts: list[Accepted | Known | Refused] = []
    for data in envelopes:
        verdict = judge(data, state.ledger, now)
        if not isinstance(verdict, Refused):
            verdict = _unwelcome(state, verdict, now) or verdict
        verdicts.append(verdict)
        if isinstance(verdict, Refused):
            break
        if isinstance(verdict, Accepted):
            state.take(verdict)
    return Taken(verdicts=tuple(verdicts))


def take_back(state: State, envelopes: Iterable[bytes], now: float) -> Taken:
    """Judge documents a device hands in, each for itself, and believe what counts."""
    verdicts: list[Accepted | Known | Refused] = []
    for data in envelopes:
        verdict = judge(data, state.ledger, now)
        if isinstance(verdict, Accepted):
            if isinstance(verdict.document, NOT_BACK):
                continue
            state.take(verdict)
        verdicts.append(verdict)
    return Taken(verdicts=tuple(verdicts))


def numbers(envelopes: Iterable[bytes]) -> dict[str, int]:
    """Return what documents say they are, whoever signed them: stream → newest."""
    found: dict[str, int] = {}
    for data in envelopes:
        with suppress(WireError):
            sealed = envelope.decode(data)
            each = documents.parse(sealed.payload_type, sealed.body)
            found[each.stream] = max(each.counter[-1], found.get(each.stream, 0))
    return found


def certified(document: Document) -> Certified | None:
    """Return who gets a certificate because of a document, None for most."""
    match document:
        case Member():
            return Certified(subject=document.name, key=document.keys.tls)
        case CertificateRequest():
            return Certified(subject=document.subject, key=document.key)
        case _:
            return None


def touched(taken: Taken, state: State) -> frozenset[str]:
    """Return the names of nodes that should be told of what was accepted."""
    found: set[str] = set()
    for each in taken.accepted:
        match each.document:
            case Node() | Member():
                found.add(each.document.name)
            case Secret():
                member = state.ledger.members.get(each.document.recipient)
                found.update([member.member.name] if member else [])
            case Revocation():
                found.update(registry.revoked_names(state.ledger))
            case Voters():
                plan = state.ledger.plans.get(each.document.site)
                named = plan.members if plan else ()
                found.update(neighbour.name for neighbour in named)
            case Deployment() | Tombstone():
                found.update(_holders(state, each.document.stream))
            case Control():
                found.update(_holders(state, f"deployment/{each.document.name}"))
            case _:
                pass
    return frozenset(found)


def result(verdict: Accepted | Known | Refused, certificate: bytes = b"") -> Result:
    """Return a verdict as the API tells it."""
    if isinstance(verdict, Refused):
        return Result(
            kind=verdict.kind,
            stream="",
            digest="",
            result="refused",
            reason=verdict.reason,
            problem=verdict.problem,
        )
    return Result(
        kind=documents.kind_of(type(verdict.document)),
        stream=verdict.document.stream,
        digest=verdict.digest,
        result="accepted" if isinstance(verdict, Accepted) else "known",
        certificate=certificate.decode(),
    )


def status(refused: Refused | None) -> int:
    """Return the HTTP status for a bundle that ended so."""
    return STATUSES.get(refused.reason, FORBIDDEN) if refused else 200


def _holders(state: State, stream: str) -> set[str]:
    """Return who holds an older document of a stream: the newest is news to them."""
    return {
        heard.report.node
        for heard in state.heard.values()
        if any(held.stream == stream for held in heard.report.held)
    }


def _unwelcome(state: State, verdict: Accepted | Known, now: float) -> Refused | None:
    """Return why a document that counts is not taken here all the same."""
    document = verdict.document
    if isinstance(document, Report):
        problem = "a report counts on its device's own topic only"
        return Refused(reason="wrong-kind", problem=problem, kind="report")
    if isinstance(document, Control) and isinstance(verdict, Accepted):
        return _too_late(state, document)
    wants = certified(document)
    if wants is None:
        return None
    issued = state.issued.get(wants.subject, ())
    if registry.reusable(issued, wants.key, now) or not registry.is_full(issued, now):
        return None
    problem = f"{wants.subject} holds {len(issued)} certificates; wait until some end"
    kind = documents.kind_of(type(document))
    return Refused(reason="out-of-limits", problem=problem, kind=kind)


def _too_late(state: State, control: Control) -> Refused | None:
    """Return why nothing more is said of a version: devices go back by the abort."""
    is_aborted = state.aborted.get(control.name, 0) == control.target
    if not is_aborted or control.action == "abort":
        return None
    about = f"revision {control.target} of {control.name} was aborted"
    problem = f"{about}, which nothing takes back; deploy a newer one"
    return Refused(reason="conflict", problem=problem, kind="control")
