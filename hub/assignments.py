"""From places to one assignment a node: terms, versions, what is worth signing.

- A slot's term rises by one when it moves to another node, and by nothing else. A slot
  that names its node (`every`) never moves: its term is 1.
- A replica of a newer deployment keeps slot and term and carries the newer version;
  under a rollout that of its own turn (`hub.staging`), where it is until then.
- Where devices took a slot over, the hub follows: taker and term are theirs
  (`hub.takeovers`). Moving it afterwards takes a term beyond all that were reported.
- What would move without a cause stays, whatever placement prefers; a drained node
  keeps an ``available`` replica for the hand-over (`hub.moves`), and what its
  neighbours take over themselves (`hub.drains`).
- A ``strict`` slot belongs to nobody between two nodes (`hub.fencing`).
- What equals the last signed assignment is not signed again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from edge import documents
from edge.documents import Assignment, Deployment, Voters
from edge.model import ReplicaPlace
from edge.names import NodeName, Slot
from hub import fencing, moves
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
    staged: frozenset[str] = frozenset()
    """Deployments under a rollout: they move nothing but what they must."""
    before: Mapping[str, Deployment] = field(default_factory=dict)
    """What those come from while they are on their way: it still counts."""
    versions: Mapping[Slot, int] = field(default_factory=dict)
    """Slot under a rollout → the version it gets, 0 for none yet."""


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
    taken: Mapping[Slot, tuple[NodeName, ReplicaPlace]] = field(default_factory=dict)
    """Slots that devices took over, in terms above those of ``holdings``."""
    reported: Mapping[Slot, int] = field(default_factory=dict)
    """The highest term each slot is reported in."""
    plans: Mapping[str, documents.Plan] = field(default_factory=dict)
    """Site → the last plan signed for it."""
    voters: Mapping[str, Voters] = field(default_factory=dict)
    """Site → whose grants make a lease there."""
    left: frozenset[Slot] = frozenset()
    """Slots of drained nodes that their neighbours take over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Assignments to sign, with their sequence numbers, and holdings that changed."""

    assignments: tuple[Assignment, ...] = ()
    holdings: Mapping[Slot, Holding] = field(default_factory=dict)
    learned: Mapping[Slot, Holding] = field(default_factory=dict)
    """What devices settled among themselves."""
    waiting: Mapping[Slot, tuple[NodeName, str]] = field(default_factory=dict)
    """Slots that are not given to the next node yet: which one, and why not."""
    later: Mapping[Slot, NodeName] = field(default_factory=dict)
    """New slots that wait for their turn in a rollout, and where they will be."""
    is_handing_over: bool = False
    """Whether something waits for what a device will report."""


def plan(desired: Desired, known: Known) -> Plan:
    """Return what must be signed anew; empty when nothing changed."""
    learned = _learned(known)
    before = had(known)
    so_far = {**known.holdings, **learned}
    places = _with_cause(desired, known, before, so_far)
    places = _in_turn(desired, known, before, places)
    later = {s: node for s, node in places.items() if desired.versions.get(s) == 0}
    places = {slot: node for slot, node in places.items() if slot not in later}
    waiting = _waiting(desired, known, so_far, places)
    places = {slot: node for slot, node in places.items() if slot not in waiting}
    holdings = _holdings(places, so_far, known.reported)
    handed = _handed_over(desired, known, before, places)
    contents = _contents(desired, places, holdings)
    for node, place in handed:
        contents.setdefault(node, []).append(place)
    new = {
        slot: held
        for slot, held in {**learned, **holdings}.items()
        if known.holdings.get(slot) != held
    }
    return Plan(
        assignments=tuple(_changed(desired, known, contents)),
        holdings=new,
        learned=learned,
        waiting=waiting,
        later=later,
        is_handing_over=bool(handed or known.left or waiting),
    )


def settle(desired: Desired, known: Known) -> dict[Slot, NodeName]:
    """Return the places with everything that has no cause to move where it is."""
    so_far = {**known.holdings, **_learned(known)}
    return _with_cause(desired, known, had(known), so_far)


def had(known: Known) -> Before:
    """Return which nodes were assigned each slot, or took it; two in a hand-over."""
    return _before(known.last.values(), known.taken)


def had_last(
    known: Known, slot: Slot, nodes: Mapping[NodeName, ReplicaPlace]
) -> NodeName:
    """Return which of the nodes that had a slot holds it."""
    taken = known.taken.get(slot)
    return taken[0] if taken else _holder(known.holdings, slot, nodes)


def holders(
    last: Iterable[Assignment],
    holdings: Mapping[Slot, Holding],
    taken: Mapping[Slot, tuple[NodeName, ReplicaPlace]] = MappingProxyType({}),
) -> dict[Slot, NodeName]:
    """Return who holds each slot: who took it over, or was assigned it last."""
    held = {slot: _holder(holdings, slot, each) for slot, each in _before(last).items()}
    return held | {slot: node for slot, (node, _) in taken.items()}


def _learned(known: Known) -> dict[Slot, Holding]:
    return {
        slot: Holding(node=node, term=place.term)
        for slot, (node, place) in known.taken.items()
    }


def _before(
    last: Iterable[Assignment],
    taken: Mapping[Slot, tuple[NodeName, ReplicaPlace]] = MappingProxyType({}),
) -> Before:
    """Return which nodes were assigned each slot, or took it; two in a hand-over."""
    found: dict[Slot, dict[NodeName, ReplicaPlace]] = {}
    for assignment in last:
        for place in assignment.replicas:
            nodes = found.setdefault(Slot(place.slot), {})
            nodes[NodeName(assignment.node)] = place
    for slot, (node, place) in taken.items():
        found.setdefault(slot, {})[node] = place
    return found


def _with_cause(
    desired: Desired, known: Known, before: Before, holdings: Mapping[Slot, Holding]
) -> dict[Slot, NodeName]:
    """Return the places, with what would move without a cause put back."""
    places = dict(desired.places)
    for slot, nodes in before.items():
        holder = _holder(holdings, slot, nodes)
        if desired.places.get(slot) == holder:
            continue
        place, node = nodes[holder], known.standings.get(holder)
        if slot in known.left or not _may_leave(desired, slot, place, node):
            places[slot] = holder
    return dict(sorted(places.items()))


def _may_leave(
    desired: Desired, slot: Slot, place: ReplicaPlace, node: Standing | None
) -> bool:
    """Return whether there is a cause for a slot to leave a node.

    What the newest version has no place for stays until its rollout is over.
    """
    asked = moves.workload_of(desired.deployments, slot)
    is_staged = place.deployment in desired.staged
    if not moves.has_cause(asked, place, node, is_staged=is_staged):
        return False
    if slot in desired.places:
        return True
    before = moves.workload_of(desired.before, slot)
    return moves.has_cause(before, place, node, is_staged=is_staged)


def _in_turn(
    desired: Desired,
    known: Known,
    before: Before,
    places: Mapping[Slot, NodeName],
) -> dict[Slot, NodeName]:
    """Return the places with what waits for its turn in a rollout where it is."""
    kept = dict(places)
    for slot in desired.versions.keys() & places.keys():
        asked = moves.workload_of(desired.deployments, slot)
        nodes = before.get(slot)
        if asked is None or not nodes or desired.versions[slot] == asked[0].version:
            continue
        holder = had_last(known, slot, nodes)
        standing = known.standings.get(holder)
        if standing is not None and not moves.must_leave(standing):
            kept[slot] = holder
    return kept


def _asked(desired: Desired, slot: Slot) -> moves.Asked | None:
    """Return what a slot belongs to, in the version it gets."""
    asked = moves.workload_of(desired.deployments, slot) or moves.workload_of(
        desired.before, slot
    )
    version = desired.versions.get(slot)
    if asked is None or version is None:
        return asked
    return msgspec.structs.replace(asked[0], version=version), asked[1]


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
    places: Mapping[Slot, NodeName],
    before: Mapping[Slot, Holding],
    reported: Mapping[Slot, int],
) -> dict[Slot, Holding]:
    """Return the holding of every numbered slot that has a place."""
    holdings: dict[Slot, Holding] = {}
    for slot, node in places.items():
        held = before.get(slot)
        if "@" in slot:
            continue
        known = max(held.term if held else 0, reported.get(slot, 0))
        stays = held is not None and held.node == node
        holdings[slot] = held if held and stays else Holding(node=node, term=known + 1)
    return holdings


def _waiting(
    desired: Desired,
    known: Known,
    holdings: Mapping[Slot, Holding],
    places: Mapping[Slot, NodeName],
) -> dict[Slot, tuple[NodeName, str]]:
    """Return the ``strict`` slots that somebody may still run, and who gets them."""
    waiting: dict[Slot, tuple[NodeName, str]] = {}
    fences = fencing.Known(
        standings=known.standings,
        last=known.last,
        plans=known.plans,
        voters=known.voters,
    )
    for slot, node in places.items():
        held = holdings.get(slot)
        asked = _asked(desired, slot)
        is_strict = asked is not None and asked[1].failover == "strict"
        if held is None or held.node == node or not is_strict:
            continue
        why = fencing.waits_for(fences, slot, held.node, node)
        if why:
            waiting[slot] = (node, why)
    return waiting


def _contents(
    desired: Desired,
    places: Mapping[Slot, NodeName],
    holdings: Mapping[Slot, Holding],
) -> dict[NodeName, list[ReplicaPlace]]:
    contents: dict[NodeName, list[ReplicaPlace]] = {}
    for slot, node in places.items():
        asked = _asked(desired, slot)
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
            asked = _asked(desired, slot)
            standing = known.standings.get(node)
            is_staged = place.deployment in desired.staged
            if goes_to != node and moves.is_kept(
                asked, place, standing, taker, is_staged=is_staged
            ):
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
