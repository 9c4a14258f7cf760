"""Decide who runs what, from everything known: the hub's one decision.

Fold the fleet, place, plan assignments, sign them. The same state gives the same
answer; deciding twice in a row gives an empty one. Nothing is decided for a fleet whose
root does not name this hub, and nothing that the operator did not sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge import documents, envelope, placement
from edge.documents import Beacon, Document
from edge.placement import Placement
from edge.sealing import SigningKey
from edge.trust import Ledger
from hub import assignments, fleet
from hub.assignments import HUB_TERM, Desired, Known, Plan
from hub.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where everything goes, and what has to be signed because of it."""

    placement: Placement
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A document of the hub's own."""

    document: Document
    digest: str
    envelope: bytes


def decide(state: State, now: float) -> Decision:
    """Return what should change; ``now`` in seconds since the epoch."""
    trust = state.ledger.trust
    if trust is None or not state.is_adopted:
        return Decision(placement=Placement(places={}))
    standings = fleet.fold(state.ledger, state.signals, now)
    placed = _place(state, standings.values())
    desired = Desired(
        deployments=state.ledger.deployments,
        places=placed.places,
        generation=trust.generation,
    )
    known = Known(
        fleet=state.ledger.fleet,
        standings=standings,
        last=state.assignments,
        holdings=state.holdings,
        floors=state.floors,
    )
    plan = assignments.plan(desired, known)
    return Decision(placement=_explained(placed, state, plan), plan=plan)


def sign(document: Document, key: SigningKey) -> Signed:
    """Return a document of the hub's own, signed."""
    data = documents.sign(document, key)
    kind = documents.payload_type(type(document))
    digest = envelope.digest(kind, documents.encode(document))
    return Signed(document=document, digest=digest, envelope=data)


def apply(state: State, decision: Decision, signed: Iterable[Signed]) -> None:
    """Remember a decision and the documents it led to."""
    for each in signed:
        state.take_own(each.document, each.digest, each.envelope)
    state.holdings.update(decision.plan.holdings)
    state.placed = dict(state.ledger.deployments)
    state.placement = decision.placement
    state.is_handing_over = decision.plan.is_handing_over


def next_beacon(ledger: Ledger, now: float) -> Beacon:
    """Return the hub's word that what it published is fresh."""
    head = ledger.head("beacon")
    return Beacon(
        fleet=ledger.fleet,
        generation=ledger.trust.generation if ledger.trust else 1,
        term=HUB_TERM,
        seq=head.counter[-1] + 1 if head else 1,
        at=now,
    )


def _place(state: State, standings: Iterable[fleet.Standing]) -> Placement:
    sealed = fleet.sealed(state.ledger)
    views = [
        fleet.view(each, sealed.get(each.device, frozenset()))
        for each in standings
        if not each.is_revoked
    ]
    places = assignments.holders(state.assignments.values(), state.holdings)
    current = placement.held(state.placed.values(), places)
    return placement.assign(state.ledger.deployments.values(), views, current)


def _explained(placed: Placement, state: State, plan: Plan) -> Placement:
    """Return the placement without complaints about slots that do have a node.

    What stays although no filter lets it stay (`hub.moves`) is not without a place. A
    revoked device keeps its last assignment, and that is a place no more.
    """
    after = dict(state.assignments) | {each.device: each for each in plan.assignments}
    has_place = {
        place.slot
        for each in after.values()
        if not state.ledger.is_revoked(each.device)
        for place in each.replicas
    }
    return Placement(
        places=placed.places,
        unplaced=tuple(each for each in placed.unplaced if each.slot not in has_place),
        unmatched=placed.unmatched,
    )
