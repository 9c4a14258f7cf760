"""What needs another look: the hub's loops wait here, and nothing is lost or queued.

Level-triggered: asking twice is asking once. Whoever looks takes all that was asked for
until then, and looks at the state itself.
"""

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What to publish: for these nodes, and for everyone."""

    nodes: tuple[str, ...] = ()
    """In the order of names."""
    unsure: frozenset[str] = frozenset()
    """Those whose topics may hold something else than was published."""
    is_fleet_due: bool = False


@dataclass(slots=True)
class Agenda:
    """One event for each loop; ``to_admit`` is about who may connect."""

    nodes: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    is_fleet_due: bool = False
    intruders: set[str] = field(default_factory=set)
    """Revoked devices that were heard all the same."""
    to_publish: asyncio.Event = field(default_factory=asyncio.Event)
    to_decide: asyncio.Event = field(default_factory=asyncio.Event)
    to_admit: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, *nodes: str) -> None:
        """Look at what these nodes should find at the broker."""
        self.nodes.update(nodes)
        if nodes:
            self.to_publish.set()

    def publish_again(self, *nodes: str) -> None:
        """Look again, and trust nothing that was published for these nodes before."""
        self.unsure.update(nodes)
        self.publish(*nodes)

    def publish_fleet(self) -> None:
        """Look at what every node reads."""
        self.is_fleet_due = True
        self.to_publish.set()

    def intruded(self, node: str) -> None:
        """Look at the door: a revoked device came back, or never left."""
        self.intruders.add(node)
        self.to_admit.set()

    def take(self) -> Due:
        """Return what is due for publishing, and forget it."""
        due = Due(
            nodes=tuple(sorted(self.nodes)),
            unsure=frozenset(self.unsure),
            is_fleet_due=self.is_fleet_due,
        )
        self.nodes, self.unsure, self.is_fleet_due = set(), set(), False
        self.to_publish.clear()
        return due


class Changes:
    """Wakes whoever long-polls; no change is missed, an idle wake is harmless."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notify(self) -> None:
        """Wake everyone who waits now."""
        self._next.set()
        self._next = asyncio.Event()

    def latest(self) -> asyncio.Event:
        """Return what the next change will set; take it before looking."""
        return self._next
