"""Rules for what root and operators sign."""

from typing import cast

from edge.documents import (
    Deployment,
    Node,
    Revocation,
    Scope,
    Secret,
    Tombstone,
    Trust,
    Voucher,
)
from edge.trust import authority
from edge.trust.claim import Claim
from edge.trust.ledger import Ledger, fingerprint
from edge.trust.verdict import Refused


def trust(claim: Claim) -> Refused | None:
    """Root signs N+1 with N's keys and its own; the first one meets the anchor."""
    document = cast("Trust", claim.document)  # the rule table pairs kind and rule
    current = claim.ledger.trust
    if any(_is_nameless_limit(each.scope) for each in document.operators):
        return Refused(reason="malformed", problem="a scope with limits needs a name")
    if not authority.meets(document.root, claim.signers):
        return _not_authorised("its own root keys did not sign it")
    if current is None:
        return _anchored(document, claim.ledger)
    if not authority.meets(current.root, claim.signers):
        return _not_authorised("the root keys held so far did not sign it")
    if document.generation < current.generation:
        return Refused(reason="rolled-back", problem="its hub generation goes back")
    return None


def revocation(claim: Claim) -> Refused | None:
    """An unscoped operator revokes; nothing ever leaves the list."""
    document = cast("Revocation", claim.document)
    scopes = _scopes(claim)
    if isinstance(scopes, Refused):
        return scopes
    if all(scope.name for scope in scopes):
        return _out_of_scope("only an operator without a scope revokes")
    before = claim.ledger.revocation
    if before is None or document.version < before.version:
        return None
    kept = set(before.devices) <= set(document.devices) and set(before.vouchers) <= set(
        document.vouchers
    )
    return None if kept else Refused(reason="rolled-back", problem="it forgets someone")


def voucher(claim: Claim) -> Refused | None:
    """An operator vouches, inside the scope, for a window that makes sense."""
    document = cast("Voucher", claim.document)
    scopes = _scopes(claim)
    if isinstance(scopes, Refused):
        return scopes
    if document.closes_at <= document.opens_at:
        return Refused(reason="malformed", problem="the voucher closes before it opens")
    return _device_scope(scopes, document.site, document.labels)


def node(claim: Claim) -> Refused | None:
    """An operator speaks of a member that is known, by its digest."""
    document = cast("Node", claim.document)
    scopes = _scopes(claim)
    if isinstance(scopes, Refused):
        return scopes
    if claim.ledger.me and document.device != claim.ledger.me:
        return Refused(reason="wrong-recipient", problem=f"it is for {document.device}")
    enrolled = claim.ledger.members.get(document.device)
    if enrolled is None:
        return Refused(reason="unknown-device", problem=f"no member {document.device}")
    if (enrolled.digest, enrolled.member.name) != (document.member, document.name):
        return Refused(reason="wrong-member", problem="it approves another member")
    return _device_scope(scopes, document.site, document.labels)


def deployment(claim: Claim) -> Refused | None:
    """An operator deploys under a name of its scope, within what it covers."""
    document = cast("Deployment", claim.document)
    scopes = _owner_scopes(claim, document.scope)
    if isinstance(scopes, Refused):
        return scopes
    names = [workload.name for workload in document.workloads]
    if len(set(names)) != len(names):
        return Refused(reason="malformed", problem="two workloads have one name")
    for workload in document.workloads:
        if not any(authority.covers_workload(scope, workload) for scope in scopes):
            return _out_of_scope(f"workload {workload.name!r} reaches beyond the scope")
    return None


def tombstone(claim: Claim) -> Refused | None:
    """Whoever may deploy under a name may end it."""
    scopes = _owner_scopes(claim, cast("Tombstone", claim.document).scope)
    return scopes if isinstance(scopes, Refused) else None


def secret(claim: Claim) -> Refused | None:
    """An operator seals for a device or for operators; a device takes only its own."""
    document = cast("Secret", claim.document)
    scopes = _scopes(claim)
    if isinstance(scopes, Refused):
        return scopes
    ledger = claim.ledger
    if ledger.me and document.recipient != ledger.me:
        return Refused(
            reason="wrong-recipient", problem=f"it is for {document.recipient}"
        )
    if _owns(claim, scopes, f"deployment/{document.name.partition('/')[0]}"):
        return None
    return _out_of_scope(f"{document.name} belongs to another scope")


def _is_nameless_limit(scope: Scope) -> bool:
    """A scope is recognised by its name; without one it would pass as unlimited."""
    return not scope.name and scope != Scope()


def _anchored(document: Trust, ledger: Ledger) -> Refused | None:
    if fingerprint(document.root) == ledger.anchor:
        return None
    problem = f"its root is {fingerprint(document.root)}, expected {ledger.anchor}"
    return Refused(reason="not-authorised", problem=problem)


def _scopes(claim: Claim) -> tuple[Scope, ...] | Refused:
    """Return the scopes of the operators that count, or why none does."""
    signed = authority.operators(claim.ledger, claim.signers, claim.now)
    if isinstance(signed, Refused):
        return signed
    return tuple(operator.scope for operator in signed)


def _owner_scopes(claim: Claim, name: str) -> tuple[Scope, ...] | Refused:
    """Return the signers' scopes that may sign as ``name`` for a stream they own."""
    signed = _scopes(claim)
    if isinstance(signed, Refused):
        return signed
    allowed = tuple(each for each in signed if each.name == name or not each.name)
    stream = claim.document.stream
    if _owns(claim, allowed, stream):
        return allowed
    return _out_of_scope(f"{stream} belongs to another scope")


def _owns(claim: Claim, scopes: tuple[Scope, ...], stream: str) -> bool:
    head = claim.ledger.head(stream)
    owner = head.scope if head else None
    return any(authority.covers_name(scope, owner) for scope in scopes)


def _device_scope(
    scopes: tuple[Scope, ...], site: str, labels: dict[str, str]
) -> Refused | None:
    if any(authority.covers_device(scope, site, labels) for scope in scopes):
        return None
    return _out_of_scope(f"site {site!r} with these labels is beyond the scope")


def _not_authorised(problem: str) -> Refused:
    return Refused(reason="not-authorised", problem=problem)


def _out_of_scope(problem: str) -> Refused:
    return Refused(reason="out-of-scope", problem=problem)
