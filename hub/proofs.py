"""What goes with an assignment so that its device believes it: signed evidence.

- A device of a later wave gets reports of devices that proved the version, and who they
  are: vouchers and members, in the order of judging.
- A device that has to go back gets reports of devices where the version is bad.
- The operator's newest word, where it lets a device change or go back; other words are
  for the hub.

Reports change all the time. Those chosen when a wave opened are kept, on disk as well:
every new one would be news to a thousand devices, and who gave them may be drained by
then. Others are chosen when one of them counts no longer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from edge.documents import Assignment
from edge.model import ReplicaPlace, ReplicaStatus
from edge.staging import evidence
from edge.staging.evidence import Seen
from edge.staging.waves import wave_of
from edge.trust import Ledger
from hub import progress
from hub.fleet import Heard, Standing
from hub.shelf import Kept, Shelf
from hub.stage import Fleet
from hub.staging import Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A report as it was chosen, by a device that was this member then."""

    device: str
    node: str
    member: str
    """Digest of its member document."""
    report: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one version, as reports that can be sent on."""

    version: int
    waves: Mapping[int, tuple[Proof, ...]] = field(default_factory=dict)
    """Wave → what opened it."""
    bad: tuple[Proof, ...] = ()
    stranded: tuple[str, ...] = ()
    """Devices that would not believe what is left of it, and have to change still."""

    @property
    def proofs(self) -> Iterator[Proof]:
        """Yield all of them."""
        yield from self.bad
        for proofs in self.waves.values():
            yield from proofs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where documents are, and the evidence chosen of them."""

    ledger: Ledger
    shelf: Shelf
    courses: Mapping[str, Course] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """By deployment."""
    heard: Mapping[str, Heard] = field(default_factory=dict)
    """The newest report of each device, by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a device's assignment comes with."""

    documents: tuple[Kept, ...] = ()
    spare: frozenset[str] = frozenset()
    """Digests of what it may have come with before."""


def gather(sources: Sources) -> dict[str, Evidence]:
    """Return the evidence of every rollout: what was chosen before stays."""
    return {
        name: _gathered(sources, course, sources.evidence.get(name))
        for name, course in sources.courses.items()
    }


def brought(
    sources: Sources, standing: Standing, assignment: Assignment | None
) -> Brought:
    """Return what a device needs beside its assignment."""
    staged = _staged(sources, standing, assignment)
    if assignment is None or not staged:
        return Brought()
    words = [each for name in staged for each in _word(sources, name)]
    needed = [
        proof
        for name in staged
        for proof in _needed(sources, name, standing, assignment)
        if proof.device != standing.device
    ]
    known = [each for name in staged for each in sources.evidence[name].proofs]
    return Brought(
        documents=(*words, *_documents(sources, needed)),
        spare=frozenset(each.digest for each in _documents(sources, known)),
    )


def _staged(
    sources: Sources, standing: Standing, assignment: Assignment | None
) -> list[str]:
    """Return the rollouts that concern a device, also where it is to run no more."""
    runs = standing.heard.report.replicas if standing.heard else ()
    names = {each.deployment for each in (assignment.replicas if assignment else ())}
    return sorted(names.union(e.deployment for e in runs) & sources.courses.keys())


def _gathered(sources: Sources, course: Course, before: Evidence | None) -> Evidence:
    fleet, memory = course.fleet, course.stage.memory
    rollout, name = course.terms.rollout, fleet.deployment
    if before is None or before.version != fleet.version:
        before = Evidence(version=fleet.version)
    waves = {
        wave: _opened(sources, course, before.waves.get(wave, ()), wave)
        for wave in range(1, memory.wave + 1)
    }
    bad = before.bad
    if memory.verdict == "failed":
        bad = _kept(sources, bad) or _chosen(
            sources, evidence.pick(name, rollout, 0, _failed(sources, fleet))
        )
    found = Evidence(version=fleet.version, waves=waves, bad=bad)
    return replace(found, stranded=_stranded(course, found))


def _stranded(course: Course, found: Evidence) -> tuple[str, ...]:
    """Return who has to change and lacks a cause that only the operator can give.

    Proofs of devices that were revoked since count for nothing.
    """
    fleet, memory = course.fleet, course.stage.memory
    if memory.is_back:
        left = set() if fleet.is_aborted or found.bad else set(fleet.left)
        return tuple(sorted(left - {unit.node for unit in fleet.units if unit.bad}))
    shut = {w for w in range(1, memory.wave + 1) if not _is_open(course, found, w)}
    behind = (u for u in fleet.units if u.wave in shut and u.has != fleet.version)
    return tuple(sorted({unit.node for unit in behind if not unit.bad}))


