"""Which old version runs again, and under which limits.

An undo is a new version with old content: the number goes up, the limits of the newest
version hold, and what it goes back to in turn is decided as for any other. By default
it is the version that the newest one would go back to, or else the one before it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from edge.ctl.exits import Ended, Exit, not_found
from edge.ctl.shapes import Revision
from edge.ctl.staging import Candidate
from edge.documents import Deployment
from edge.staging.shapes import Rollout, Wave


def target(newest: Deployment, rows: Iterable[Revision], asked: int | None) -> int:
    """Return the version to run again; raise `Ended` where there is none.

    ``rows`` is the hub's list: it only says what may be asked for.
    """
    known = {row.version: row for row in rows if row.version < newest.version}
    if asked == newest.version:
        return asked
    if asked is None:
        return _before(newest, known.values())
    subject = f"cannot undo {newest.name} {newest.version} to version {asked}"
    see = f"see `edgectl rollout history {newest.name}`"
    if asked not in known:
        raise not_found(f"{subject}: there is no such version; {see}")
    if known[asked].deleted:
        raise Ended(Exit.FAILURE, f"{subject}: it is an end, nothing ran then; {see}")
    return asked


def staged(made: Deployment, fleet: Sequence[Candidate], back: int) -> Deployment:
    """Return a version under the limits it carries, resolved for the fleet at hand.

    Waves keep the devices that are still there: one that names nobody any more would
    never be proved. Without limits it is everywhere at once.
    """
    if made.rollout is None:
        return made
    limits = _renamed(made.rollout, {each.name for each in fleet})
    return msgspec.structs.replace(made, rollout=limits, fallback=back)


def _before(newest: Deployment, rows: Iterable[Revision]) -> int:
    numbers = [row.version for row in rows if not row.deleted]
    if newest.fallback in numbers:
        return newest.fallback
    if not numbers:
        problem = f"cannot undo {newest.name} {newest.version}: it is the first version"
        advice = f"`edgectl delete {newest.name}` ends the deployment"
        raise Ended(Exit.FAILURE, f"{problem}; {advice}")
    return max(numbers)


def _renamed(limits: Rollout, names: set[str]) -> Rollout:
    kept: list[Wave] = []
    share, left = 0, set(names)
    for wave in limits.waves:
        nodes = tuple(each for each in wave.nodes if each in left)
        if nodes or wave.share > share:
            kept.append(msgspec.structs.replace(wave, nodes=nodes))
            share, left = wave.share, left.difference(nodes)
    return msgspec.structs.replace(limits, waves=tuple(kept))
