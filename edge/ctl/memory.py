"""What this machine saw and signed, so that no hub can take it back in time.

Per context: the chain of trust documents as they came, and for every other stream the
newest counter and digest. A hub restored from a backup, or one that lies, then shows
something older and is found out; and no number is ever signed twice, because it is on
this disk before the document leaves (`reserve`).
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge import documents, envelope, files, trust
from edge.ctl import home
from edge.documents import Document, Member
from edge.errors import StoreError, TrustError, WireError
from edge.model import Value
from edge.trust import Accepted, Head, Known, Ledger, Refused

TRUST = "trust.jsonl"
HEADS = "heads.json"
LOCK = "memory.lock"
TRUST_MAX = 16 * 1024 * 1024  # bytes; a hundred trust documents of the largest kind
HEADS_MAX = 256 * 1024 * 1024  # bytes; some million streams


class Seen(Value, frozen=True):
    """The newest of a stream."""

    counter: tuple[int, ...]
    digest: str
    scope: str = ""


class Heads(Value, frozen=True):
    """The whole of ``heads.json``."""

    heads: dict[str, Seen] = {}  # noqa: RUF012 - msgspec copies it
    signed: dict[str, int] = {}  # noqa: RUF012
    """Stream → the highest version this machine put its name to."""
    names: dict[str, str] = {}  # noqa: RUF012
    """Node name → the device that had it first."""
    first_seen: dict[str, float] = {}  # noqa: RUF012
    """Device → when this machine first saw it as a member, epoch seconds."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """One context's memory, with the ledger it makes."""

    folder: Path
    ledger: Ledger
    chain: list[bytes] = field(default_factory=list)
    """Every trust document, oldest first."""
    is_chain_saved: bool = True
    is_saved: bool = True
    """Whether everything that was seen is on disk."""
    signed: dict[str, int] = field(default_factory=dict)
    first_seen: dict[str, float] = field(default_factory=dict)
    served: set[str] = field(default_factory=set)
    """Streams the hub showed in this run."""

    def take(self, data: bytes, now: float) -> Accepted | Known | Refused:
        """Judge an envelope, remember it if it counts, and say what it is worth."""
        verdict = trust.judge(data, self.ledger, now)
        if isinstance(verdict, Refused):
            return verdict
        document = verdict.document
        self.served.add(document.stream)
        self.ledger.record(verdict)
        if isinstance(verdict, Accepted):
            self.is_saved = False
        if isinstance(verdict, Accepted) and document.stream == "trust":
            self.chain.append(data)
            self.is_chain_saved = False
        if isinstance(document, Member) and document.device not in self.first_seen:
            self.first_seen[document.device] = now
            self.is_saved = False
        return verdict

    def saw(self, data: bytes) -> None:
        """Remember that the hub did show a stream, although it was refused."""
        try:
            sealed = envelope.decode(data)
            document = documents.parse(sealed.payload_type, sealed.body)
        except WireError:
            return
        self.served.add(document.stream)

    def next_version(self, stream: str) -> int:
        """Return the number after every one that was seen or signed here."""
        head = self.ledger.head(stream)
        return max(head.counter[0] if head else 0, self.signed.get(stream, 0)) + 1

    def reserve(self, *documents: Document) -> None:
        """Write down the numbers of documents that are about to leave."""
        for each in documents:
            if each.stream:
                number = each.counter[0]
                self.signed[each.stream] = max(number, self.signed.get(each.stream, 0))
        self.save()

    def hidden(self, prefix: str) -> tuple[str, ...]:
        """Return streams this machine saw that the hub did not show in this run."""
        return tuple(
            stream
            for stream in sorted(self.ledger.heads)
            if stream.startswith(prefix) and stream not in self.served
        )

    def save(self) -> None:
        """Write chain and heads durably; another command's newer heads stay."""
        with home.locked(self.folder / LOCK):
            if not self.is_chain_saved:
                files.write(self.folder / TRUST, b"\n".join(self.chain))
                self.is_chain_saved = True
            content = msgspec.json.encode(_merged(self, _read(self.folder)))
            files.write(self.folder / HEADS, content)
        self.is_saved = True


def load(folder: Path, fleet: str, anchor: str) -> Memory:
    """Return a context's memory; raise `StoreError` when it was damaged."""
    ledger = Ledger(fleet=fleet, anchor=anchor)
    chain = _chain(folder)
    for data in chain:
        verdict = trust.judge(data, ledger, None)
        if not isinstance(verdict, Accepted):
            raise _damaged(folder / TRUST, "one of its documents does not count")
        ledger.record(verdict)
    kept = _read(folder)
    head, seen = ledger.head("trust"), kept.heads.get("trust")
    if seen is not None and (head is None or head.counter < seen.counter):
        raise _damaged(folder / TRUST, "it is older than what this machine saw")
    memory = Memory(folder=folder, ledger=ledger, chain=chain)
    ledger.heads.update(_heads(kept))
    ledger.names.update(kept.names)
    memory.signed.update(kept.signed)
    memory.first_seen.update(kept.first_seen)
    return memory


def demand(verdict: Accepted | Known | Refused, subject: str) -> None:
    """Raise `TrustError` for a refusal of something that was needed."""
    if isinstance(verdict, Refused):
        problem = f"cannot trust {subject}: {verdict.problem}"
        raise TrustError(verdict.reason, problem)


def _chain(folder: Path) -> list[bytes]:
    """Return the envelopes of the file, one in each line."""
    content = files.read(folder / TRUST, at_most=TRUST_MAX)
    return content.split(b"\n") if content else []


def _read(folder: Path) -> Heads:
    content = files.read(folder / HEADS, at_most=HEADS_MAX)
    try:
        return msgspec.json.decode(content, type=Heads) if content else Heads()
    except msgspec.MsgspecError as error:
        raise _damaged(folder / HEADS, str(error)) from error


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"cannot use {path}: {why}; restore it from a backup")


def _heads(kept: Heads) -> dict[str, Head]:
    return {
        stream: Head(counter=seen.counter, digest=seen.digest, scope=seen.scope)
        for stream, seen in kept.heads.items()
        if stream != "trust"
    }


def _merged(memory: Memory, kept: Heads) -> Heads:
    """Return what both know: the newer head, the higher number, the first name."""
    heads = dict(kept.heads)
    for stream, head in memory.ledger.heads.items():
        before = heads.get(stream)
        if before is None or before.counter < head.counter:
            heads[stream] = Seen(
                counter=head.counter, digest=head.digest, scope=head.scope
            )
    signed = dict(kept.signed)
    for stream, number in memory.signed.items():
        signed[stream] = max(number, signed.get(stream, 0))
    return Heads(
        heads=heads,
        signed=signed,
        names={**memory.ledger.names, **kept.names},
        first_seen={**memory.first_seen, **kept.first_seen},
    )
