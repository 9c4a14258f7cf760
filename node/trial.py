"""A new version on trial here: watched until it has proved itself, or is bad.

Rules (docs/adr/0011-rollouts.md):

- A slot that gets the newest version of a deployment with a rollout is *watched*. It is
  *proved* when it was healthy for ``healthy_for`` seconds in one stretch.
- It is *bad* when its probes call it unhealthy, when it failed twice (ended, or could
  not even be started), when it is not healthy at the deadline, and when the device or
  its daemon started three times after it began: it may be what takes them down.
- The clock of a trial runs from the first start of the new version. Fetching its image,
  or waiting for a secret, a lease or a window, is no fault of the version.
- Where a version is bad and there is a way back, that one is placed instead. Without
  one the bad version is tried on, and may still prove itself.
- A bad version is told until a newer one has proved itself in its slot.

A pure machine: `book` is what must survive a power cut, and is saved before a switch is
acted on. Who lost it knows nothing: what runs is watched again, never taken back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import msgspec

from edge.documents import Deployment
from edge.errors import WireError
from edge.model import Failure, ReplicaStatus
from edge.names import Counter, Short, SlotName
from node import failures
from node.backoff import Trail
from node.elders import Elder, Elders
from node.failures import SILENCE, LastWords, key
from node.health import Pulse

FAILURES_MAX = 2
STARTS_MAX = 3
BOOK_MAX = 4 * 1024 * 1024  # bytes; 1,024 bad slots are about 0.6 MiB


class Watch(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """A version on trial; ``starts`` of device or daemon since it has begun."""

    version: Counter
    starts: Counter = 0
    has_begun: bool = False
    """Whether its container was ever to be started: before that it harms nobody."""


class Book(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """What is on disk of all trials, by slot."""

    watched: dict[SlotName, Watch] = {}
    proved: dict[SlotName, Counter] = {}
    """The version that proved itself last."""
    bad: dict[Short, Failure] = {}
    """By slot and version (`key`)."""
    lines: dict[Short, str] = {}
    """The last lines of these, as they were: they are told on the device alone."""
    before: dict[SlotName, Counter] = {}
    """What ran in a slot before the version that is on trial."""
    elders: dict[SlotName, Elder] = {}
    """What runs on beside a newer version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a rollout asks of the version in one slot; times in seconds."""

    version: int
    healthy_for: float
    deadline: float
    has_way_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a slot is doing at one moment."""

    slot: str
    version: int
    has_begun: bool
    """Whether its container was started, or somebody tried to."""
    is_healthy: bool
    is_unhealthy: bool
    """Whether its probes say so; one that is still starting is neither."""
    failures: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a look showed: slots that proved themselves, and why others are bad."""

    proved: tuple[str, ...] = ()
    failing: Mapping[str, str] = field(default_factory=dict)
    """Repeated at every look until they are condemned: their log is read first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    version: int
    begun_at: float | None = None
    healthy_since: float | None = None


