"""A hub that was restored from an old backup: what it lost, and who hands it in again.

Whatever a device lists and the hub does not have, or has older, the hub lost: it
commits before it publishes. Until it is back, deciding would build on what is out of
date, and number anew what was numbered already. So the hub asks, and signs nothing.

- At most `ASKED_MAX` devices are asked for a stream: ten thousand hold the trust.
- What comes is judged like everything else. What is refused is not asked for again.
- The pause ends a moment after all of it came, or when its time is over. A device that
  was there and did not hand in what it listed is not believed in this for a while:
  nobody pauses a hub by inventing documents.

A machine: times are seconds since the epoch, given by the caller.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from edge.documents import Assignment, Report
from edge.model import Held
from edge.names import NodeName, Slot
from hub.assignments import Holding
from hub.shelf import Shelf
from hub.strangers import Strangers

ASK_FOR = 60.0
"""Seconds a device has to hand in what it listed; a slow uplink takes half of it."""
CALM_FOR = 10.0
"""Seconds after the last that came or was missed: the devices come back one by one,
and each may hold what the one before did not."""
DOUBT_FOR = 3600.0
"""Seconds in which a device that handed in nothing cannot pause the hub again."""
ASKED_MAX = 3
"""Devices asked for one stream; a second one covers for the first."""
STREAMS_MAX = 256
"""Streams named in one message; the next ones follow when these came."""
WISHES_MAX = 20_000
NAMED_MAX = 5  # streams named in a sentence
ORDER = (
    "trust",
    "revocation",
    "voucher",
    "member",
    "node",
    "voters",
    "deployment",
    "control",
    "secret",
    "assignment",
    "plan",
    "beacon",
)
"""Kinds in the order in which they are judged; others are not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A document the hub lost, and who is asked for it."""

    held: Held
    devices: tuple[str, ...]
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What became of wishes whose time is over."""

    streams: tuple[str, ...] = ()
    """Never handed in."""
    doubted: tuple[str, ...] = ()
    """Devices that were there and handed in nothing."""


class _Question(msgspec.Struct, frozen=True):
    streams: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Recovery:
    """What is asked for; the hub signs nothing while `is_asking`."""

    wishes: dict[str, Wish] = field(default_factory=dict)
    """By stream."""
    refused: dict[str, Held] = field(default_factory=dict)
    """Stream → what was handed in and does not count."""
    doubted: dict[str, float] = field(default_factory=dict)
    """Device id → until when it is not believed to hold what we lost."""

    calm_at: float = 0.0
    """When enough devices were heard to go on, 0.0 while nothing is lost."""
    strangers: Strangers = field(default_factory=Strangers)
    """Devices that were forgotten themselves."""

    @property
    def is_asking(self) -> bool:
        """Return whether something is asked for, or was a moment ago."""
        return bool(self.wishes or self.strangers.waiting or self.calm_at)

    @property
    def devices(self) -> tuple[str, ...]:
        """Return who is asked for something."""
        named = {device for each in self.wishes.values() for device in each.devices}
        return tuple(sorted(named))

    @property
    def said(self) -> str:
        """Return what is waited for, in words; "" for nothing."""
        streams = sorted(self.wishes, key=_rank)
        streams += [f"who {node} is" for node in sorted(self.strangers.waiting)]
        if not streams:
            return "what more devices may hold" if self.is_asking else ""
        more = len(streams) - NAMED_MAX
        named = ", ".join(streams[:NAMED_MAX])
        return f"{named} and {more} more" if more > 0 else named

    def asked(self, device: str) -> tuple[str, ...]:
        """Return the streams a device is asked for now, in the order of judging."""
        found = (s for s, each in self.wishes.items() if device in each.devices)
        return tuple(sorted(found, key=_rank)[:STREAMS_MAX])

    def hear(self, shelf: Shelf, report: Report, now: float) -> bool:
        """Ask for what a report lists and we do not have; return whether we do."""
        if now < self.doubted.get(report.device, 0.0):
            return False
        lost = [each for each in report.held if self._is_lost(shelf, each)]
        for each in lost:
            self._ask(each, report.device, now)
            self.calm_at = now + CALM_FOR
        return bool(lost)

    def take(self, shelf: Shelf, device: str, numbers: Mapping[str, int]) -> None:
        """Note the newest handed in of each stream: what is lost still counts not."""
        for stream, number in numbers.items():
            wish = self.wishes.get(stream)
            is_it = wish and device in wish.devices and number >= wish.held.version
            if wish and is_it and self._is_lost(shelf, wish.held):
                self.refused[stream] = wish.held
        self._forget_found(shelf)

    def extend(self, device: str, now: float) -> None:
        """Give a device that hands in what counts time for the rest."""
        for stream, wish in self.wishes.items():
            if device in wish.devices:
                self.wishes[stream] = replace(wish, until=now + ASK_FOR)

    def settle(self, shelf: Shelf, present: Iterable[str], now: float) -> Given:
        """Drop what came, and what nobody handed in; ``present`` devices are doubted.

        A device that is away could not; when it is back, its report asks anew.
        """
        self._forget_found(shelf)
        if now >= self.calm_at:
            self.calm_at = 0.0
        over = {s: each for s, each in self.wishes.items() if now >= each.until}
        asked = {device for each in over.values() for device in each.devices}
        doubted = sorted(asked & set(present))
        self.doubted.update(dict.fromkeys(doubted, now + DOUBT_FOR))
        for stream in over:
            del self.wishes[stream]
        return Given(streams=tuple(sorted(over, key=_rank)), doubted=tuple(doubted))

    def _ask(self, held: Held, device: str, now: float) -> None:
        wish = self.wishes.get(held.stream)
        if wish is None or held.version > wish.held.version:
            if wish is None and len(self.wishes) >= WISHES_MAX:
                return
            fresh = Wish(held=held, devices=(device,), until=now + ASK_FOR)
            self.wishes[held.stream] = fresh
        elif held == wish.held and len(wish.devices) < ASKED_MAX:
            devices = tuple(sorted({*wish.devices, device}))
            self.wishes[held.stream] = replace(wish, devices=devices)

    def _forget_found(self, shelf: Shelf) -> None:
        for stream, wish in list(self.wishes.items()):
            if not self._is_lost(shelf, wish.held):
                del self.wishes[stream]

    def _is_lost(self, shelf: Shelf, held: Held) -> bool:
        if held.stream.partition("/")[0] not in ORDER:
            return False
        refused = self.refused.get(held.stream)
        if refused is not None and held.version <= refused.version:
            return False
        kept = shelf.get(held.stream)
        return kept is None or held.version > kept.counter[-1]


def question(streams: tuple[str, ...]) -> bytes:
    """Return what is published at a device's ``wanted``; b"" when nothing is asked."""
    return msgspec.json.encode(_Question(streams=streams)) if streams else b""


def holdings(
    assignments: Iterable[Assignment], known: Mapping[Slot, Holding]
) -> dict[Slot, Holding]:
    """Return who has slots by assignments that came back, where that is news."""
    found: dict[Slot, Holding] = {}
    for each in assignments:
        for place in each.replicas:
            slot = Slot(place.slot)
            before = found.get(slot) or known.get(slot)
            if "@" in slot or (before and before.term >= place.term):
                continue
            found[slot] = Holding(node=NodeName(each.node), term=place.term)
    return found


def _rank(stream: str) -> tuple[int, str]:
    return ORDER.index(stream.partition("/")[0]), stream
