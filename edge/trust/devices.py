"""Rules for what devices and the hub sign."""

import hashlib
from functools import lru_cache
from typing import cast

from edge import sealing
from edge.documents import (
    Assignment,
    Beacon,
    CertificateRequest,
    Member,
    Plan,
    Report,
    Voucher,
)
from edge.names import DeviceId
from edge.trust import authority
from edge.trust.claim import Claim
from edge.trust.ledger import Enrolled
from edge.trust.verdict import Refused

VIEWER_PREFIX = "view."
"""Subjects of read-only certificates; the dot keeps them out of the device alphabet."""
MEMBERS_MAX = 1_000
"""Members a device remembers: ten times the largest site, for those that came and
went. Whoever has voucher and join key could otherwise fill its disk."""
DEVICE_ID_DIGITS = 24  # 96 bits: nobody finds a second key for an id


@lru_cache(maxsize=1024)
def device_id(sign_key: str) -> DeviceId:
    """Return the id of a device: the digest of its first signing key."""
    digest = hashlib.sha256(sealing.from_text(sign_key)).hexdigest()
    return DeviceId(f"d-{digest[:DEVICE_ID_DIGITS]}")


def member(claim: Claim) -> Refused | None:
    """The chain: root → operator → voucher → join key and device key."""
    document = cast("Member", claim.document)
    ledger = claim.ledger
    refused = _barred(claim, document)
    if refused or claim.is_known:
        return refused
    if ledger.is_hidden("revocation"):
        problem = "the newest revocation was seen before, and is not shown now"
        return Refused(reason="rolled-back", problem=problem)
    before = ledger.members.get(document.device)
    voucher = ledger.vouchers.get(document.voucher)
    refused = _next_member(claim, before) if before else _first_member(claim, voucher)
    return refused or _weak_key(document) or _crowded(claim)


def _crowded(claim: Claim) -> Refused | None:
    """A device keeps its neighbours, not the whole fleet."""
    ledger = claim.ledger
    is_new = cast("Member", claim.document).device not in ledger.members
    if not ledger.me or not is_new or len(ledger.members) < MEMBERS_MAX:
        return None
    problem = f"{MEMBERS_MAX} members are remembered already"
    return Refused(reason="out-of-limits", problem=problem)


def _barred(claim: Claim, document: Member) -> Refused | None:
    """Return what is wrong with a member's word, new or known."""
    ledger = claim.ledger
    if ledger.is_revoked(document.device) and not claim.is_replay:
        return Refused(reason="revoked", problem=f"{document.name} was revoked")
    holder = ledger.names.get(document.name)
    if holder is not None and holder != document.device:
        problem = f"the name {document.name!r} belongs to {holder}"
        return Refused(reason="name-taken", problem=problem)
    if document.keys.sign not in claim.signers:
        return _not_authorised("the device itself did not sign it")
    if document.voucher not in ledger.vouchers and not claim.is_replay:
        problem = f"no operator of this fleet signed voucher {document.voucher}"
        return Refused(reason="unknown-voucher", problem=problem)
    return None


def _next_member(claim: Claim, before: Enrolled) -> Refused | None:
    """Its voucher gave it its site, and revoking that one must still reach it."""
    document = cast("Member", claim.document)
    kept = (before.member.name, before.member.voucher)
    if (document.name, document.voucher) != kept:
        problem = "a device keeps its name and its voucher"
        return Refused(reason="wrong-member", problem=problem)
    if before.member.keys.sign not in claim.signers:
        return _not_authorised("its old key did not sign it")
    return None


def _first_member(claim: Claim, voucher: Voucher | None) -> Refused | None:
    """Judge a newcomer; read back from disk, its voucher may be damaged by now."""
    document = cast("Member", claim.document)
    if claim.is_replay and document.version > 1:
        return None  # its forerunners, which had the chain, were not kept
    if document.device != device_id(document.keys.sign):
        return Refused(reason="wrong-device", problem="its id is not of its key")
    if voucher is None:
        return None
    if voucher.key not in claim.signers:
        return _not_authorised("the join key did not sign it")
    return None if claim.is_replay else _voucher_refusal(claim, voucher)


