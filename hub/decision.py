"""Decide who runs what, from everything known: the hub's one decision.

Fold the fleet, place, step rollouts, plan assignments, sign them. The same state gives
the same answer; deciding twice in a row gives an empty one. Nothing is decided for a
fleet whose root does not name this hub, and nothing that the operator did not sign.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge import documents, envelope, placement
from edge.documents import Assignment, Beacon, Deployment, Document, Report
from edge.names import NodeName, Slot
from edge.placement import Placement
from edge.sealing import SigningKey
from edge.trust import Ledger
from hub import (
    assignments,
    drains,
    fleet,
    proofs,
    staging,
    succession,
    takeovers,
    units,
)
from hub.assignments import HUB_TERM, Desired, Known, Plan
from hub.moves import Ground
from hub.proofs import Evidence
from hub.staging import Course, Kept
from hub.state import State
from hub.succession import Succession

TURNS_MAX = 2
"""Looks at all rollouts in one decision: what turned at the first one stays so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where everything goes, and what has to be signed because of it."""

    placement: Placement
    plan: Plan = field(default_factory=Plan)
    succession: Succession = field(default_factory=Succession)
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    """What was placed: of one that went back, the version before."""
    courses: Mapping[str, Course] = field(default_factory=dict)
    """By deployment, those under a rollout."""
    rollouts: Mapping[str, Kept] = field(default_factory=dict)
    """What has to be remembered anew of them."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """The reports that each of them sends on."""
    new_evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """Those that were chosen otherwise than before."""

    @property
    def documents(self) -> tuple[Document, ...]:
        """Return what is to be signed, in order."""
        return (*self.plan.assignments, *self.succession.plans)


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
        deployments = state.ledger.deployments
        return Decision(placement=Placement(places={}), deployments=deployments)
    scene = _look(state, now)
    staged = state.staged
    held, courses = state.rollouts, {}
    ground = staging.ground(state.ledger.deployments, staged, held)
    placed, known, desired = _placed(state, scene, ground, now)
    known_at = fleet.known_at(state.ledger, state.signals)
    for _ in range(TURNS_MAX if staged else 0):
        seen = units.scene(known, known_at)
        courses = staging.step(staged, held, seen, desired.places, now)
        held, before = staging.memories(courses), ground
        ground = staging.ground(state.ledger.deployments, staged, held)
        if ground == before:
            break
        # One is done, or goes back: that is another thing to place.
        placed, known, desired = _placed(state, scene, ground, now)
    desired = replace(desired, versions=staging.versions(courses.values()))
    plan = assignments.plan(desired, known)
    evidence = proofs.gather(replace(state.proofs, courses=courses))
    return Decision(
        placement=_explained(placed, state, plan),
        plan=plan,
        succession=succession.plan(_outlook(state, scene.standings, ground, plan)),
        deployments=ground.deployments,
        courses=courses,
        rollouts={
            name: kept
            for name, kept in held.items()
            if courses and kept != state.rollouts.get(name)
        },
        evidence=evidence,
        new_evidence={
            name: found
            for name, found in evidence.items()
            if found != state.evidence.get(name)
        },
    )


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
    state.placed = dict(decision.deployments)
    state.rollouts.update(decision.rollouts)
    state.courses = decision.courses
    state.evidence = dict(decision.evidence)
    state.decides_at = staging.wake_at(decision.courses.values())
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """The fleet as it is, before anything is decided."""

    standings: Mapping[NodeName, fleet.Standing]
    reports: Iterable[Report]
    taken: takeovers.Taken
    holders: Mapping[Slot, NodeName]


def _look(state: State, now: float) -> _Scene:
    reports = [each.report for each in state.heard.values()]
    taken = takeovers.learn(state.ledger, state.holdings, reports, state.ground)
    last = state.assignments.values()
    return _Scene(
        standings=fleet.fold(state.ledger, state.signals, now),
        reports=reports,
        taken=taken,
        holders=assignments.holders(last, state.holdings, taken),
    )


def _placed(
    state: State, scene: _Scene, ground: Ground, now: float
) -> tuple[Placement, Known, Desired]:
    """Return where everything would go, and what that is decided from."""
    ledger = state.ledger
    placed = _place(state, scene, ground)
    known = Known(
        fleet=ledger.fleet,
        standings=scene.standings,
        last=state.assignments,
        holdings=state.holdings,
        floors=state.floors,
        taken=scene.taken,
        reported=takeovers.highest(scene.reports),
        plans=ledger.plans,
        voters=ledger.voters,
        left=drains.left(_drained(state, scene, ground), now),
    )
    desired = Desired(
        deployments=ground.deployments,
        places=placed.places,
        generation=ledger.trust.generation if ledger.trust else 1,
        staged=ground.staged,
        before=ground.before,
    )
    if not ground.staged:
        return placed, known, desired
    settled = assignments.settle(desired, known)
    return placed, known, replace(desired, places=settled)


def _place(state: State, scene: _Scene, ground: Ground) -> Placement:
    sealed = fleet.sealed(state.ledger)
    views = [
        fleet.view(each, sealed.get(each.device, frozenset()))
        for each in scene.standings.values()
        if not each.is_revoked
    ]
    current = placement.held(state.placed.values(), scene.holders)
    return placement.assign(ground.deployments.values(), views, current)


def _drained(state: State, scene: _Scene, ground: Ground) -> drains.Known:
    ledger = state.ledger
    return drains.Known(
        standings=scene.standings,
        deployments=ground.deployments,
        holders=scene.holders,
        sealed=fleet.sealed(ledger),
        plans=ledger.plans,
        drained_at={device: each.issued_at for device, each in ledger.nodes.items()},
    )


def _outlook(
    state: State,
    standings: Mapping[NodeName, fleet.Standing],
    ground: Ground,
    plan: Plan,
) -> succession.Known:
    """Return what plans are made from, once ``plan`` is signed."""
    ledger = state.ledger
    return succession.Known(
        fleet=ledger.fleet,
        generation=ledger.trust.generation if ledger.trust else 1,
        standings=standings,
        ground=ground,
        assignments=_after(state, plan),
        sealed=fleet.sealed(ledger),
        versions={device: _versions(ledger, device) for device in ledger.members},
        last=ledger.plans,
        floors=state.floors,
    )


def _versions(ledger: Ledger, device: str) -> tuple[int, int]:
    node = ledger.nodes.get(device)
    return ledger.members[device].member.version, node.version if node else 0


def _after(state: State, plan: Plan) -> dict[str, Assignment]:
    """Return what each device is assigned once ``plan`` is signed, by its id."""
    return dict(state.assignments) | {each.device: each for each in plan.assignments}


def _explained(placed: Placement, state: State, plan: Plan) -> Placement:
    """Return the placement without complaints about slots that do have a node.

    What stays although no filter lets it stay (`hub.moves`) is not without a place. A
    revoked device keeps its last assignment, and that is a place no more.
    """
    has_place = {
        place.slot
        for each in _after(state, plan).values()
        if not state.ledger.is_revoked(each.device)
        for place in each.replicas
    }
    return Placement(
        places=placed.places,
        unplaced=tuple(each for each in placed.unplaced if each.slot not in has_place),
        unmatched=placed.unmatched,
        waiting=tuple(
            placement.Unplaced(slot=slot, reasons={node: why})
            for slot, (node, why) in {**plan.waiting, **_turns(plan)}.items()
        ),
    )


def _turns(plan: Plan) -> dict[Slot, tuple[NodeName, str]]:
    return {slot: (node, "waits for its turn") for slot, node in plan.later.items()}
