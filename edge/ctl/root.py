"""What root says next: the first trust document, and each change of it.

A trust document is always the one before with one thing changed and the next number,
so nothing is lost by the way. Root names hubs and operators; it says nothing else.
"""

import msgspec

from edge.documents import HubSite, KeySet, Operator, Trust
from edge.errors import ConfigError

DAY = 86400.0
OPERATOR_FOR = 365 * DAY


def first(fleet: str, root: str, operator: Operator, now: float) -> Trust:
    """Return the fleet's first trust document: one root key, one operator, no hub."""
    return Trust(
        fleet=fleet,
        version=1,
        issued_at=now,
        root=KeySet(keys=(root,)),
        operators=(operator,),
    )


def with_hub(trust: Trust, hub: HubSite, ca: str, version: int, now: float) -> Trust:
    """Return the next document, with this hub and its CA in place of any before."""
    return _next(trust, version, now, hubs=(hub,), ca=ca)


def with_operator(trust: Trust, operator: Operator, version: int, now: float) -> Trust:
    """Return the next document, with an operator added, or renewed by name."""
    taken = [each.name for each in trust.operators if each.key == operator.key]
    if taken and taken != [operator.name]:
        problem = f"cannot add operator {operator.name!r}: its key is {taken[0]!r}'s"
        raise ConfigError(problem)
    others = tuple(each for each in trust.operators if each.name != operator.name)
    found = sorted((*others, operator), key=lambda each: each.name)
    return _next(trust, version, now, operators=tuple(found))


def without_operator(trust: Trust, name: str, version: int, now: float) -> Trust:
    """Return the next document without an operator; the last one stays."""
    kept = tuple(each for each in trust.operators if each.name != name)
    if len(kept) == len(trust.operators):
        raise ConfigError(f"cannot remove operator {name!r}: root names no such")
    if not kept:
        raise ConfigError(f"cannot remove operator {name!r}: it is the last one")
    return _next(trust, version, now, operators=kept)


def _next(trust: Trust, version: int, now: float, **changes: object) -> Trust:
    return msgspec.structs.replace(trust, version=version, issued_at=now, **changes)
