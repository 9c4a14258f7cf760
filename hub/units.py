"""Units of a rollout, from what is placed, assigned and reported.

A unit is a slot on the device it is placed on. While it still runs elsewhere, what is
known of it is known from there. What the newest version has no place for is no unit: it
keeps the version it has until the rollout is over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.documents import Control, Deployment
from edge.model import Failure, ReplicaPlace, ReplicaStatus
from edge.names import NodeName, Slot
from edge.staging.shapes import Rollout
from edge.staging.waves import finder
from hub import assignments, moves
from hub.assignments import Known
from hub.fleet import Standing
from hub.stage import Fleet, Stray, Unit

FAILING = frozenset({"failed", "backing-off"})
"""States of what was started and does not run."""


Runs = tuple[str, str]
"""A slot, and a device that reports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A deployment under a rollout, with what was signed around it."""

    newest: Deployment
    rollout: Rollout
    before: Deployment | None = None
    """The version to go back to, None where the hub does not have it."""
    control: Control | None = None
    """The operator's newest word, on whichever version."""
    aborted: int = 0
    """The newest version that was aborted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The fleet as a rollout sees it: `reports` are looked up again and again."""

    standings: Mapping[NodeName, Standing]
    had: Mapping[Slot, Mapping[NodeName, ReplicaPlace]]
    """Which nodes were assigned each slot."""
    known: Known
    known_at: float = 0.0
    """When it is known who is online."""
    _reports: dict[str, "_Reported"] = field(default_factory=dict)
    _runs: dict[tuple[str, int], list[Runs]] = field(default_factory=dict)

    def reported(self, node: str) -> "_Reported":
        """Return what a device said of its slots."""
        if node not in self._reports:
            self._reports[node] = _reported(self.standings.get(NodeName(node)))
        return self._reports[node]

    def runs(self, deployment: str, version: int) -> Iterable[Runs]:
        """Return the slots that are reported in a version."""
        if not self._runs:
            for standing in self.standings.values():
                for each in self.reported(standing.name).statuses.values():
                    key = (each.deployment, each.version)
                    self._runs.setdefault(key, []).append((each.slot, standing.name))
        return self._runs.get((deployment, version), ())


@dataclass(frozen=True, slots=True)
class _Reported:
    statuses: Mapping[str, ReplicaStatus]
    failures: Mapping[tuple[str, int], Failure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A deployment's units, and what is none and keeps its version."""

    fleet: Fleet
    kept: Mapping[Slot, int] = field(default_factory=dict)


def scene(known: Known, known_at: float = 0.0) -> Scene:
    """Return the fleet at one moment, for any number of rollouts."""
    had = assignments.had(known)
    return Scene(standings=known.standings, had=had, known=known, known_at=known_at)


def fold(terms: Terms, scene: Scene, places: Mapping[Slot, NodeName]) -> Folded:
    """Return the units of a deployment; ``places`` are those of its slots."""
    newest, control = terms.newest, terms.control
    deployments = {newest.name: newest}
    units: list[Unit] = []
    kept: dict[Slot, int] = {}
    find = finder(newest.name, terms.rollout)
    for slot, node in sorted(places.items()):
        standing = scene.standings.get(node)
        asked = moves.workload_of(deployments, slot)
        if standing is None:
            continue
        if asked is not None and moves.fits(asked[1], standing):
            units.append(_unit(terms, scene, slot, standing, find(node)))
        else:
            place = _source(scene, slot, node)[1]
            # The newest has no place here: one that went back moves to another.
            is_kept = place is not None and place.version != newest.version
            kept |= {slot: place.version} if place and is_kept else {}
    is_about = control is not None and control.target == newest.version
    fleet = Fleet(
        deployment=newest.name,
        version=newest.version,
        fallback=newest.fallback,
        units=tuple(units),
        strays=_strays(terms, scene, units),
        known_at=scene.known_at,
        control=control if is_about else None,
        is_aborted=terms.aborted == newest.version,
    )
    return Folded(fleet=fleet, kept=kept)


def is_failing(status: ReplicaStatus) -> bool:
    """Return whether a replica was started and does not stay healthy."""
    return not status.healthy and (status.state in FAILING or status.restarts > 0)


def told(statuses: Iterable[ReplicaStatus]) -> set[tuple[object, ...]]:
    """Return what bears on a rollout in what a device says of its replicas."""
    return {
        (each.slot, each.version, each.healthy, each.proved, is_failing(each))
        for each in statuses
    }


def _unit(
    terms: Terms, scene: Scene, slot: Slot, standing: Standing, wave: int
) -> Unit:
    newest, name = terms.newest, standing.name
    source, place = _source(scene, slot, name)
    reported = scene.reported(source)
    status = reported.statuses.get(slot)
    failure = reported.failures.get((slot, newest.version))
    return Unit(
        slot=slot,
        node=name,
        site=standing.site,
        wave=wave,
        has=status.version if status else 0,
        assigned=place.version if place else 0,
        state=status.state if status else "",
        healthy=status is not None and status.healthy,
        is_failing=status is not None and is_failing(status),
        proved=_is_proved(status, newest.version) and failure is None,
        bad=failure is not None,
        online=standing.is_reporting,
        has_way_back=_has_way_back(terms, slot, standing),
        reason=failure.reason if failure else status.reason if status else "",
        log=failure.sealed_log if failure else None,
    )


def _strays(terms: Terms, scene: Scene, units: Iterable[Unit]) -> tuple[Stray, ...]:
    """Return where the newest version is reported and no unit is."""
    newest, here = terms.newest, {(unit.slot, unit.node) for unit in units}
    found = {
        node: scene.standings[NodeName(node)].is_reporting
        for slot, node in scene.runs(newest.name, newest.version)
        if (slot, node) not in here
    }
    return tuple(Stray(node=n, online=is_up) for n, is_up in sorted(found.items()))


def _source(
    scene: Scene, slot: Slot, node: NodeName
) -> tuple[NodeName, ReplicaPlace | None]:
    """Return where a slot is known from, and what was assigned there.

    That is its holder while it is on its way, unless nothing may stay there.
    """
    nodes = scene.had.get(slot, {})
    if node in nodes or not nodes:
        return node, nodes.get(node)
    holder = assignments.had_last(scene.known, slot, nodes)
    standing = scene.standings.get(holder)
    if standing is None or moves.must_leave(standing):
        return node, None
    return holder, nodes[holder]


def _is_proved(status: ReplicaStatus | None, version: int) -> bool:
    return status is not None and status.proved and status.version == version


def _has_way_back(terms: Terms, slot: Slot, standing: Standing) -> bool:
    """Return whether the version before has a slot and may run there, as far as known.

    One that the hub lost is still on the devices' disks.
    """
    before = terms.before
    if before is None:
        return True
    asked = moves.workload_of({before.name: before}, slot)
    return asked is not None and moves.fits(asked[1], standing)


def _reported(standing: Standing | None) -> _Reported:
    report = standing.heard.report if standing and standing.heard else None
    if report is None or standing is None or standing.is_revoked:
        return _Reported({}, {})
    return _Reported(
        {each.slot: each for each in report.replicas},
        {(each.slot, each.version): each for each in report.failures},
    )