@dataclass(slots=True)
class Trials:
    """All trials of a device; times are seconds of CLOCK_BOOTTIME."""

    book: Book = field(default_factory=Book)
    terms: Mapping[str, Terms] = field(default_factory=dict)
    """By slot, for what was entered last."""
    _stretches: dict[str, _Stretch] = field(default_factory=dict)

    @property
    def is_watching(self) -> bool:
        """Return whether there is anything to look at."""
        return bool(self.book.watched)

    @property
    def bad(self) -> frozenset[tuple[str, int]]:
        """Return deployments and versions of them that are bad here."""
        found = self.book.bad.values()
        return frozenset((each.deployment, each.version) for each in found)

    @property
    def given_up(self) -> frozenset[tuple[str, int]]:
        """Return slots and the versions that are bad in them."""
        return frozenset((each.slot, each.version) for each in self.book.bad.values())

    @property
    def entered(self) -> frozenset[tuple[str, int]]:
        """Return slots and the versions that are on trial in them, or passed it."""
        book = self.book
        watched = ((slot, each.version) for slot, each in book.watched.items())
        return frozenset((*watched, *book.proved.items()))

    def watched(self, slot: str) -> int:
        """Return the version on trial in a slot, 0 for none."""
        watch = self.book.watched.get(slot)
        return watch.version if watch else 0

    def is_bad(self, slot: str, version: int) -> bool:
        """Return whether a version is bad in this very slot."""
        return key(slot, version) in self.book.bad

    def is_proved(self, slot: str, version: int) -> bool:
        """Return whether a version has proved itself in this very slot."""
        return self.book.proved.get(slot) == version

    def restarted(self, at: float) -> tuple[Failure, ...]:
        """Count a start of the daemon; return what it makes bad.

        ``at`` is seconds since the epoch by the device's clock.
        """
        watched = {
            slot: msgspec.structs.replace(each, starts=each.starts + each.has_begun)
            for slot, each in self.book.watched.items()
        }
        self.book = msgspec.structs.replace(self.book, watched=watched)
        worn = [slot for slot, each in watched.items() if each.starts >= STARTS_MAX]
        reason = f"device or daemon started {STARTS_MAX} times during its trial"
        found = (self.condemn(slot, reason, at) for slot in worn)
        return tuple(each for each in found if each is not None)

    def begin(self, slot: str, version: int) -> None:
        """Hear that the container of a version is started now."""
        watch = self.book.watched.get(slot)
        if watch is not None and watch.version == version:
            begun = msgspec.structs.replace(watch, has_begun=True)
            watched = {**self.book.watched, slot: begun}
            self.book = msgspec.structs.replace(self.book, watched=watched)

    def enter(
        self,
        terms: Mapping[str, Terms],
        heads: Mapping[str, int],
        held: Mapping[str, int] = MappingProxyType({}),
        elders: Elders = MappingProxyType({}),
    ) -> None:
        """Take up what is placed here now.

        ``terms`` holds a line for every slot of this device, with `NO_TERMS` for what
        nobody watches; ``heads`` the newest version of each deployment that has not
        ended; ``held`` what was in each slot until now; ``elders`` what runs beside.
        """
        book = self.book
        self.terms = terms
        watched = {
            slot: self._watch(slot, each.version)
            for slot, each in sorted(terms.items())
            if each is not NO_TERMS and self._is_open(slot, each)
        }
        bad = {
            name: each
            for name, each in book.bad.items()
            if _is_told(each, heads, is_here=each.slot in terms)
        }
        self.book = Book(
            watched=watched,
            proved={slot: each for slot, each in book.proved.items() if slot in terms},
            bad=bad,
            lines=failures.only_of(bad, book.lines),
            before=self._before(watched, held),
            elders=dict(elders),
        )
        self._stretches = {
            slot: each
            for slot, each in self._stretches.items()
            if slot in watched and watched[slot].version == each.version
        }

    def look(self, looks: Iterable[Look], now: float) -> Findings:
        """Take in how the watched slots are doing; one that is missing has a pause."""
        seen = {each.slot: each for each in looks}
        proved: list[str] = []
        failing: dict[str, str] = {}
        for slot, watch in self.book.watched.items():
            look, terms = seen.get(slot), self.terms.get(slot)
            if terms is None or terms.version != watch.version:
                continue  # not entered yet: nobody knows what was asked of it
            stretch = self._follow(slot, watch.version, look, now)
            if stretch.healthy_since is not None:
                if now >= stretch.healthy_since + terms.healthy_for:
                    proved.append(slot)
                continue
            is_condemned = self.is_bad(slot, watch.version)
            reason = "" if is_condemned else _fault(look, stretch, terms, now)
            if reason:
                failing[slot] = reason
        for slot in proved:
            self._prove(slot)
        return Findings(proved=tuple(proved), failing=failing)

    def condemn(
        self, slot: str, reason: str, at: float, words: LastWords = SILENCE
    ) -> Failure | None:
        """Call the version on trial in a slot bad; None when none is any more.

        ``at`` is seconds since the epoch by the device's clock.
        """
        watched = {**self.book.watched}
        watch = watched.pop(slot, None)
        if watch is None:
            return None
        failure = Failure(
            slot=slot,
            deployment=slot.partition("/")[0],
            version=watch.version,
            at=max(0.0, at),
            reason=reason,
        )
        known = failures.add(self.book.bad, self.book.lines, failure, words)
        self.book = msgspec.structs.replace(
            self.book, watched=watched, bad=known.bad, lines=known.lines
        )
        self._stretches.pop(slot, None)
        return known.bad.get(key(slot, watch.version), failure)

    def wake_at(self) -> float | None:
        """Return when a trial ends at the latest if nothing else happens."""
        times: list[float] = []
        for slot, stretch in self._stretches.items():
            terms = self.terms.get(slot, NO_TERMS)
            if terms.version != stretch.version:
                continue
            if stretch.healthy_since is not None:
                times.append(stretch.healthy_since + terms.healthy_for)
            elif stretch.begun_at is not None and not self.is_bad(slot, terms.version):
                times.append(stretch.begun_at + terms.deadline)
        return min(times, default=None)

    def last_lines(self, failure: Failure) -> str:
        """Return what is told of a failure on the device alone."""
        return self.book.lines.get(key(failure.slot, failure.version), "")

    def failures(self) -> tuple[Failure, ...]:
        """Return what to tell of bad versions, the newest ones if there are many."""
        return failures.told(self.book.bad.values())

    def _watch(self, slot: str, version: int) -> Watch:
        before = self.book.watched.get(slot)
        is_same = before is not None and before.version == version
        return before if before and is_same else Watch(version=version)

    def _before(
        self, watched: Mapping[str, Watch], held: Mapping[str, int]
    ) -> dict[str, int]:
        """Return what ran in these slots before, for as long as it may be wanted."""
        known = self.book.before
        was = {slot: held.get(slot, 0) for slot in watched}
        found = {
            slot: was[slot] if 0 < was[slot] < watch.version else known.get(slot, 0)
            for slot, watch in watched.items()
        }
        return {slot: version for slot, version in found.items() if version}

    def _is_open(self, slot: str, terms: Terms) -> bool:
        """Return whether the verdict on a version is still open."""
        if self.is_proved(slot, terms.version):
            return False
        return not (terms.has_way_back and self.is_bad(slot, terms.version))

    def _follow(
        self, slot: str, version: int, look: Look | None, now: float
    ) -> _Stretch:
        stretch = self._stretches.get(slot, _Stretch(version=version))
        is_seen = look is not None and look.version == version
        if look and is_seen and look.has_begun and stretch.begun_at is None:
            stretch = replace(stretch, begun_at=now)
        if not (look and is_seen and look.is_healthy):
            stretch = replace(stretch, healthy_since=None)
        elif stretch.healthy_since is None:
            stretch = replace(stretch, healthy_since=now)
        self._stretches[slot] = stretch
        return stretch

    def _prove(self, slot: str) -> None:
        watched, before = {**self.book.watched}, {**self.book.before}
        version = watched.pop(slot).version
        before.pop(slot, None)
        bad = {
            name: each
            for name, each in self.book.bad.items()
            if each.slot != slot or each.version > version
        }
        self.book = msgspec.structs.replace(
            self.book,
            watched=watched,
            proved={**self.book.proved, slot: version},
            bad=bad,
            lines=failures.only_of(bad, self.book.lines),
            before=before,
        )
        self._stretches.pop(slot, None)


