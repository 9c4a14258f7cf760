"""Rules for what root signs: who is root, operator and hub from now on.

Version N+1 carries the signatures of N's root keys and of its own. Beyond that a
document is refused that root can only have signed by mistake, because devices would
have no way back from it.
"""

from typing import cast

from edge.documents import Scope, Trust
from edge.names import is_label
from edge.trust import authority
from edge.trust.claim import Claim
from edge.trust.ledger import Ledger, fingerprint
from edge.trust.verdict import Refused
from edge.trust.versions import JUMP_MAX


def trust(claim: Claim) -> Refused | None:
    """Root signs N+1 with N's keys and its own; the first one meets the anchor."""
    document = cast("Trust", claim.document)
    current = claim.ledger.trust
    if not authority.meets(document.root, claim.signers):
        return _not_authorised("its own root keys did not sign it")
    if current is None:
        return _anchored(document, claim.ledger) or _odd(document, 0)
    if not authority.meets(current.root, claim.signers):
        return _not_authorised("the root keys held so far did not sign it")
    if document.generation < current.generation:
        return Refused(reason="rolled-back", problem="its hub generation goes back")
    return _odd(document, current.generation)


def _anchored(document: Trust, ledger: Ledger) -> Refused | None:
    if fingerprint(document.root) == ledger.anchor:
        return None
    problem = f"its root is {fingerprint(document.root)}, expected {ledger.anchor}"
    return _not_authorised(problem)


def _odd(document: Trust, generation: int) -> Refused | None:
    """Return what root cannot have meant."""
    if document.generation - generation > JUMP_MAX:
        return Refused(reason="counter-jump", problem="its hub generation leaps")
    operators = document.operators
    if operators and all(each.expires_at <= document.issued_at for each in operators):
        problem = "every operator had expired when it was signed; check the clock"
        return Refused(reason="expired", problem=problem)
    problem = _twice(document) or _odd_scope([each.scope for each in operators])
    return Refused(reason="malformed", problem=problem) if problem else None


def _twice(document: Trust) -> str:
    """A key with two roles would make a hub an operator."""
    keys = [
        *document.root.keys,
        *(each.key for each in document.operators),
        *(each.key for each in document.hubs),
    ]
    return "" if len(set(keys)) == len(keys) else "one key is named twice"


def _odd_scope(scopes: list[Scope]) -> str:
    """A scope is recognised by its name, so a name stands for one set of limits."""
    limits: dict[str, Scope] = {"": Scope()}
    for scope in scopes:
        if limits.setdefault(scope.name, scope) != scope:
            return (
                f"two scopes are called {scope.name!r}"
                if scope.name
                else "a scope with limits needs a name"
            )
        if not all(is_label(key, value) for key, value in scope.labels.items()):
            return f"scope {scope.name!r} asks for what is no label to give"
    return ""


def _not_authorised(problem: str) -> Refused:
    return Refused(reason="not-authorised", problem=problem)
