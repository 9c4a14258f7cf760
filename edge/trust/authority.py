"""Who may say what: keys that count now, thresholds over distinct keys, scopes.

A document needs as many operators as root's threshold asks for, *each* with a scope
that reaches everything in it: a second signature never widens the first one's reach.

What was believed once and comes again (read back from disk, or sent twice) needs only
to be genuine: expiry, scope and threshold were judged when it was new, and a power cut
must not judge them anew.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from edge.documents import KeySet, Operator, Scope, Trust
from edge.model import Workload
from edge.trust.claim import Claim
from edge.trust.ledger import Ledger
from edge.trust.verdict import Refused

TRUST = "trust"
"""The stream of root's documents."""
Reach = Callable[[Scope], bool]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 1e11
"""Seconds; what documents may say at most (`edge.names.Seconds`): clocks say more."""


def meets(keys: KeySet, signers: frozenset[str]) -> bool:
    """Return whether enough distinct keys of the set signed."""
    return len(signers & frozenset(keys.keys)) >= keys.threshold


def is_hub(claim: Claim) -> bool:
    """Return whether the fleet's hub signed; a settled document may be an old hub's."""
    ledger = claim.ledger
    if claim.is_settled:
        return bool(claim.signers & ledger.hubs)
    if ledger.trust is None or ledger.is_hidden(TRUST):
        return False
    keys = frozenset(hub.key for hub in ledger.trust.hubs)
    return len(claim.signers & keys) >= ledger.trust.hub_threshold


def operators(
    ledger: Ledger, signers: frozenset[str], now: float | None
) -> tuple[Operator, ...] | Refused:
    """Return the operators whose signatures count, or why there are not enough.

    ``now`` None asks only who ever was one: for what was believed before.
    """
    if ledger.trust is None:
        return _not_authorised("no trust document is held yet")
    known = ledger.operators if now is None else _current(ledger.trust)
    signed = tuple(known[key] for key in sorted(signers & known.keys()))
    if not signed:
        return _not_authorised("no operator of this fleet signed")
    if now is None:
        return signed
    if ledger.is_hidden(TRUST):
        return _not_authorised(
            "a newer trust document was held once; it must come first"
        )
    time = max(now, ledger.floor)
    valid = tuple(each for each in signed if each.expires_at > time)
    if len(valid) >= ledger.trust.operator_threshold:
        return valid
    return _too_few(ledger.trust, signed, valid, time)


def consent(claim: Claim, reaches: Reach, beyond: str) -> Refused | None:
    """Return None if enough operators signed whose scope reaches what is asked for.

    ``beyond`` is the problem to name when they signed but may not say this.
    """
    signed = operators(claim.ledger, claim.signers, claim.judged_at)
    if isinstance(signed, Refused):
        return signed
    if claim.is_settled or claim.ledger.trust is None:
        return None
    agreeing = [each for each in signed if reaches(each.scope)]
    if len(agreeing) >= claim.ledger.trust.operator_threshold:
        return None
    return Refused(reason="out-of-scope", problem=beyond)


def covers_device(scope: Scope, site: str, labels: dict[str, str]) -> bool:
    """Return whether a scope reaches a device at ``site`` that carries ``labels``."""
    if scope.sites and site not in scope.sites:
        return False
    return scope.labels.items() <= labels.items()


def covers_workload(scope: Scope, workload: Workload) -> bool:
    """Return whether a workload is limited to what the scope reaches."""
    if scope.sites and not (
        workload.sites and frozenset(workload.sites) <= frozenset(scope.sites)
    ):
        return False
    required = dict(workload.require)
    key, separator, value = workload.every.partition("=")
    if separator:
        required[key] = value
    return scope.labels.items() <= required.items()


def covers_name(scope: Scope, owner: str | None, name: str) -> bool:
    """Return whether a scope may sign as ``name`` for what ``owner`` made.

    ``owner`` None: nobody did. The empty scope may sign as any, and so hand over.
    """
    return not scope.name or (scope.name == name and owner in {None, name})


def is_fleet_wide(scope: Scope) -> bool:
    """Return whether a scope has no limits; limits always have a name (`trust`)."""
    return not scope.name


def _current(trust: Trust) -> dict[str, Operator]:
    return {each.key: each for each in trust.operators}


def _too_few(
    trust: Trust, signed: tuple[Operator, ...], valid: tuple[Operator, ...], time: float
) -> Refused:
    if len(valid) < len(signed):
        gone = next(each for each in signed if each not in valid)
        ended, here = _day(gone.expires_at), _day(time)
        problem = f"the key of operator {gone.name!r} ended {ended}, it is {here} here"
        advice = "root must renew it, unless this clock is wrong"
        return Refused(reason="expired", problem=f"{problem}: {advice}")
    return _not_authorised(f"{trust.operator_threshold} operators must sign")


def _not_authorised(problem: str) -> Refused:
    return Refused(reason="not-authorised", problem=problem)


def _day(at: float) -> str:
    return (EPOCH + timedelta(seconds=min(at, LATEST))).date().isoformat()
