"""Which changes of version stop a copy that serves: the site is asked before each.

- A version that is bad here serves nobody: it goes at once.
- On the way forth, what starts first stops nothing before the new one is healthy.
- On the way back the newer one leaves first, whatever its order says
  (`node.upkeep`), unless the version before runs beside it already.
"""

from dataclasses import dataclass

from edge.documents import Deployment
from edge.model import ReplicaPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A slot that would change its version."""

    place: ReplicaPlace
    """What would run."""
    held: ReplicaPlace | None
    """What runs, None for nothing."""
    newest: Deployment | None
    """The newest version of its deployment, None when that has ended."""
    is_bad: bool = False
    """Whether what runs is bad here."""
    starts_first: bool = False
    is_beside: bool = False
    """Whether what would run does already, beside the newer one."""


def needs_permit(change: Change) -> bool:
    """Return whether a copy would be stopped, under limits that an operator signed."""
    place, held, newest = change.place, change.held, change.newest
    if held is None or held.version == place.version or newest is None:
        return False
    if newest.rollout is None or not newest.fallback or change.is_bad:
        return False
    is_back = place.version < held.version
    return not (change.is_beside if is_back else change.starts_first)
