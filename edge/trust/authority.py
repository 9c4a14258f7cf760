"""Who may say what: keys that count now, thresholds over distinct keys, scopes."""

from edge.documents import KeySet, Operator, Scope, Trust
from edge.model import Workload
from edge.trust.ledger import Ledger
from edge.trust.verdict import Refused


def meets(keys: KeySet, signers: frozenset[str]) -> bool:
    """Return whether enough distinct keys of the set signed."""
    return len(signers & frozenset(keys.keys)) >= keys.threshold


def is_hub(ledger: Ledger, signers: frozenset[str]) -> bool:
    """Return whether the fleet's hub signed."""
    if ledger.trust is None:
        return False
    keys = frozenset(hub.key for hub in ledger.trust.hubs)
    return len(signers & keys) >= ledger.trust.hub_threshold


def operators(
    ledger: Ledger, signers: frozenset[str], now: float | None
) -> tuple[Operator, ...] | Refused:
    """Return the operators whose signatures count, or why there are not enough.

    ``now`` None means replay: a document that counted when it came still counts, even
    if the operator's key left the trust document since.
    """
    if ledger.trust is None:
        return Refused(reason="not-authorised", problem="no trust document is held yet")
    known = _known_operators(ledger, is_replay=now is None)
    signed = tuple(known[key] for key in sorted(signers & known.keys()))
    if now is None and signed:
        return signed
    time = max(now or 0.0, ledger.floor)
    valid = tuple(each for each in signed if each.expires_at > time)
    if valid and len(valid) >= ledger.trust.operator_threshold:
        return valid
    return _too_few(ledger.trust, signed, valid)


def _known_operators(ledger: Ledger, *, is_replay: bool) -> dict[str, Operator]:
    if is_replay or ledger.trust is None:
        return ledger.operators
    return {each.key: each for each in ledger.trust.operators}


def _too_few(
    trust: Trust, signed: tuple[Operator, ...], valid: tuple[Operator, ...]
) -> Refused:
    if not signed:
        problem = "no operator of this fleet signed"
        return Refused(reason="not-authorised", problem=problem)
    if len(valid) < len(signed):
        problem = f"the key of operator {signed[0].name!r} expired; root must renew it"
        return Refused(reason="expired", problem=problem)
    problem = f"{trust.operator_threshold} operators must sign"
    return Refused(reason="not-authorised", problem=problem)


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


def covers_name(scope: Scope, owner: str | None) -> bool:
    """Return whether a scope may use a name that ``owner`` made (None: nobody)."""
    return owner is None or not scope.name or scope.name == owner
