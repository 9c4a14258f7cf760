"""Everything the hub knows while it runs; all of it comes back from the database.

The ledger says what counts, the shelf holds the bytes, reports and presence say how
things are. `restore` judges every stored document again, in the order they were
accepted: a changed byte never becomes trust. What fails is named in ``damaged``, and
its sequence numbers are not used a second time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from edge import model
from edge.documents import Assignment, Control, Deployment, Document, Plan, Report
from edge.names import Slot
from edge.placement import Placement
from edge.trust import Accepted, Known, Ledger, Refused, judge
from hub import briefing, fleet, hearsay, registry, staging
from hub.assignments import Holding
from hub.beats import Beat
from hub.fleet import Heard, Presence, Signals
from hub.moves import Ground
from hub.proofs import Evidence, Sources
from hub.records import ReportRow, Stored
from hub.recovery import Recovery
from hub.registry import Issued
from hub.rows import FleetView
from hub.shelf import Shelf
from hub.staging import Course, Kept
from hub.units import Terms

FLEET, ANCHOR = "fleet", "anchor"
"""Keys of the database's own values, set when an operator adopts the hub."""
BASES_MAX = 2_000
"""Plans whose basis is remembered; devices that hold an older one get everything."""


@dataclass(slots=True, kw_only=True)
class State:
    """The hub's memory; ``hub`` is its own public key."""

    hub: str
    ledger: Ledger
    shelf: Shelf = field(default_factory=Shelf)
    heard: dict[str, Heard] = field(default_factory=dict)
    presence: dict[str, Presence] = field(default_factory=dict)
    broker_since: float = 0.0
    listens_since: float = 0.0
    """As in `hub.fleet.Signals`."""
    instances: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Device id → starts of its daemon that reported."""
    assignments: dict[str, Assignment] = field(default_factory=dict)
    """Device id → the last assignment signed for it."""
    holdings: dict[Slot, Holding] = field(default_factory=dict)
    floors: dict[str, int] = field(default_factory=dict)
    """Device id, or ``plan/<site>`` → the last sequence number of an assignment or plan
    that is damaged."""
    bases: dict[str, frozenset[str]] = field(default_factory=dict)
    """Digest of a plan → digests of the documents it rests on; the newest plans."""
    recovery: Recovery = field(default_factory=Recovery)
    """What was lost with an old backup, and is asked for."""
    placed: dict[str, Deployment] = field(default_factory=dict)
    """Deployments as they were when places were last decided."""
    placement: Placement = field(default_factory=lambda: Placement(places={}))
    is_handing_over: bool = False
    """Whether a drained node waits for another's healthy report."""
    aborted: dict[str, int] = field(default_factory=dict)
    """Deployment → the newest of its versions that an operator aborted."""
    rollouts: dict[str, Kept] = field(default_factory=dict)
    """Deployment → what is remembered of its rollout."""
    courses: Mapping[str, Course] = field(default_factory=dict)
    """Deployment → its rollout as it was last decided."""
    evidence: dict[str, Evidence] = field(default_factory=dict)
    """Deployment → the reports that its rollout sends on."""
    decides_at: float | None = None
    """When to decide again though nothing happens."""
    issued: dict[str, list[Issued]] = field(default_factory=dict)
    """Subject → its certificates."""
    alarms: dict[str, str] = field(default_factory=dict)
    """Device id → what is wrong with its identity."""
    beats: dict[str, Beat] = field(default_factory=dict)
    """Device id → its newest sign of life that neighbours passed on."""
    damaged: list[str] = field(default_factory=list)
    """Streams whose newest stored document was refused when read back."""

    @property
    def is_adopted(self) -> bool:
        """Return whether root's newest word names this hub."""
        trust = self.ledger.trust
        return trust is not None and any(each.key == self.hub for each in trust.hubs)

    @property
    def staged(self) -> dict[str, Terms]:
        """Return the deployments under a rollout, with what was signed around them."""
        ledger, lineage = self.ledger, self.shelf.lineage
        deployments, controls = ledger.deployments, ledger.controls
        return staging.terms(deployments, lineage, controls, self.aborted)

    @property
    def ground(self) -> Ground:
        """Return what is asked for, by what is signed and remembered."""
        return staging.ground(self.ledger.deployments, self.staged, self.rollouts)

    @property
    def proofs(self) -> Sources:
        """Return what rollouts send on, and where it is."""
        return Sources(
            ledger=self.ledger,
            shelf=self.shelf,
            courses=self.courses,
            evidence=self.evidence,
            heard=self.heard,
        )

    @property
    def signals(self) -> Signals:
        """Return what was heard, for folding."""
        return Signals(
            heard=self.heard,
            presence=self.presence,
            broker_since=self.broker_since,
            listens_since=self.listens_since,
        )

    def view(self, now: float) -> FleetView:
        """Return everything rows are made from, as of ``now``."""
        standings = fleet.fold(self.ledger, self.signals, now)
        return FleetView(
            ledger=self.ledger,
            shelf=self.shelf,
            standings=standings,
            assignments=self.assignments,
            placement=self.placement,
            sealed=fleet.sealed(self.ledger),
            alarms=self.alarms,
            links=hearsay.links(standings, self.beats, now),
        )

    def take(self, accepted: Accepted) -> None:
        """Believe an accepted document from now on."""
        self.ledger.record(accepted)
        self._index(accepted.document, accepted.digest, accepted.envelope)

    def take_own(self, document: Document, digest: str, envelope: bytes) -> None:
        """Believe what the hub itself signed just now."""
        own = Known(document=document, digest=digest, envelope=envelope)
        self.ledger.record(own)
        self._index(document, digest, envelope)

    def hear(self, report: Report, at: float, facts: model.Facts | None) -> None:
        """Remember a device's newest report; facts it left out are as they were."""
        before = self.heard.get(report.device)
        told = facts or report.facts or (before.facts if before else None)
        self.heard[report.device] = fleet.take_in(report, at, told)
        seen = self.instances.get(report.device, ())
        self.instances[report.device] = registry.remembered(seen, report.instance)

    def report_row(self, device: str) -> ReportRow | None:
        """Return a device's newest report as the database keeps it."""
        heard, kept = self.heard.get(device), self.shelf.get(f"report/{device}")
        if heard is None or kept is None:
            return None
        return ReportRow(
            device=device,
            envelope=kept.envelope,
            facts=msgspec.json.encode(heard.facts) if heard.facts else b"",
            instances=self.instances[device],
            at=heard.at,
        )

    def _index(self, document: Document, digest: str, envelope: bytes) -> None:
        self.shelf.put(document, digest, envelope)
        if isinstance(document, Assignment):
            self.assignments[document.device] = document
        if isinstance(document, Control) and document.action == "abort":
            before = self.aborted.get(document.name, 0)
            self.aborted[document.name] = max(document.target, before)
        if isinstance(document, Plan):
            self._remember_basis(document, digest)

    def _remember_basis(self, plan: Plan, digest: str) -> None:
        self.bases[digest] = briefing.basis(self.ledger, self.shelf, plan)
        while len(self.bases) > BASES_MAX:
            del self.bases[next(iter(self.bases))]  # the oldest


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What the database held at the start."""

    meta: Mapping[str, str]
    documents: Iterable[Stored] = ()
    reports: Iterable[ReportRow] = ()
    holdings: Mapping[Slot, Holding] = field(default_factory=dict)
    certificates: Iterable[Issued] = ()
    rollouts: Mapping[str, Kept] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


def restore(hub: str, disk: Disk) -> State:
    """Return the memory that belongs to a database; judges everything in it again."""
    ledger = Ledger(
        fleet=disk.meta.get(FLEET, ""),
        anchor=disk.meta.get(ANCHOR, ""),
        counts_uses=True,
    )
    state = State(hub=hub, ledger=ledger)
    for stored in disk.documents:
        _replay(state, stored)
    for row in disk.reports:
        _replay_report(state, row)
    state.holdings = dict(disk.holdings)
    state.rollouts = {name: _rested(kept) for name, kept in disk.rollouts.items()}
    state.evidence = dict(disk.evidence)
    for issued in disk.certificates:
        state.issued.setdefault(issued.subject, []).append(issued)
    # A decision is written together with the documents it follows from.
    state.placed = dict(ledger.deployments)
    return state


def _rested(kept: Kept) -> Kept:
    """Return a memory whose deadlines begin anew: nobody was heard meanwhile."""
    memory = msgspec.structs.replace(kept.memory, is_timed=False, is_rested=True)
    return Kept(version=kept.version, memory=memory)


def _replay(state: State, stored: Stored) -> None:
    match judge(stored.envelope, state.ledger, None):
        case Accepted() as accepted:
            state.take(accepted)
        case Known():
            pass
        case Refused():
            state.damaged.append(stored.stream)
            kind, _, device = stored.stream.partition("/")
            if kind == "assignment":
                state.floors[device] = stored.counter[-1]
            if kind == "plan":
                state.floors[stored.stream] = stored.counter[-1]


def _replay_report(state: State, row: ReportRow) -> None:
    verdict = judge(row.envelope, state.ledger, None)
    if isinstance(verdict, Accepted) and isinstance(verdict.document, Report):
        state.instances[row.device] = row.instances
        state.take(verdict)
        state.hear(verdict.document, row.at, _facts(row.facts))


def _facts(content: bytes) -> model.Facts | None:
    try:
        return msgspec.json.decode(content, type=model.Facts) if content else None
    except msgspec.MsgspecError:
        return None  # the next report says them again
