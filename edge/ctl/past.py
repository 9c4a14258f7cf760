"""Old versions of a deployment, from the hub, believed by `edge.ctl.lineage`."""

from collections.abc import Iterable

from edge.ctl import lineage
from edge.ctl.fleet import Fleet
from edge.ctl.outcome import TAKEN_BACK
from edge.ctl.shapes import ReplicaRow, Revision
from edge.documents import Deployment
from edge.errors import RequestError, TrustError


def version(
    opened: Fleet, newest: Deployment, number: int, rows: Iterable[Revision]
) -> Deployment:
    """Return an old version; raise `TrustError` unless the newest one leads to it.

    ``rows`` is the hub's list of what it keeps.
    """
    between = sorted(row.version for row in rows if number <= row.version)
    shown = (
        opened.hub.revision(newest.name, each)
        for each in reversed(between)
        if each < newest.version
    )
    found = lineage.find(newest, shown, opened.ledger, opened.now())
    if not isinstance(found, Deployment) or found.version != number:
        problem = f"cannot trust version {number} of {newest.name}"
        raise TrustError("wrong-version", f"{problem}: the hub shows another one")
    return found


def running(
    opened: Fleet, newest: Deployment | None, rows: Iterable[ReplicaRow]
) -> tuple[Deployment, ...]:
    """Return the version to go back to where some run it: a rollout did not get there.

    Nothing where the hub has it no more: a plan goes on without.
    """
    if newest is None or not newest.fallback:
        return ()
    old = newest.fallback
    if all(row.deployment != newest.name or row.revision != old for row in rows):
        return ()
    try:
        kept = opened.hub.revisions(newest.name)
        return (version(opened, newest, old, kept),)
    except (RequestError, TrustError):
        return ()


def was_taken_back(opened: Fleet, newest: Deployment) -> bool:
    """Return whether a version got nowhere, so that its content is news once more.

    Devices never try a version again that was bad there: only a later one.
    """
    if not newest.fallback:
        return False
    stage, _ = opened.hub.stage(newest.name)
    if stage is None or stage.version != newest.version:
        return False
    return stage.phase in TAKEN_BACK