def _is_open(course: Course, found: Evidence, wave: int) -> bool:
    """Return whether a device of a wave may change by what it is sent."""
    word = course.fleet.control
    if word is not None and word.wave >= wave:
        return True
    return _is_enough(course, found.waves.get(wave, ()), wave)


def _is_enough(course: Course, proofs: Iterable[Proof], wave: int) -> bool:
    said = [Seen(node=each.node, proved=True) for each in proofs]
    name, rollout = course.fleet.deployment, course.terms.rollout
    return evidence.is_enough(name, rollout, wave, said)


def _failed(sources: Sources, fleet: Fleet) -> list[Seen]:
    """Return what devices say where the version is bad.

    Not only those with a unit: what failed may be a slot that the version before does
    not have, and with the verdict it has a place no more.
    """
    said = (
        evidence.seen(each.report, fleet.deployment, fleet.version)
        for device, each in sources.heard.items()
        if not sources.ledger.is_revoked(device)
    )
    return [each for each in said if each is not None and each.bad]


def _opened(
    sources: Sources, course: Course, before: tuple[Proof, ...], wave: int
) -> tuple[Proof, ...]:
    """Return what opens a wave: what was chosen before, and more if it is too little.

    A wave that was promoted is open before there is enough.
    """
    kept = _kept(sources, before)
    if kept and _is_enough(course, kept, wave):
        return kept
    name, rollout = course.fleet.deployment, course.terms.rollout
    proved = [each for each in progress.seen(course.fleet.units) if each.proved]
    known = {each.node for each in kept}
    chosen = evidence.pick(name, rollout, wave, proved)
    more = _chosen(sources, (node for node in chosen if node not in known))
    return (*kept, *more)[: evidence.PROOFS_MAX]


def _kept(sources: Sources, proofs: tuple[Proof, ...]) -> tuple[Proof, ...]:
    """Return what of that which was chosen before still counts."""
    return tuple(each for each in proofs if _counts(sources.ledger, each))


def _counts(ledger: Ledger, proof: Proof) -> bool:
    enrolled = ledger.members.get(proof.device)
    is_same = enrolled is not None and enrolled.digest == proof.member
    return is_same and not ledger.is_revoked(proof.device)


def _chosen(sources: Sources, nodes: Iterable[str]) -> tuple[Proof, ...]:
    found: list[Proof] = []
    for node in nodes:
        enrolled = sources.ledger.member_named(node)
        device = enrolled.member.device if enrolled else ""
        report = sources.shelf.get(f"report/{device}")
        if enrolled and report and not sources.ledger.is_revoked(device):
            member = enrolled.digest
            proof = Proof(device=device, node=node, member=member, report=report)
            found.append(proof)
    return tuple(found)


def _word(sources: Sources, name: str) -> Iterator[Kept]:
    control = sources.courses[name].fleet.control
    kept = sources.shelf.get(f"control/{name}")
    is_heeded = control is not None and (control.action == "abort" or control.wave)
    if kept is not None and is_heeded:
        yield kept


def _needed(
    sources: Sources, name: str, standing: Standing, assignment: Assignment
) -> Iterable[Proof]:
    """Return the evidence that a device lacks for a change it has not made yet."""
    fleet, found = sources.courses[name].fleet, sources.evidence[name]
    report = standing.heard.report if standing.heard else None
    runs = _new(report.replicas if report else (), fleet)
    given = _new(assignment.replicas, fleet)
    # A slot that is to go goes back, too.
    goes_on, goes_back = bool(given - runs), bool(runs - given)
    rollout = sources.courses[name].terms.rollout
    wave = wave_of(name, rollout, standing.name)
    on = found.waves.get(wave, ()) if goes_on else ()
    return (*on, *(found.bad if goes_back else ()))


def _new(found: Iterable[ReplicaPlace | ReplicaStatus], fleet: Fleet) -> set[str]:
    """Return the slots that run the new version, or are to."""
    return {
        each.slot
        for each in found
        if each.deployment == fleet.deployment and each.version == fleet.version
    }


def _documents(sources: Sources, proofs: Iterable[Proof]) -> tuple[Kept, ...]:
    """Return proofs with who signed them, in the order of judging, each once.

    Two rollouts may have chosen different reports of one device: the older one goes
    first, or it would be refused as rolled back.
    """
    ledger, shelf = sources.ledger, sources.shelf
    found = {
        (each.device, each.report.counter, each.report.digest): each.report
        for each in proofs
        if each.device in ledger.members
    }
    known = dict.fromkeys(device for device, _, _ in sorted(found))
    vouchers = sorted({ledger.members[each].member.voucher for each in known})
    streams = [f"voucher/{each}" for each in vouchers]
    streams += [f"member/{each}" for each in known]
    signers = (shelf.get(stream) for stream in streams)
    return (*(each for each in signers if each), *(found[key] for key in sorted(found)))
