"""What is checked while a world plays: nothing goes back, nothing grows without end.

`edge.sim.laws` judges what ran; this remembers what devices believed.
"""

from dataclasses import dataclass, field

from edge.documents import Deployment
from edge.errors import WireError
from edge.sim.node import Node
from node import tenure
from node.journal import KEPT
from node.memory import MEMORY

STREAMS_MAX = 200
"""Documents on a disk of a fleet this small."""
QUESTIONS_MAX = 400
"""Pings that wait for a late answer: some seconds' worth."""
RUMOURS_MAX = 64
"""For each device: its slots, its beat, its goodbye."""


@dataclass(slots=True)
class Watch:
    """What was seen so far, and what was wrong with it."""

    signed: dict[tuple[str, int], Deployment] = field(default_factory=dict)
    """Every deployment that was ever signed."""
    broken: list[str] = field(default_factory=list)
    _counters: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    _terms: dict[str, dict[str, int]] = field(default_factory=dict)

    def restored(self, node: Node) -> None:
        """Hear that a disk is an old one: what it forgot, it may."""
        self._counters.pop(node.name, None)
        self._terms.pop(node.name, None)

    def started(self, node: Node) -> None:
        """Look at a daemon that just read its disk."""
        self.look(node)

    def look(self, node: Node) -> None:
        """Compare with what was seen before."""
        if node.daemon is None:
            return
        self._look_at_streams(node)
        self._look_at_terms(node)
        self._look_at_sizes(node)

    def _look_at_streams(self, node: Node) -> None:
        assert node.daemon is not None  # noqa: S101 - `look` asked
        seen = self._counters.setdefault(node.name, {})
        for stream, head in node.daemon.agent.ledger.heads.items():
            before = seen.get(stream)
            if before is not None and head.counter < before:
                self._say(node, f"{stream} went back from {before} to {head.counter}")
            seen[stream] = head.counter

    def _look_at_terms(self, node: Node) -> None:
        """Terms that are on the disk, which is before anything acts on them."""
        content = node.disk.file(MEMORY)
        saved = _read(content)
        seen = self._terms.setdefault(node.name, {})
        for slot, owner in saved.owners.items():
            if owner.term < seen.get(slot, 0):
                self._say(node, f"the term of {slot} went back to {owner.term}")
            seen[slot] = owner.term

    def _look_at_sizes(self, node: Node) -> None:
        assert node.daemon is not None  # noqa: S101 - `look` asked
        machine = node.daemon.mesh.machine
        rumours = max(
            (len(tuple(machine.rumours.of(d))) for d in machine.neighbours), default=0
        )
        sizes = {
            "streams": (len(node.disk.content.envelopes), STREAMS_MAX),
            "questions": (len(machine.probing.questions), QUESTIONS_MAX),
            "rumours of a device": (rumours, RUMOURS_MAX),
            "events": (len(node.daemon.agent.journal.events), KEPT),
        }
        for what, (size, most) in sizes.items():
            if size > most:
                self._say(node, f"{size} {what}, at most {most} are due")

    def _say(self, node: Node, text: str) -> None:
        now = node.around.kernel.now
        self.broken.append(f"{node.name} at {now:.3f} s: {text}")


def _read(content: bytes) -> tenure.Saved:
    try:
        return tenure.decode(content) if content else tenure.Saved()
    except WireError:
        return tenure.Saved()