NO_TERMS = Terms(version=0, healthy_for=0.0, deadline=0.0, has_way_back=False)
"""Of a slot whose version nobody watches."""


def terms_of(deployment: Deployment, *, has_way_back: bool) -> Terms:
    """Return what a deployment asks of its own version."""
    rollout = deployment.rollout
    if rollout is None:
        return NO_TERMS
    return Terms(
        version=deployment.version,
        healthy_for=rollout.healthy_for,
        deadline=rollout.progress_deadline,
        has_way_back=has_way_back,
    )


def look_at(status: ReplicaStatus, trail: Trail, pulse: Pulse | None) -> Look:
    """Return how a replica is doing, by its status, its past and its probes."""
    is_unhealthy = pulse is not None and pulse.verdict == "unhealthy"
    probed = pulse.reason if pulse else ""
    return Look(
        slot=status.slot,
        version=status.version,
        has_begun=bool(trail.life or trail.is_started or trail.failures),
        is_healthy=status.healthy,
        is_unhealthy=is_unhealthy,
        failures=max(trail.failures, trail.restarts),
        reason=(probed if is_unhealthy else "") or trail.problem or probed,
    )


def encode(book: Book) -> bytes:
    """Return the one spelling of what is kept."""
    return msgspec.json.encode(book, order="deterministic")


def decode(content: bytes) -> Book:
    """Return what was kept; raise `WireError` if it is damaged."""
    try:
        return msgspec.json.decode(content, type=Book)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireError(f"cannot read what is on trial: {error}") from error


def _fault(look: Look | None, stretch: _Stretch, terms: Terms, now: float) -> str:
    """Return why a version that is not healthy is bad, "" while it may get better."""
    if look is None or look.version != terms.version:
        return ""
    why = f": {look.reason}" if look.reason else ""
    if look.is_unhealthy:
        return f"unhealthy{why}"
    if look.failures >= FAILURES_MAX:
        return f"failed {look.failures} times{why}"
    begun_at = stretch.begun_at
    if begun_at is not None and now >= begun_at + terms.deadline:
        return f"not healthy within {terms.deadline:g} s{why}"
    return ""


def _is_told(failure: Failure, heads: Mapping[str, int], *, is_here: bool) -> bool:
    newest = heads.get(failure.deployment)
    return newest is not None and (is_here or newest <= failure.version)
