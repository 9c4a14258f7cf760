"""A device's disk in memory: what was fsynced stays, what was not may be gone.

`Disk` keeps the device's documents as `node.store.Store` does and judges them again at
every start. What a daemon writes beside that goes through `save`: it is safe only when
the flash has taken it (`Disk.settle`); a power cut before that loses it or keeps it, as
the seed has it, and the daemon must not have acted on it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from edge import model
from edge.documents import Deployment, Document, Tombstone, Trust
from edge.errors import StoreError
from edge.trust import Accepted, Head, Known, Ledger, judge
from node.journal import KEPT, Event, Journal
from node.store import CHAIN, Store, needed

NOWHERE = Path("/simulated")


@dataclass(slots=True, kw_only=True)
class Content:
    """Everything on a disk at one moment."""

    envelopes: dict[str, tuple[Document, bytes]] = field(default_factory=dict)
    """Name of the file → the document in it, and its envelope."""
    heads: dict[str, Head] = field(default_factory=dict)
    floor: float = 0.0
    places: tuple[model.ReplicaPlace, ...] = ()
    trials: bytes = b""
    boots: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    """What was written with `Disk.save`, and is safe."""


class Disk(Store):
    """Implements `node.store.Store` without files."""

    def __init__(self, rng: Random) -> None:
        """Begin empty."""
        super().__init__(NOWHERE)
        self.rng = rng
        self.content = Content()
        self.is_full = False
        self.wet: dict[str, bytes] = {}
        """Written, and not yet safe."""

    def snapshot(self) -> Content:
        """Return a copy to be put back one day, as from an old backup."""
        return deepcopy(self.content)

    def restore(self, old: Content) -> None:
        """Replace everything by what was there once.

        But for the number of starts: a device that counts one twice is an alarm, and
        waits for an operator (`hub.registry`).
        """
        boots, self.content = self.content.boots, deepcopy(old)
        self.content.boots = boots

    def save(self, name: str, data: bytes) -> None:
        """Write a file; it is safe after `settle`. Raises `StoreError` when full."""
        self._need_room()
        self.wet[name] = data

    def settle(self) -> None:
        """The flash has taken everything."""
        self.content.files.update(self.wet)
        self.wet.clear()

    def power_cut(self) -> None:
        """What was under way is there or not."""
        for name, data in sorted(self.wet.items()):
            if self.rng.random() < 0.5:  # noqa: PLR2004 - as likely as not
                self.content.files[name] = data
        self.wet.clear()

    def file(self, name: str) -> bytes:
        """Return what is in a file that is safe, b"" when there is none."""
        return self.content.files.get(name, b"")

    def load(self, ledger: Ledger) -> None:
        """Judge everything stored again and tell ``ledger``."""
        self.damaged, self.mended, self.missing = [], [], set()
        stored = self.content.envelopes
        for name in sorted(stored, key=lambda each: (_rank(stored[each][0]), each)):
            verdict = judge(stored[name][1], ledger, None)
            if isinstance(verdict, Accepted):
                ledger.record(verdict)
        ledger.floor = max(ledger.floor, self.content.floor)
        for stream, head in self.content.heads.items():
            held = ledger.head(stream)
            if held is None or held.counter < head.counter:
                ledger.heads[stream] = head
                self.missing.add(stream)

    def sweep(self) -> None:
        """Nothing is ever left half-written here."""

    def keep(self, verdicts: Iterable[Accepted | Known], ledger: Ledger) -> None:
        """Write new documents and the counters, all of them or none."""
        written = [each for each in verdicts if self._is_wanted(each)]
        if not written:
            return
        self._need_room()
        for each in written:
            name = _name(each.document)
            self.content.envelopes[name] = (each.document, each.envelope)
            if each.document.stream in self.missing:
                ledger.record(each)
                self.missing.discard(each.document.stream)
        self.content.heads = dict(ledger.heads)
        self.content.floor = ledger.floor

    def document(self, stream: str) -> Document | None:
        """Return the stored document of a stream."""
        held = self.content.envelopes.get(stream)
        return held[0] if held else None

    def deployment(self, name: str, version: int) -> Deployment | None:
        """Return one revision of a deployment that is still kept."""
        held = self.document(f"deployment/{name}.{version}")
        return held if isinstance(held, Deployment) else None

    def prune(self, ledger: Ledger, places: Iterable[model.ReplicaPlace]) -> None:
        """Remove revisions that are no longer needed."""
        kept = needed(ledger, places)
        stored = self.content.envelopes
        for name, (document, _) in list(stored.items()):
            if not isinstance(document, Deployment):
                continue
            is_unknown = document.stream in self.missing
            if not is_unknown and (document.name, document.version) not in kept:
                del stored[name]

    def read_places(self) -> tuple[model.ReplicaPlace, ...]:
        """Return what this device ran last."""
        return self.content.places

    def write_places(self, places: Iterable[model.ReplicaPlace]) -> None:
        """Remember what this device runs."""
        wanted = tuple(places)
        if wanted != self.content.places:
            self._need_room()
            self.content.places = wanted

    def read_trials(self) -> bytes:
        """Return what was on trial here."""
        return self.content.trials

    def write_trials(self, content: bytes) -> None:
        """Remember what is on trial."""
        self._need_room()
        self.content.trials = content

    def has_room(self) -> bool:
        """Return whether the disk takes anything."""
        return not self.is_full

    def next_boot(self) -> int:
        """Return this start's number."""
        self._need_room()
        self.content.boots += 1
        return self.content.boots

    def _need_room(self) -> None:
        if self.is_full:
            raise StoreError("cannot write: no space left on device")


class Log(Journal):
    """An event log in memory; ``told`` hears every line that is written."""

    def __init__(self, told: Callable[[Event], None]) -> None:
        """Begin empty."""
        super().__init__(path=NOWHERE, events=deque(maxlen=KEPT))
        self.told = told

    def save_sent(self) -> None:
        """Nothing is kept."""

    def _append(self, event: Event) -> None:
        self.told(event)


def _name(document: Document) -> str:
    if isinstance(document, Trust | Deployment | Tombstone):
        return f"{document.stream}.{document.version}"
    return document.stream


def _rank(document: Document) -> tuple[int, tuple[int, ...]]:
    kind = document.stream.partition("/")[0]
    return (CHAIN.index(kind) if kind in CHAIN else len(CHAIN), document.counter)
