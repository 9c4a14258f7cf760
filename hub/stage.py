"""The words of a rollout at the hub: what is looked at, what is kept, what comes of it.

Frozen values. `hub.units` makes units of assignments and reports, `hub.rollout` steps.
A memory is written to the database with the decision it belongs to. Who lost it goes on
from what assignments and reports say: later, and to the same verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from edge.documents import Control
from edge.model import SealedText
from edge.staging.shapes import Rollout

Phase = Literal[
    "rolling",
    "waiting",
    "paused",
    "promotable",
    "done",
    "going-back",
    "failed",
    "aborted",
]
"""``waiting``: no window is open. ``paused``: by the operator, or because nobody knows.
``promotable``: both sets of a blue-green rollout run, and the operator decides.
``going-back`` ends as ``failed`` or ``aborted``."""
Verdict = Literal["", "done", "failed", "aborted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One slot of the deployment, on the device it is placed on."""

    slot: str
    node: str
    site: str = ""
    wave: int = 0
    has: int = 0
    """The version its device reports, 0 where it reports none."""
    assigned: int = 0
    """The version last assigned to it there, 0 for none."""
    state: str = ""
    healthy: bool = False
    is_failing: bool = False
    """Whether it was started, and does not stay healthy."""
    proved: bool = False
    """Whether the new version proved itself here."""
    bad: bool = False
    """Whether the new version failed here."""
    online: bool = True
    has_way_back: bool = True
    """Whether the version before has this slot, and may run here."""
    reason: str = ""
    log: SealedText | None = None

    @property
    def is_new(self) -> bool:
        """Return whether no version of it was here before."""
        return not (self.has or self.assigned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A device that runs the new version in a slot that is no unit there."""

    node: str
    online: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A deployment under a rollout, with the operator's words on it."""

    deployment: str
    version: int
    fallback: int
    units: tuple[Unit, ...]
    control: Control | None = None
    """The newest one about this version."""
    is_aborted: bool = False
    """Whether any was an abort: nothing said later takes that back."""
    strays: tuple[Stray, ...] = ()
    known_at: float = 0.0
    """When it is known who is online: before that, nobody's turn begins."""

    def is_given(self, unit: Unit) -> bool:
        """Return whether a unit is to run the new version, or does already."""
        return self.version in {unit.assigned, unit.has}

    @property
    def left(self) -> list[str]:
        """Return the devices that run the new version, as far as is known."""
        found = {unit.node for unit in self.units if unit.has == self.version}
        return sorted(found.union(each.node for each in self.strays))


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rollout has reached; times in seconds since the epoch."""

    since: float
    """When it came to this phase or wave."""
    progress_at: float
    """When something proved itself last, or a wave was opened."""
    phase: Phase = "rolling"
    reason: str = ""
    wave: int = 0
    verdict: Verdict = ""
    """Stays once it is there; ``failed`` and ``aborted`` begin with going back."""
    proved: int = 0
    """How many units had proved themselves at the last step."""
    is_timed: bool = False
    """Whether something could prove itself at the last step."""
    is_rested: bool = False
    """Whether the hub was down and has not learnt yet who is online: all times that
    run begin anew then."""
    control: int = 0
    """The newest of the operator's words that was heeded."""
    paused: str = ""
    """Why the hub itself paused."""
    accused: tuple[str, ...] = ()
    """Slots whose failure is why."""
    failing: tuple[str, ...] = ()
    """Slots that failed the version before."""
    unseen: tuple[str, ...] = ()
    """Slots that nobody saw well in the version before."""
    harmless: tuple[str, ...] = ()
    """Slots where it is bad, and the rollout goes on all the same."""
    new: tuple[str, ...] = ()
    """Slots that had no version before and are not up yet: nobody misses them."""
    changing: dict[str, float] = {}
    """Slots on their way to another version, and when they were sent there."""
    doubted: dict[str, float] = {}
    """Slots where it is bad, since when; they may have failed before."""

    @property
    def excused(self) -> frozenset[str]:
        """Return the slots that are not waited for, and prove nothing bad."""
        return frozenset((*self.failing, *self.harmless))

    @property
    def is_back(self) -> bool:
        """Return whether everything goes back to the version before, or went."""
        return self.verdict in {"failed", "aborted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All that a step is made from; ``now`` in seconds since the epoch."""

    rollout: Rollout
    fleet: Fleet
    memory: Memory
    now: float

    @property
    def is_told(self) -> bool:
        """Return whether it is known who is online."""
        return self.now >= self.fleet.known_at

    def given_up_at(self, since: float) -> float:
        """Return when patience ends with what began at ``since``."""
        return since + self.rollout.progress_deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a rollout stands, and which version each slot runs because of it."""

    memory: Memory
    versions: Mapping[str, int]
    """0: it has to wait, no version may run there yet."""
    unavailable: int = 0
    """Units that do not serve, and would for all the hub knows without the rollout."""
    allowed: int = 0
    deadline: float | None = None
    """When it pauses unless something proves itself, or when its window opens."""
    wake_at: float | None = None
    """When to step again though nothing is reported."""