def _voucher_refusal(claim: Claim, voucher: Voucher) -> Refused | None:
    """A voucher's window and uses bind newcomers, not devices that are members."""
    ledger = claim.ledger
    if ledger.revocation and voucher.id in ledger.revocation.vouchers:
        return Refused(reason="revoked", problem=f"voucher {voucher.id} was revoked")
    if not ledger.counts_uses:
        return None
    if not voucher.opens_at <= claim.time < voucher.closes_at:
        return Refused(reason="voucher-closed", problem="the join token is not open")
    if len(ledger.uses.get(voucher.id, ())) >= voucher.uses:
        problem = f"the join token was good for {voucher.uses} devices"
        return Refused(reason="voucher-used-up", problem=problem)
    return None


def _weak_key(document: Member) -> Refused | None:
    """What is sealed to a key of low order, everybody can open."""
    keys = document.keys
    if all(sealing.can_seal(each) for each in (keys.seal, keys.mesh, keys.wireguard)):
        return None
    return Refused(reason="malformed", problem="one of its keys keeps no secrets")


def report(claim: Claim) -> Refused | None:
    """A device speaks for itself, by the key its member document names."""
    document = cast("Report", claim.document)
    return _from_device(claim, document.device, document.node)


def certificate_request(claim: Claim) -> Refused | None:
    """A device renews its own certificate; an operator asks for a viewer's.

    Each time anew, a known one included: the answer is a fresh certificate.
    """
    document = cast("CertificateRequest", claim.document)
    if not document.subject.startswith(VIEWER_PREFIX):
        device = claim.ledger.names.get(document.subject, "")
        return _from_device(claim, device, document.subject)
    signed = authority.operators(claim.ledger, claim.signers, claim.now)
    if isinstance(signed, Refused):
        return signed
    if any(authority.is_fleet_wide(each.scope) for each in signed):
        return None
    problem = "a viewer sees every site: only an operator without a scope may ask"
    return Refused(reason="out-of-scope", problem=problem)


def assignment(claim: Claim) -> Refused | None:
    """The hub speaks to one device, in root's generation."""
    document = cast("Assignment", claim.document)
    enrolled = claim.ledger.members.get(document.device)
    is_mine = claim.ledger.me in {"", document.device}
    if not is_mine or (enrolled and enrolled.member.name != document.node):
        return Refused(reason="wrong-recipient", problem=f"it is for {document.node}")
    return _from_hub(claim, document.generation)


def plan(claim: Claim) -> Refused | None:
    """The hub speaks to one site; a device takes the word to its own."""
    document = cast("Plan", claim.document)
    ledger = claim.ledger
    if ledger.me and not claim.is_settled:
        site = ledger.site_of(ledger.me)
        if document.site != site:
            problem = f"it is for site {document.site}, this is {site or 'unknown'}"
            return Refused(reason="wrong-recipient", problem=problem)
    devices = [each.device for each in document.members]
    slots = [each.slot for each in document.slots]
    if len(set(devices)) < len(devices) or len(set(slots)) < len(slots):
        return Refused(reason="malformed", problem="it names one twice")
    return _from_hub(claim, document.generation)


def beacon(claim: Claim) -> Refused | None:
    """The hub says its documents are fresh."""
    return _from_hub(claim, cast("Beacon", claim.document).generation)


def _from_hub(claim: Claim, generation: int) -> Refused | None:
    if not authority.is_hub(claim):
        return _not_authorised("no hub of this fleet signed")
    trusted = claim.ledger.trust
    if claim.is_settled or (trusted and generation == trusted.generation):
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
        return _not_authorised(f"{name} did not sign it")
    return None


def _not_authorised(problem: str) -> Refused:
    return Refused(reason="not-authorised", problem=problem)
