"""Whether an old version of a deployment is what it is shown as.

A hub keeps old versions, and is believed nothing of them. Each version names its parent
by digest, so the newest one, which was judged when it came, vouches for the whole line
before it, whatever became of the keys that signed it. A version the line does not lead
to (the hub lost one in between) counts only if its signers may sign today.
"""

from collections.abc import Iterable
from dataclasses import replace

from edge import trust
from edge.documents import Deployment, Tombstone
from edge.errors import TrustError
from edge.trust import Head, Ledger, Refused

NOTHING = "sha256:" + "0" * 64
Version = Deployment | Tombstone


def ancestor(
    data: bytes, child: Version, ledger: Ledger, now: float | None = None
) -> Version:
    """Return the version before ``child``; raise `TrustError` when it is not that.

    With ``now`` (epoch seconds) it need not be the parent: then its signers must be
    operators today.
    """
    verdict = trust.judge(data, _before(ledger, child), now)
    if isinstance(verdict, Refused):
        problem = f"cannot trust an old version of {child.name}: {verdict.problem}"
        raise TrustError(verdict.reason, problem)
    found = verdict.document
    is_of_line = isinstance(found, Version) and found.stream == child.stream
    if not isinstance(found, Version) or not is_of_line:
        raise _another(child, "the hub shows something else in its place")
    if found.version >= child.version:
        raise _another(child, f"the hub shows version {found.version} in its place")
    if now is None and verdict.digest != child.parent:
        raise _another(child, "what the hub shows is not its parent")
    return found


def find(
    newest: Deployment, shown: Iterable[bytes], ledger: Ledger, now: float
) -> Version:
    """Return the last of ``shown``: versions before ``newest``, newest first.

    Raises `TrustError` when neither the line nor signers of today vouch for it.
    """
    found: Version = newest
    last, is_line = b"", True
    for last in shown:
        try:
            found = ancestor(last, found, ledger) if is_line else found
        except TrustError:
            is_line = False
    return found if is_line else ancestor(last, newest, ledger, now)


def _before(ledger: Ledger, child: Version) -> Ledger:
    """Return what was believed before any version: nothing of the stream but its owner.

    Otherwise every old version would be refused as rolled back.
    """
    head = ledger.head(child.stream)
    owned = Head(counter=(0,), digest=NOTHING, scope=head.scope if head else "")
    return replace(ledger, heads={**ledger.heads, child.stream: owned})


def _another(child: Version, why: str) -> TrustError:
    problem = f"cannot trust what came before {child.name} {child.version}: {why}"
    return TrustError("not-of-this-line", problem)
