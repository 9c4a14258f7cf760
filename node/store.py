"""The device's own disk: the truth it acts on when nobody else is there.

One file for each document (the newest of its stream, deployments for each revision in
use or to go back to), a file of counters, the places it runs, what is on trial. Rules:

- A document is on disk before it is acted on; temp file, fsync, rename (`edge.files`).
- At start every envelope is judged again. One that fails is moved to ``damaged/``; its
  counter is still in ``heads.json``, so nothing older can slip in, and the hub sends
  it again because the report no longer lists it.
- The trust chain is kept whole: it is what everything else is judged by. Without it
  nothing is set aside and nothing is guessed: `load` refuses.
- What says who the device is and what it may be given (trust, voucher, member, node)
  is kept twice: one damaged block of flash costs neither membership nor labels.
- Its neighbours' documents are kept once: a damaged one is set aside, and comes again
  with the plan, which the report does not list without it (`node.inventory`).
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from edge import documents, envelope, files, model
from edge.documents import Deployment, Document, Tombstone, Trust
from edge.errors import Damaged, StoreError
from edge.trust import Accepted, Head, Known, Ledger, judge
from node import checked

STATE_MAX = 4 * 1024 * 1024  # bytes of heads.json or share.json; about 10,000 entries
CHAIN = (
    "trust",
    "voucher",
    "member",
    "node",
    "revocation",
    "deployment",
    "control",
    "secret",
    "assignment",
    "voters",
    "plan",
    "beacon",
)
"""The order of replay: what is judged by something comes after it."""
VITAL = ("trust", "voucher", "member", "node")
"""Kinds a device cannot be without; of members and nodes, its own."""


TRIALS = "trials.json"


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    counter: tuple[int, ...]
    digest: str
    scope: str = ""


class _Heads(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    floor: float
    heads: dict[str, _Head]


class Store:
    """Everything a device keeps, under one folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read or made yet."""
        self.folder = folder
        self.documents = folder / "documents"
        self.copies = folder / "copies"
        self.damaged: list[str] = []
        """Files moved aside at the last `load`, for the event log."""
        self.mended: list[str] = []
        """Files that were damaged at the last `load` and taken from their copies."""
        self.missing: set[str] = set()
        """Streams whose counter is known but whose newest document is not."""

    def load(self, ledger: Ledger) -> None:
        """Judge everything stored again and tell ``ledger``.

        Raises `Damaged` when what all else is judged by cannot be believed.
        """
        self.damaged, self.mended, self.missing = [], [], set()
        for path in self._in_order():
            if _kind(path) != "trust" and ledger.trust is None:
                raise self._unbelievable()
            self._replay(path, ledger)
        self._raise_heads(ledger)

    def sweep(self) -> None:
        """Remove what interrupted writes left; only for who holds the folder alone."""
        for folder in (self.folder, self.documents, self.copies):
            with suppress(
                StoreError
            ):  # nobody reads it, and the next start tries again
                files.sweep(folder)

    def keep(self, verdicts: Iterable[Accepted | Known], ledger: Ledger) -> None:
        """Write new documents and then the counters; raise `StoreError` if it fails.

        A document that is known but whose file was lost is written again.
        """
        written = [each for each in verdicts if self._is_wanted(each)]
        for each in written:
            self._write(self._path(each.document), each.envelope, ledger)
            if each.document.stream in self.missing:
                ledger.record(each)
                self.missing.discard(each.document.stream)
        if written:
            self._write_heads(ledger)

    def document(self, stream: str) -> Document | None:
        """Return the stored document of a stream that keeps one file, or None."""
        path = self.documents / f"{stream.replace('/', '+')}.json"
        data = files.read(path, at_most=envelope.ENVELOPE_MAX)
        if data is None:
            return None
        sealed = envelope.decode(data)
        return documents.parse(sealed.payload_type, sealed.body)

    def envelopes(self, stream: str) -> tuple[bytes, ...]:
        """Return what is kept of a stream as it came, oldest first.

        The stream must be a known one: it becomes a file's name.
        """
        name = stream.replace("/", "+")
        found = [*self.documents.glob(f"{name}.json")]
        found += self.documents.glob(f"{name}.[0-9]*.json")
        contents = (_content(path) for path in sorted(found, key=_revision))
        return tuple(each for each in contents if each)

    def deployment(self, name: str, version: int) -> Deployment | None:
        """Return one revision of a deployment that is still kept."""
        path = self.documents / f"deployment+{name}.{version}.json"
        data = files.read(path, at_most=envelope.ENVELOPE_MAX)
        if data is None:
            return None
        sealed = envelope.decode(data)
        document = documents.parse(sealed.payload_type, sealed.body)
        return document if isinstance(document, Deployment) else None

    def prune(self, ledger: Ledger, places: Iterable[model.ReplicaPlace]) -> None:
        """Remove revisions that are no longer `needed`."""
        kept = needed(ledger, places)
        for path in sorted(self.documents.glob("deployment+*.json")):
            name, version = _revision(path)
            # Which one a damaged newest would go back to, nobody knows.
            is_unknown = f"deployment/{name}" in self.missing
            if not is_unknown and (name, version) not in kept:
                files.remove(path)

    def read_places(self) -> tuple[model.ReplicaPlace, ...]:
        """Return what this device ran last."""
        path = self.folder / "share.json"
        try:
            content = checked.read(path, at_most=STATE_MAX) or b"[]"
            return msgspec.json.decode(content, type=tuple[model.ReplicaPlace, ...])
        except (StoreError, msgspec.MsgspecError):
            self._set_aside(path)
            return ()

    def write_places(self, places: Iterable[model.ReplicaPlace]) -> None:
        """Remember what this device runs, before it is started or stopped."""
        wanted = tuple(places)
        if self.read_places() != wanted:
            path = self.folder / "share.json"
            checked.write(path, msgspec.json.encode(wanted))

    def read_trials(self) -> bytes:
        """Return what was on trial here, b"" where nothing is known."""
        path = self.folder / TRIALS
        try:
            return checked.read(path, at_most=STATE_MAX) or b""
        except StoreError:
            self.forget_trials()
            return b""

    def write_trials(self, content: bytes) -> None:
        """Remember what is on trial, before it is switched to."""
        checked.write(self.folder / TRIALS, content)

    def forget_trials(self) -> None:
        """Set aside what cannot be read: it is believed no more."""
        self._set_aside(self.folder / TRIALS)

    def has_room(self) -> bool:
        """Return whether the largest document there is could be written now."""
        path = self.folder / "room"
        try:
            files.write(path, bytes(envelope.ENVELOPE_MAX))
            files.remove(path)
        except StoreError:
            return False
        return True

    def next_boot(self) -> int:
        """Return this start's number, larger than every one before, and remember it."""
        path = self.folder / "boot"
        content = files.read(path, at_most=32) or b"0"
        number = (
            int(content) + 1 if content.isdigit() else self._boot_after_damage(path)
        )
        files.write(path, b"%d" % number)
        return number

    def _boot_after_damage(self, path: Path) -> int:
        problem = f"cannot read the boot counter in {path}; write a higher number there"
        raise StoreError(problem)

    def _is_wanted(self, verdict: Accepted | Known) -> bool:
        return isinstance(verdict, Accepted) or (
            verdict.document.stream in self.missing
        )

    def _in_order(self) -> list[Path]:
        """Return where every document is or was, what is judged by others last."""
        held = {each.name for each in self.documents.glob("*.json")}
        held |= {each.name for each in self.copies.glob("*.json")}
        found = [self.documents / each for each in held]
        ours = [each for each in found if _kind(each) in CHAIN]
        return sorted(ours, key=lambda path: (_rank(path), *_revision(path)))

    def _replay(self, path: Path, ledger: Ledger) -> None:
        data = _content(path)
        if self._is_accepted(data, ledger):
            is_vital = _is_vital(path, ledger)
            if is_vital and _content(self.copies / path.name) != data:
                self._try_to_write(self.copies / path.name, data)
            return
        copy = _content(self.copies / path.name)
        if self._is_accepted(copy, ledger):
            self.mended.append(path.name)
            self._try_to_write(path, copy)
        elif ledger.trust is not None:
            self._set_aside(path)

    def _is_accepted(self, data: bytes, ledger: Ledger) -> bool:
        """Judge bytes from this disk; tell ``ledger`` of them if they hold."""
        verdict = judge(data, ledger, None)
        if isinstance(verdict, Accepted):
            ledger.record(verdict)
        return isinstance(verdict, Accepted | Known)

    def _write(self, path: Path, data: bytes, ledger: Ledger) -> None:
        files.write(path, data)
        if _is_vital(path, ledger):
            files.write(self.copies / path.name, data)

    def _try_to_write(self, path: Path, data: bytes) -> None:
        with suppress(StoreError):  # a full disk: the next start tries again
            files.write(path, data)

    def _set_aside(self, path: Path) -> None:
        """Keep what is damaged for whoever wants to know; it is believed no more."""
        self.damaged.append(path.name)
        aside = self.folder / "damaged"
        with suppress(OSError):  # a full disk must not keep the device from starting
            aside.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
            path.replace(aside / path.name)

    def _unbelievable(self) -> Damaged:
        problem = f"cannot use {self.folder}: its trust documents or its anchor"
        advice = "restore them from a backup, or move the folder aside and enrol anew"
        return Damaged(f"{problem} are damaged; {advice}")

    def _path(self, document: Document) -> Path:
        name = document.stream.replace("/", "+")
        if isinstance(document, Trust | Deployment | Tombstone):
            name = f"{name}.{document.version}"
        return self.documents / f"{name}.json"

    def _write_heads(self, ledger: Ledger) -> None:
        heads = {stream: _to_disk(head) for stream, head in ledger.heads.items()}
        state = _Heads(floor=ledger.floor, heads=heads)
        content = msgspec.json.encode(state, order="deterministic")
        checked.write(self.folder / "heads.json", content)

    def _raise_heads(self, ledger: Ledger) -> None:
        """Counters outlive their documents: what was held once is never undercut."""
        path = self.folder / "heads.json"
        try:
            content = checked.read(path, at_most=STATE_MAX)
            if content is None:
                return
            state = msgspec.json.decode(content, type=_Heads)
        except (StoreError, msgspec.MsgspecError):
            self._set_aside(path)
            return
        ledger.floor = max(ledger.floor, state.floor)
        for stream, head in state.heads.items():
            held = ledger.head(stream)
            if held is None or held.counter < head.counter:
                ledger.heads[stream] = _from_disk(head)
                self.missing.add(stream)


