"""Bytes in, verdict out: the one gate every document passes.

Each kind has one rule; a kind without a rule is refused. `replay` is judging with
``now`` None: nothing expires, keys that once counted still do.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edge import documents, envelope
from edge.documents import Document
from edge.errors import WireError
from edge.trust import devices, operators, versions
from edge.trust.claim import Claim
from edge.trust.ledger import Ledger
from edge.trust.verdict import Accepted, Known, Refused, Verdict

Rule = Callable[[Claim], Refused | None]

RULES: Mapping[type[Document], Rule] = MappingProxyType(
    {
        documents.Trust: operators.trust,
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
    refused = rule(claim)
    if refused is not None:
        return refused
    return versions.refusal(document, claim.digest, ledger.head(document.stream))
