"""What really ran: a look at every process of this machine, ten times a second.

A container's processes carry their slot, device, revision and term in the environment
the daemon gave them. What the daemons believe is not asked.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support.labs import Lab

LOOK_EVERY = 0.1
WANTED = (b"EDGE_SLOT", b"EDGE_NODE", b"EDGE_REVISION", b"EDGE_FENCE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy of a replica at work."""

    slot: str
    node: str
    revision: int
    term: int


@dataclass(slots=True)
class Record:
    """All that was seen, and what must never be: begins to look when entered."""

    lab: Lab
    began: float = field(default_factory=time.monotonic)
    spans: dict[Copy, list[list[float]]] = field(default_factory=dict)
    """Copy → first and last moment of each stretch it was seen in, in seconds."""
    doubles: list[str] = field(default_factory=list)
    """Moments at which two devices ran one slot, as sentences."""
    looks: int = 0
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Look until the end."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def now(self) -> list[Copy]:
        """Return what runs at this moment."""
        return sorted(set(self._copies()), key=repr)

    def overlaps(self, slot: str) -> list[str]:
        """Return the moments at which a slot ran on two devices."""
        return [each for each in self.doubles if each.startswith(f"{slot} ")]

    def revisions(self) -> set[tuple[str, int]]:
        """Return every slot and revision that ever ran."""
        return {(each.slot, each.revision) for each in self.spans}

    def _run(self) -> None:
        while not self._end.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        at = time.monotonic() - self.began
        self.looks += 1
        where: dict[str, set[str]] = {}
        for copy in set(self._copies()):
            where.setdefault(copy.slot, set()).add(f"{copy.node} (term {copy.term})")
            spans = self.spans.setdefault(copy, [])
            if spans and at - spans[-1][1] < 3 * LOOK_EVERY:
                spans[-1][1] = at
            else:
                spans.append([at, at])
        for slot, nodes in where.items():
            if len({each.partition(" ")[0] for each in nodes}) > 1:
                self.doubles.append(f"{slot} at {at:.1f} s: {', '.join(sorted(nodes))}")

    def _copies(self) -> Iterator[Copy]:
        for path in Path("/proc").glob("[0-9]*"):
            found = _environment(path)
            # Another lab on this machine has the same names.
            if len(found) == len(WANTED) and self._is_ours(path):
                yield Copy(
                    slot=found[b"EDGE_SLOT"],
                    node=found[b"EDGE_NODE"],
                    revision=int(found[b"EDGE_REVISION"]),
                    term=int(found[b"EDGE_FENCE"]),
                )

    def _is_ours(self, process: Path) -> bool:
        """Return whether its file system is on a disk of this lab."""
        try:
            return f"{self.lab.state}/" in (process / "mountinfo").read_text()
        except OSError:
            return False


def _environment(process: Path) -> dict[bytes, str]:
    try:
        content = (process / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (each.partition(b"=") for each in content.split(b"\0"))
    return {name: value.decode() for name, _, value in pairs if name in WANTED}
