"""Bytes in, verdict out: the one gate every document passes.

Each kind has one rule; a kind without a rule is refused. Reading back what was accepted
before is judging with ``now`` None: nothing expires, keys that once counted still do.
Never judge like that what somebody sent: to them a removed operator would still count.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edge import documents, envelope
from edge.documents import Document
from edge.errors import WireError
from edge.trust import devices, operators, roots, versions
from edge.trust.claim import Claim
from edge.trust.ledger import Ledger
from edge.trust.verdict import Accepted, Known, Refused, Verdict

AHEAD_MAX = 86_400.0
"""Seconds a signer's clock may be ahead of ours: any time zone mistaken for UTC."""
Rule = Callable[[Claim], Refused | None]

RULES: Mapping[type[Document], Rule] = MappingProxyType(
    {
        documents.Trust: roots.trust,
        documents.Revocation: operators.revocation,
        documents.Voucher: operators.voucher,
        documents.Node: operators.node,
        documents.Deployment: operators.deployment,
        documents.Tombstone: operators.tombstone,
        documents.Secret: operators.secret,
        documents.Member: devices.member,
        documents.Report: devices.report,
        documents.CertificateRequest: devices.certificate_request,
        documents.Assignment: devices.assignment,
        documents.Beacon: devices.beacon,
        documents.Plan: devices.plan,
        documents.Voters: operators.voters,
        documents.Control: operators.control,
    }
)


def judge(data: bytes, ledger: Ledger, now: float | None) -> Verdict:
    """Return what ``data`` is worth; ``now`` in epoch seconds, None on replay."""
    try:
        sealed = envelope.decode(data)
        signers = envelope.signers(sealed)
        if not signers:
            problem = "no signature on it holds"
            return Refused(reason="unsigned", problem=problem)
        document = documents.parse(sealed.payload_type, sealed.body)
    except WireError as error:
        return Refused(reason="malformed", problem=str(error))
    claim = Claim(
        document=document,
        digest=sealed.digest,
        signers=signers,
        ledger=ledger,
        now=now,
    )
    return _judge(claim, data)


def _judge(claim: Claim, data: bytes) -> Verdict:
    kind = documents.kind_of(type(claim.document))
    refused = _refusal(claim)
    if refused is not None:
        return Refused(reason=refused.reason, problem=refused.problem, kind=kind)
    head = claim.ledger.head(claim.document.stream)
    if head is not None and head.digest == claim.digest:
        return Known(document=claim.document, digest=claim.digest, envelope=data)
    return Accepted(
        document=claim.document,
        digest=claim.digest,
        envelope=data,
        signers=claim.signers,
    )


def _refusal(claim: Claim) -> Refused | None:
    document, ledger = claim.document, claim.ledger
    if document.fleet != ledger.fleet:
        problem = f"it is for fleet {document.fleet!r}, this is {ledger.fleet!r}"
        return Refused(reason="wrong-fleet", problem=problem)
    rule = RULES.get(type(document))
    if rule is None:
        return Refused(reason="wrong-kind", problem="it never stands alone")
    refused = rule(claim) or _future_dated(claim)
    if refused is not None:
        return refused
    head = ledger.head(document.stream)
    if head is None and claim.now is None:
        return None  # from our own disk: it came here in steps that were small enough
    return versions.refusal(document, claim.digest, head)


def _future_dated(claim: Claim) -> Refused | None:
    """A wrong clock must not raise the fleet's time floor: it never goes back.

    Hub and edgectl know the time and keep such documents from travelling. A device may
    believe any year after a boot, so it cannot tell and does not ask.
    """
    ahead = claim.issued_at - claim.time
    if claim.ledger.me or claim.is_settled or ahead <= AHEAD_MAX:
        return None
    problem = (
        f"it was signed {ahead / AHEAD_MAX:.0f} days ahead of this clock; "
        "set the signer's clock, or ours, and sign it again"
    )
    return Refused(reason="future-dated", problem=problem)
