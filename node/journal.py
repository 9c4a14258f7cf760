"""What this device decided and refused, kept small and sent when possible.

One file of JSON lines that is rewritten at half its size when it is full, so flash is
spared and a device that is offline for a year keeps the newest thousand events.
The same file is the outbox: ``sent`` is how far the hub was told. Events are not
fsynced: they explain, they do not decide.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import msgspec

from edge import files
from edge.errors import StoreError

KEPT = 1_000
"""Events kept; at about 150 bytes each the file stays under 200 KiB."""
TEXT_MAX = 1_000
FILE_MAX = 8 * 1024 * 1024
REPEAT_FOR = 60.0
"""Seconds in which the same sentence is not written again: a broken hub must not wear
out the flash of a device."""
SAVED_EVERY = 50
"""Events told to the hub until that is written down; a power cut repeats so many."""
BURST = 60
"""Events of one kind in `REPEAT_FOR` seconds; what comes on top is counted elsewhere,
not told. By kind, so that forgeries and a hundred containers drown nothing else."""


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that happened; ``at`` is seconds since the epoch by this device."""

    seq: int
    at: float
    kind: str
    subject: str
    text: str


@dataclass(slots=True)
class Journal:
    """The device's own event log, newest last."""

    path: Path
    events: deque[Event]
    sent: int = 0
    lines: int = 0
    saved: int = 0
    """The number of ``sent`` that is on disk."""

    def add(self, kind: str, subject: str, text: str, at: float) -> Event | None:
        """Write an event unless it was just written, or there were too many."""
        if self._is_repeat(kind, subject, text, at) or self._is_flood(kind, at):
            return None
        event = Event(
            seq=self.newest + 1, at=at, kind=kind, subject=subject, text=text[:TEXT_MAX]
        )
        self.events.append(event)
        self._append(event)
        return event

    @property
    def newest(self) -> int:
        """Return the number of the newest event, 0 when there never was one."""
        last = self.events[-1].seq if self.events else 0
        return max(last, self.sent)  # the log may be lost, what was told was told

    def unsent(self) -> tuple[Event, ...]:
        """Return what the hub was not told yet, oldest first."""
        return tuple(event for event in self.events if event.seq > self.sent)

    def mark_sent(self, seq: int) -> None:
        """Remember that the hub has everything up to ``seq``, on disk now and then."""
        self.sent = max(self.sent, seq)
        if self.sent >= self.saved + SAVED_EVERY:
            with suppress(StoreError):  # then it is told some of it twice
                self.save_sent()

    def save_sent(self) -> None:
        """Write how far the hub was told; raise `StoreError` if that fails."""
        self.saved = self.sent
        files.write(self.path.with_suffix(".sent"), b"%d" % self.sent)

    def _is_repeat(self, kind: str, subject: str, text: str, at: float) -> bool:
        same = (kind, subject, text[:TEXT_MAX])
        return any(
            (event.kind, event.subject, event.text) == same
            and 0 <= at - event.at < REPEAT_FOR
            for event in list(self.events)[-20:]
        )

    def _is_flood(self, kind: str, at: float) -> bool:
        recent = takewhile(
            lambda event: 0 <= at - event.at < REPEAT_FOR, reversed(self.events)
        )
        return sum(event.kind == kind for event in recent) >= BURST

    def _append(self, event: Event) -> None:
        self.lines += 1
        if self.lines > 2 * KEPT:
            content = b"".join(_line(each) for each in self.events)
            files.write(self.path, content)
            self.lines = len(self.events)
            return
        try:
            with self.path.open("ab") as file:
                file.write(_line(event))
        except OSError as error:
            problem = f"cannot write {self.path}: {error.strerror}"
            raise StoreError(problem) from error


def load(path: Path) -> Journal:
    """Return the log; lines that a power cut left half-written are skipped."""
    path.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    content = files.read(path, at_most=FILE_MAX) or b""
    if content and not content.endswith(b"\n"):
        with suppress(OSError), path.open("ab") as file:
            file.write(b"\n")  # or the next line is lost with the torn one
    lines = content.splitlines()
    events = deque(_events(lines), maxlen=KEPT)
    sent = files.read(path.with_suffix(".sent"), at_most=32) or b""
    number = int(sent) if sent.isdigit() else 0
    return Journal(
        path=path, events=events, sent=number, lines=len(lines), saved=number
    )


def _events(lines: list[bytes]) -> list[Event]:
    events = []
    for line in lines:
        try:
            events.append(msgspec.json.decode(line, type=Event))
        except msgspec.MsgspecError:
            continue
    return events


def _line(event: Event) -> bytes:
    return msgspec.json.encode(event) + b"\n"
