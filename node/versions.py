"""Which version of a deployment a slot may run here, when a hub names one.

Rules (docs/adr/0011-rollouts.md); N is the newest version held, F the one it names to
go back to:

- N, where nothing else was said: no rollout, no F, or N is there already.
- N otherwise when this device's wave is open: it is in the first one, or devices of the
  wave before proved N, or the operator promoted that far, which later words on N
  carry on. Never once N was bad here or
  the operator aborted it. A copy that runs is switched only while the window is open.
- A slot that was let in before, and whose place was lost with a damaged file, is so
  again: what runs does not stop for want of proof.
- A version that was given up in this very slot may be named: what runs instead is
  settled (`node.staged`), and the hub may not have heard yet.
- F, unless the slot is at N already. From N back to F there must be a cause: N is bad
  here, or bad elsewhere where the rollout says so, or the operator aborted it.
- What is here already stays.
- Everything else is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.documents import Control, Deployment
from edge.model import ReplicaPlace
from edge.staging import evidence, windows
from edge.staging.shapes import Rollout, Window
from edge.staging.waves import wave_of
from node.proofs import Proofs

Revisions = Mapping[tuple[str, int], Deployment]
"""Signed deployments by name and version: the newest, those they may go back to, and
those that still run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """What bears on a change of version on this device."""

    proofs: Proofs = field(default_factory=Proofs)
    controls: Mapping[str, Control] = field(default_factory=dict)
    """The operator's newest word on each deployment's rollout."""
    bad: frozenset[tuple[str, int]] = frozenset()
    """Deployments and versions of them that are bad here."""
    entered: frozenset[tuple[str, int]] = frozenset()
    """Slots and versions that were let in before."""
    given_up: frozenset[tuple[str, int]] = frozenset()
    """Slots and versions that failed in them."""
    at: float | None = None
    """Seconds since the epoch, None on a device that does not know the time."""

    def says(self, newest: Deployment, action: Literal["abort"]) -> bool:
        """Return whether the operator's newest word is this one, on this version."""
        said = self.controls.get(newest.name)
        is_about = said is not None and said.target == newest.version
        return said is not None and is_about and said.action == action

    def has_failed(self, newest: Deployment) -> bool:
        """Return whether there is a cause to go back from a version."""
        key = (newest.name, newest.version)
        if key in self.bad or self.says(newest, "abort"):
            return True
        rollout = newest.rollout
        heeds = rollout is not None and rollout.on_failure == "rollback"
        return heeds and self.proofs.is_bad(*key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Whether a version may run here: refused with a problem, later, or now."""

    problem: str = ""
    is_later: bool = False
    """It may, once its window is open; what runs is kept until then."""


NOW = Ruling()
LATER = Ruling(is_later=True)


def rule(
    place: ReplicaPlace,
    held: ReplicaPlace | None,
    newest: Deployment,
    staging: Staging,
    node: str,
) -> Ruling:
    """Return whether the version of ``place`` may follow what is ``held`` there.

    ``node`` is this device's name.
    """
    named = (place.slot, place.version)
    if held is not None and held.version == place.version:
        return NOW
    if named in staging.given_up or (held is None and named in staging.entered):
        return NOW
    if place.version == newest.version:
        return _forward(held, newest, staging, node)
    if newest.fallback and place.version == newest.fallback:
        return _back(held, newest, staging)
    problem = f"revision {place.version} of it, {newest.version} is held"
    return Ruling(problem=problem)


def taken_up(
    newest: Deployment, had: int, revisions: Revisions, staging: Staging, node: str
) -> int:
    """Return the version in which a slot is taken over from a neighbour.

    What it ``had`` there, 0 where nobody knows, if this device has it and may run it;
    else the one to go back to, and without that the newest: service comes first.
    """
    can_go_back = (newest.name, newest.fallback) in revisions
    if not can_go_back or newest.rollout is None:
        return newest.version
    if had == newest.fallback or _forward(None, newest, staging, node).problem:
        return newest.fallback
    return newest.version


def is_open(window: Window, at: float | None, node: str) -> bool:
    """Return whether this device may begin a change now; never at an unknown time."""
    if at is None or windows.malformed(window):
        return False
    return windows.is_open(window, at, node)


def _forward(
    held: ReplicaPlace | None, newest: Deployment, staging: Staging, node: str
) -> Ruling:
    rollout = newest.rollout
    if rollout is None or not newest.fallback:
        return NOW
    about = f"revision {newest.version}"
    if (newest.name, newest.version) in staging.bad:
        return Ruling(problem=f"{about} failed its trial here")
    if staging.says(newest, "abort"):
        return Ruling(problem=f"the operator aborted {about}")
    problem = _closed_wave(newest, rollout, staging, node)
    if problem:
        return Ruling(problem=problem)
    window = rollout.window
    if held is None or window is None or is_open(window, staging.at, node):
        return NOW
    return LATER


def _closed_wave(
    newest: Deployment, rollout: Rollout, staging: Staging, node: str
) -> str:
    wave = wave_of(newest.name, rollout, node)
    if wave == 0:
        return ""
    said = staging.controls.get(newest.name)
    is_about = said is not None and said.target == newest.version
    if said is not None and is_about and said.wave >= wave:
        return ""
    seen = staging.proofs.about(newest.name, newest.version)
    if evidence.is_enough(newest.name, rollout, wave, seen):
        return ""
    needed = evidence.needed(newest.name, rollout, wave)
    return (
        f"revision {newest.version} is for wave {wave + 1} of "
        f"{len(rollout.waves)} here, and fewer than {needed} devices of the wave "
        "before say that it works"
    )


def _back(held: ReplicaPlace | None, newest: Deployment, staging: Staging) -> Ruling:
    if held is None or held.version != newest.version or staging.has_failed(newest):
        return NOW
    problem = f"nobody says that revision {newest.version} failed"
    return Ruling(problem=f"back to revision {newest.fallback}, but {problem}")
