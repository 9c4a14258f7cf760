"""Rules for what devices and the hub sign."""

import hashlib
from typing import cast

from edge import sealing
from edge.documents import Assignment, Beacon, CertificateRequest, Member, Report
from edge.names import DeviceId
from edge.trust import authority
from edge.trust.claim import Claim
from edge.trust.verdict import Refused

VIEWER_PREFIX = "view."
"""Subjects of read-only certificates; the dot keeps them out of the device alphabet."""
DEVICE_ID_DIGITS = 24  # 96 bits: nobody finds a second key for an id


def device_id(sign_key: str) -> DeviceId:
    """Return the id of a device: the digest of its first signing key."""
    digest = hashlib.sha256(sealing.from_text(sign_key)).hexdigest()
    return DeviceId(f"d-{digest[:DEVICE_ID_DIGITS]}")


def member(claim: Claim) -> Refused | None:
    """The chain: root → operator → voucher → join key and device key."""
    document = cast("Member", claim.document)
    if claim.ledger.is_revoked(document.device):
        return Refused(reason="revoked", problem=f"{document.name} was revoked")
    holder = claim.ledger.names.get(document.name)
    if holder is not None and holder != document.device:
        problem = f"the name {document.name!r} belongs to {holder}"
        return Refused(reason="name-taken", problem=problem)
    before = claim.ledger.members.get(document.device)
    if before is None or claim.is_known:
        return _first_member(claim, document)
    if document.name != before.member.name:
        return Refused(reason="wrong-member", problem="a device keeps its name")
    if before.member.keys.sign not in claim.signers:
        return Refused(reason="not-authorised", problem="its old key did not sign")
    return _self_signed(claim, document)


def _first_member(claim: Claim, document: Member) -> Refused | None:
    if document.device != device_id(document.keys.sign):
        return Refused(reason="wrong-device", problem="its id is not of its key")
    voucher = claim.ledger.vouchers.get(document.voucher)
    if voucher is None:
        problem = f"no operator of this fleet signed voucher {document.voucher}"
        return Refused(reason="unknown-voucher", problem=problem)
    if voucher.key not in claim.signers:
        return Refused(reason="not-authorised", problem="the join key did not sign it")
    return _self_signed(claim, document) or _voucher_refusal(claim, document)


def _self_signed(claim: Claim, document: Member) -> Refused | None:
    if document.keys.sign in claim.signers:
        return None
    return Refused(reason="not-authorised", problem="the device itself did not sign it")


def _voucher_refusal(claim: Claim, document: Member) -> Refused | None:
    """A voucher's window and uses bind newcomers, not devices that are members."""
    ledger = claim.ledger
    voucher = ledger.vouchers[document.voucher]
    if ledger.revocation and voucher.id in ledger.revocation.vouchers:
        return Refused(reason="revoked", problem=f"voucher {voucher.id} was revoked")
    if claim.is_replay or claim.is_known:
        return None
    if ledger.counts_uses and not voucher.opens_at <= claim.time < voucher.closes_at:
        return Refused(reason="voucher-closed", problem="the join token is not open")
    used = ledger.uses.get(voucher.id, set()) - {document.device}
    if ledger.counts_uses and len(used) >= voucher.uses:
        problem = f"the join token was good for {voucher.uses} devices"
        return Refused(reason="voucher-used-up", problem=problem)
    return None


def report(claim: Claim) -> Refused | None:
    """A device speaks for itself, by the key its member document names."""
    document = cast("Report", claim.document)
    return _from_device(claim, document.device, document.node)


def certificate_request(claim: Claim) -> Refused | None:
    """A device renews its own certificate; an operator asks for a viewer's."""
    document = cast("CertificateRequest", claim.document)
    if document.subject.startswith(VIEWER_PREFIX):
        signed = authority.operators(claim.ledger, claim.signers, claim.now)
        return signed if isinstance(signed, Refused) else None
    device = claim.ledger.names.get(document.subject, "")
    return _from_device(claim, device, document.subject)


def assignment(claim: Claim) -> Refused | None:
    """The hub speaks to one device, in root's generation."""
    document = cast("Assignment", claim.document)
    if claim.ledger.me and document.device != claim.ledger.me:
        return Refused(reason="wrong-recipient", problem=f"it is for {document.node}")
    return _from_hub(claim, document.generation)


def beacon(claim: Claim) -> Refused | None:
    """The hub says its documents are fresh."""
    return _from_hub(claim, cast("Beacon", claim.document).generation)


def _from_hub(claim: Claim, generation: int) -> Refused | None:
    if not authority.is_hub(claim.ledger, claim.signers):
        return Refused(reason="not-authorised", problem="no hub of this fleet signed")
    trusted = claim.ledger.trust
    if claim.is_replay or (trusted and generation == trusted.generation):
        return None
    held = trusted.generation if trusted else 0
    problem = f"its hub generation is {generation}, root says {held}"
    return Refused(reason="wrong-generation", problem=problem)


def _from_device(claim: Claim, device: str, name: str) -> Refused | None:
    enrolled = claim.ledger.members.get(device)
    if enrolled is None or enrolled.member.name != name:
        return Refused(reason="unknown-device", problem=f"no member {name!r}")
    if claim.ledger.is_revoked(device):
        return Refused(reason="revoked", problem=f"{name} was revoked")
    if enrolled.member.keys.sign not in claim.signers:
        return Refused(reason="not-authorised", problem=f"{name} did not sign it")
    return None