def needed(
    ledger: Ledger, places: Iterable[model.ReplicaPlace]
) -> set[tuple[str, int]]:
    """Return the revisions to keep: the newest, what runs, what to go back to."""
    kept = {(place.deployment, place.version) for place in places}
    for stream, head in ledger.heads.items():
        kind, _, name = stream.partition("/")
        if kind == "deployment":
            kept.add((name, head.counter[0]))
    kept |= {(name, each.fallback) for name, each in ledger.deployments.items()}
    return kept


def _to_disk(head: Head) -> _Head:
    return _Head(counter=head.counter, digest=head.digest, scope=head.scope)


def _from_disk(head: _Head) -> Head:
    return Head(counter=head.counter, digest=head.digest, scope=head.scope)


def _kind(path: Path) -> str:
    return path.name.partition("+")[0].partition(".")[0]


def _is_vital(path: Path, ledger: Ledger) -> bool:
    """Return whether a document is kept twice; ``me`` is "" in tools and tests."""
    kind = _kind(path)
    if kind in {"member", "node"} and ledger.me:
        return path.name == f"{kind}+{ledger.me}.json"
    return kind in VITAL


def _rank(path: Path) -> int:
    return CHAIN.index(_kind(path))


def _content(path: Path) -> bytes:
    """Return what is in a file; one that cannot be read holds nothing to believe."""
    try:
        return files.read(path, at_most=envelope.ENVELOPE_MAX) or b""
    except StoreError:
        return b""


def _revision(path: Path) -> tuple[str, Any]:
    """Return (name, version) of ``deployment+web.3.json``, version 0 where none."""
    stem = path.name.removesuffix(".json").partition("+")[2] or path.stem
    name, _, version = stem.rpartition(".")
    return (name, int(version)) if version.isdigit() else (stem, 0)
