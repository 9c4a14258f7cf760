"""What the documents at hand say of this site, read anew only when they changed.

A site that plays on takes a turn every second or two, for months, and its documents
change every few days: what follows from them alone is kept between turns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.names import Slot
from edge.placement import NodeView
from edge.trust import Ledger
from netmesh.view import Roster
from node import neighbours
from node.succession import Movable


@dataclass(slots=True, kw_only=True)
class Papers:
    """Kept while the ledger stands still; ``port`` is the mesh's UDP port."""

    ledger: Ledger
    port: int
    roster: Roster = field(default_factory=Roster)
    """Who belongs to the site."""
    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    """Its devices as placement sees them, by device id."""
    planned: Mapping[Slot, tuple[str, int]] = field(default_factory=dict)
    """Who holds each slot by the hub's plan: device, term."""
    versions: Mapping[Slot, int] = field(default_factory=dict)
    """The revision of each slot by the same plan."""
    has_plan: bool = False
    listed: frozenset[str] = frozenset()
    """Devices that it names and that are not revoked."""
    _revision: int = -1
    _known: dict[str, Movable | None] = field(default_factory=dict)
    _asked: frozenset[str] = frozenset()
    _movable: Mapping[Slot, Movable] = field(default_factory=dict)
    """The answer to the question asked last: the same object while it is the same."""

    def read(self) -> None:
        """Take in what changed since the last time."""
        ledger = self.ledger
        if ledger.revision == self._revision:
            return
        plan = ledger.plan
        site = ledger.site_of(ledger.me)
        self.roster = neighbours.roster(ledger, plan, site, self.port)
        self.nodes = neighbours.nodes(ledger, plan)
        self.planned = neighbours.planned(plan)
        self.versions = neighbours.versions(plan)
        self.has_plan = plan is not None
        named = (each.device for each in plan.members) if plan else ()
        self.listed = frozenset(each for each in named if not ledger.is_revoked(each))
        self._known, self._asked, self._movable = {}, frozenset(), {}
        self._revision = ledger.revision

    def movable(self, slots: Iterable[str]) -> Mapping[Slot, Movable]:
        """Return what is in each of these slots, for those that may move."""
        self.read()
        asked = frozenset(slots)
        if asked != self._asked:
            self._learn(asked)
            found = ((Slot(slot), self._known[slot]) for slot in sorted(asked))
            self._movable = {slot: each for slot, each in found if each is not None}
            self._asked = asked
        return self._movable

    def one(self, slot: str) -> Movable | None:
        """Return what is in one slot, None if it may not move."""
        self.read()
        self._learn((slot,))
        return self._known[slot]

    def _learn(self, slots: Iterable[str]) -> None:
        new = [slot for slot in slots if slot not in self._known]
        found = neighbours.movable(self.ledger, new)
        self._known.update({slot: found.get(Slot(slot)) for slot in new})
