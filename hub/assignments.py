"""From places to one assignment a node: terms, versions, what is worth signing.

- A slot's term rises by one when it moves to another node, and by nothing else. A slot
  that names its node (`every`) never moves: its term is 1.
- A replica of a newer deployment keeps slot and term and carries the newer version.
- What would move without a cause stays, whatever placement prefers; a drained node
  keeps an ``available`` replica for the hand-over (`hub.moves`).
- What equals the last signed assignment is not signed again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.documents import Assignment, Deployment
from edge.model import ReplicaPlace
from edge.names import NodeName, Slot
from hub import moves
from hub.fleet import Standing

HUB_TERM = 1
"""One hub leads; an election among several will raise it."""
REPLICAS_MAX = 1024  # `edge.documents.Assignment` carries no more

Before = Mapping[Slot, Mapping[NodeName, ReplicaPlace]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who has a slot; ``term`` counts how often it changed hands."""

    node: NodeName
    term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the operator signed, and what placement made of it."""

    deployments: Mapping[str, Deployment]
    places: Mapping[Slot, NodeName]
    generation: int
    """Root's; assignments of an older one count nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was so far."""

    fleet: str
    standings: Mapping[NodeName, Standing]
    last: Mapping[str, Assignment]
    """Device id → the last assignment signed for it."""
    holdings: Mapping[Slot, Holding]
    """Numbered slots, those without a place now included: terms never go back."""
    floors: Mapping[str, int] = field(default_factory=dict)
    """Device id → a sequence number that was used, where ``last`` is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Assignments to sign, with their sequence numbers, and holdings that changed."""

    assignments: tuple[Assignment, ...] = ()
    holdings: Mapping[Slot, Holding] = field(default_factory=dict)
    is_handing_over: bool = False
    """Whether a node keeps a replica only until another reports it healthy."""


def plan(desired: Desired, known: Known) -> Plan:
    """Return what must be signed anew; empty when nothing changed."""
    before = _before(known.last.values())
    places = _with_cause(desired, known, before)
    holdings = _holdings(places, known.holdings)
    handed = _handed_over(desired, known, before, places)
    contents = _contents(desired, places, holdings)
    for node, place in handed:
        contents.setdefault(node, []).append(place)
    new = {
        slot: held
        for slot, held in holdings.items()
        if known.holdings.get(slot) != held
    }
    return Plan(
        assignments=tuple(_changed(desired, known, contents)),
        holdings=new,
        is_handing_over=bool(handed),
    )


def holders(
    last: Iterable[Assignment], holdings: Mapping[Slot, Holding]
) -> dict[Slot, NodeName]:
    """Return who was assigned each slot last, two nodes or not."""
    before = _before(last)
    return {slot: _holder(holdings, slot, nodes) for slot, nodes in before.items()}


def _before(last: Iterable[Assignment]) -> Before:
    """Return which nodes were assigned each slot; two during a hand-over."""
    found: dict[Slot, dict[NodeName, ReplicaPlace]] = {}
    for assignment in last:
        for place in assignment.replicas:
            nodes = found.setdefault(Slot(place.slot), {})
            nodes[NodeName(assignment.node)] = place
    return found


def _with_cause(desired: Desired, known: Known, before: Before) -> dict[Slot, NodeName]:
    """Return the places, with what would move without a cause put back."""
    places = dict(desired.places)
    for slot, nodes in before.items():
        holder = _holder(known.holdings, slot, nodes)
        if desired.places.get(slot) == holder:
            continue
        asked = moves.workload_of(desired.deployments, slot)
        if not moves.has_cause(asked, nodes[holder], known.standings.get(holder)):
            places[slot] = holder
    return dict(sorted(places.items()))


def _holder(
    holdings: Mapping[Slot, Holding],
    slot: Slot,
    nodes: Mapping[NodeName, ReplicaPlace],
) -> NodeName:
    holding = holdings.get(slot)
    if holding and holding.node in nodes:
        return holding.node
    return max(nodes, key=lambda node: (nodes[node].term, node))


def _holdings(
    places: Mapping[Slot, NodeName], before: Mapping[Slot, Holding]
) -> dict[Slot, Holding]:
    """Return the holding of every numbered slot that has a place."""
    holdings: dict[Slot, Holding] = {}
    for slot, node in places.items():
        held = before.get(slot)
        if "@" in slot:
            continue
        if held is None:
            holdings[slot] = Holding(node=node, term=1)
        elif held.node != node:
            holdings[slot] = Holding(node=node, term=held.term + 1)
        else:
            holdings[slot] = held
    return holdings


def _contents(
    desired: Desired,
    places: Mapping[Slot, NodeName],
    holdings: Mapping[Slot, Holding],
) -> dict[NodeName, list[ReplicaPlace]]:
    contents: dict[NodeName, list[ReplicaPlace]] = {}
    for slot, node in places.items():
        asked = moves.workload_of(desired.deployments, slot)
        if asked is None:
            continue
        place = ReplicaPlace(
            slot=slot,
            deployment=asked[0].name,
            workload=asked[1].name,
            version=asked[0].version,
            term=holdings[slot].term if slot in holdings else 1,
        )
        contents.setdefault(node, []).append(place)
    return contents


def _handed_over(
    desired: Desired, known: Known, before: Before, places: Mapping[Slot, NodeName]
) -> list[tuple[NodeName, ReplicaPlace]]:
    """Return what drained nodes keep until another is healthy."""
    kept: list[tuple[NodeName, ReplicaPlace]] = []
    for slot, nodes in sorted(before.items()):
        goes_to = places.get(slot)
        taker = known.standings.get(goes_to) if goes_to else None
        for node, place in sorted(nodes.items()):
            asked = moves.workload_of(desired.deployments, slot)
            standing = known.standings.get(node)
            if goes_to != node and moves.is_kept(asked, place, standing, taker):
                kept.append((node, place))
    return kept


def _changed(
    desired: Desired, known: Known, contents: Mapping[NodeName, list[ReplicaPlace]]
) -> Iterable[Assignment]:
    for name, standing in known.standings.items():
        last = known.last.get(standing.device)
        replicas = _within_limit(contents.get(name, ()), last)
        if standing.is_revoked or not _differs(last, replicas, desired.generation):
            continue
        floor = known.floors.get(standing.device, 0)
        yield Assignment(
            fleet=known.fleet,
            node=name,
            device=standing.device,
            generation=desired.generation,
            term=HUB_TERM,
            seq=max(last.seq if last else 0, floor) + 1,
            replicas=replicas,
        )


def _within_limit(
    places: Iterable[ReplicaPlace], last: Assignment | None
) -> tuple[ReplicaPlace, ...]:
    """Return what goes into one document; what was there stays before what comes."""
    before = {each.slot for each in last.replicas} if last else set()
    ordered = sorted(places, key=lambda each: (each.slot not in before, each.slot))
    return tuple(sorted(ordered[:REPLICAS_MAX], key=lambda each: each.slot))


def _differs(
    last: Assignment | None, replicas: tuple[ReplicaPlace, ...], generation: int
) -> bool:
    if last is None:
        return bool(replicas)
    return last.replicas != replicas or last.generation != generation
