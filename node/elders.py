"""The older copy of a slot, which a blue-green rollout leaves beside the newer one.

Rules (docs/adr/0011-rollouts.md):

- What served until now becomes the *elder* when a newer version is placed under a
  blue-green rollout, and runs on. Where nothing ran before, it is the version to go
  back to, so that a slot that was moved or taken over belongs to both sets.
- It leaves `keep_for` after the newer version is promoted and proved here. One that has
  left does not come back, whatever is said later.
- Overtaken by a yet newer version, what was never promoted leaves and the elder stays;
  what was promoted becomes the elder itself. So there are two of a slot at most.

Time is counted by CLOCK_BOOTTIME, so a wall clock that jumps changes nothing. After a
boot that clock begins anew: at least what it shows has passed since, and what was
written down before. So an elder may leave late, and never early.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from edge.documents import Deployment
from edge.model import Workload
from edge.names import Counter, Seconds
from edge.staging import order

NOTED_EVERY = 60.0
"""Seconds counted between writes at least: the disk is flash."""
NOTES = 8
"""Writes while one is kept, however long that is."""


class Elder(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """What runs beside a version in one slot."""

    beside: Counter
    """The newer version."""
    version: Counter = 0
    """The older one; 0: it has left, or never was."""
    since: Seconds | None = None
    """From when it is counted, by CLOCK_BOOTTIME; None until the switch."""
    counted: Seconds = 0.0
    """Seconds since the switch, up to ``since``."""

    @property
    def is_leaving(self) -> bool:
        """Return whether the switch was made and it is kept only for a while."""
        return self.version > 0 and self.since is not None


Elders = Mapping[str, Elder]
"""By slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A version that is placed in a slot under a blue-green rollout."""

    version: int
    held: int = 0
    """The version that was in the slot until now, 0 for none."""
    back: int = 0
    """The version to go back to, 0 where it has no such place."""
    is_promoted: bool = False
    was_promoted: bool = False
    """Whether the version that was there until now is."""


def has_elders(deployment: Deployment, workload: Workload) -> bool:
    """Return whether a new copy of this workload leaves the old one beside it."""
    rollout = deployment.rollout
    if rollout is None or rollout.strategy != "blue-green" or not deployment.fallback:
        return False
    return not order.clash(workload, rollout)


def beside(new: Newcomer, known: Elder | None) -> Elder:
    """Return what runs beside a version; ``known`` is the slot's elder until now."""
    if known is not None and known.beside == new.version:
        return known
    if new.held in {0, new.version}:
        # Nothing ran here, or nobody remembers what did.
        return Elder(beside=new.version, version=0 if new.is_promoted else new.back)
    is_waiting = known is not None and known.version and known.since is None
    if known and is_waiting and known.beside == new.held and not new.was_promoted:
        return Elder(beside=new.version, version=known.version)
    return Elder(beside=new.version, version=new.held)


def count(elder: Elder, keep_for: float, now: float) -> Elder:
    """Return an elder after the switch, ``now`` by CLOCK_BOOTTIME."""
    if elder.since is None:
        elder = replace(elder, since=now)
    elif elder.since > now:  # the device has booted
        elder = replace(elder, since=0.0)
    since = elder.since or 0.0
    total = elder.counted + now - since
    if total >= keep_for:
        return Elder(beside=elder.beside)
    is_worth_noting = now - since >= max(NOTED_EVERY, keep_for / NOTES)
    return replace(elder, since=now, counted=total) if is_worth_noting else elder


def leaves_at(elder: Elder, keep_for: float) -> float | None:
    """Return when it leaves, by CLOCK_BOOTTIME; None while nobody knows."""
    if not elder.version or elder.since is None:
        return None
    return elder.since + keep_for - elder.counted
