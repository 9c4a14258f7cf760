"""What the API says of rollouts and of a deployment's versions, as plain values.

- Waves are counted from 1 here, as people do.
- A rollout stands as it was last decided; its units are as they are reported now.
- A deployment without limits, or without a version to go back to, goes everywhere at
  once: it is said how far it is all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from edge.documents import Control, Deployment
from edge.model import ReplicaPlace
from edge.names import NodeName, Slot
from edge.staging.shapes import Rollout, Wave
from hub import units
from hub.assignments import Known
from hub.lineage import Lineage
from hub.rows import FleetView, Row
from hub.stage import Stage, Unit
from hub.staging import Course
from hub.state import State
from hub.units import Terms

AT_ONCE = Rollout(strategy="all-at-once", waves=(Wave(share=10_000),))
"""What a deployment without limits amounts to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a rollout's row is made from, at one moment."""

    fleet: FleetView
    known: Known
    courses: Mapping[str, Course] = field(default_factory=dict)
    controls: Mapping[str, Control] = field(default_factory=dict)
    stranded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By deployment, the devices that only the operator's word brings along."""


def view(state: State, now: float) -> View:
    """Return everything rows are made from, as of ``now``."""
    shown, ledger = state.view(now), state.ledger
    return View(
        fleet=shown,
        known=Known(
            fleet=ledger.fleet,
            standings=shown.standings,
            last=state.assignments,
            holdings=state.holdings,
        ),
        courses=state.courses,
        controls=ledger.controls,
        stranded={name: each.stranded for name, each in state.evidence.items()},
    )


def rollout(shown: View, name: str) -> Row | None:
    """Return how a deployment's rollout stands, None if there is none of that name."""
    newest = shown.fleet.ledger.deployments.get(name)
    if newest is None:
        return None
    course = shown.courses.get(name)
    is_current = course is not None and course.fleet.version == newest.version
    stage = course.stage if course is not None and is_current else None
    found = _units(shown, newest, course if is_current else None)
    limits = newest.rollout or AT_ONCE
    return {
        "name": name,
        "version": newest.version,
        "fallback": newest.fallback,
        "strategy": limits.strategy if newest.rollout else "",
        **(_staged(stage) if stage else _unbound(newest, found)),
        "waves": len(limits.waves),
        "control": _control(shown.controls.get(name)),
        "stranded": list(shown.stranded.get(name, ()) if stage else ()),
        "units": [_unit(each, stage) for each in found],
    }


def revisions(lineage: Lineage, name: str) -> list[Row]:
    """Return the versions of a deployment that are kept, oldest first."""
    found = [each.document for each in lineage.revisions(name)]
    newest = max((each.version for each in found), default=0)
    return [
        {
            "version": each.version,
            "issued_at": each.issued_at,
            "deleted": not isinstance(each, Deployment),
            "is_newest": each.version == newest,
            "workloads": len(each.workloads) if isinstance(each, Deployment) else 0,
        }
        for each in found
    ]


def _units(shown: View, newest: Deployment, course: Course | None) -> tuple[Unit, ...]:
    """Return a deployment's units as they are reported now."""
    terms = Terms(newest=newest, rollout=newest.rollout or AT_ONCE)
    if course is not None:
        terms = course.terms
        places = {Slot(u.slot): NodeName(u.node) for u in course.fleet.units}
    else:
        places = _assigned(shown, newest.name)
    return units.fold(terms, units.scene(shown.known), places).fleet.units


def _assigned(shown: View, name: str) -> dict[Slot, NodeName]:
    return {
        Slot(place.slot): standing.name
        for standing in shown.fleet.standings.values()
        for place in _places(shown, standing.device)
        if place.deployment == name and not standing.is_revoked
    }


def _places(shown: View, device: str) -> tuple[ReplicaPlace, ...]:
    assignment = shown.fleet.assignments.get(device)
    return assignment.replicas if assignment else ()


def _staged(stage: Stage) -> Row:
    memory = stage.memory
    return {
        "phase": memory.phase,
        "wave": memory.wave + 1,
        "reason": memory.reason,
        "since": memory.since,
        "deadline": stage.deadline,
        "unavailable": stage.unavailable,
        "allowed": stage.allowed,
    }


def _unbound(newest: Deployment, found: Iterable[Unit]) -> Row:
    """Return how far a deployment is that goes everywhere at once."""
    here = [unit for unit in found if unit.online]
    bad = [unit for unit in here if unit.bad]
    reason = f"{bad[0].slot} failed on {bad[0].node}: {bad[0].reason}" if bad else ""
    return {
        "phase": _phase(newest, here),
        "wave": 1,
        "reason": reason,
        "since": newest.issued_at,
        "deadline": None,
        "unavailable": sum(not unit.healthy for unit in here),
        "allowed": len(here),
    }


def _phase(newest: Deployment, here: list[Unit]) -> str:
    """Return the one word; with a way back it is about to be decided."""
    if newest.rollout is None:
        return "idle"
    if newest.fallback or not here:
        return "rolling"
    if any(unit.bad for unit in here):
        return "failed"
    return "done" if all(unit.proved for unit in here) else "rolling"


def _control(control: Control | None) -> Row | None:
    if control is None:
        return None
    return {
        "version": control.version,
        "action": control.action,
        "target": control.target,
    }


def _unit(unit: Unit, stage: Stage | None) -> Row:
    wanted = stage.versions.get(unit.slot) if stage else None
    return {
        "slot": unit.slot,
        "node": unit.node,
        "site": unit.site,
        "wave": unit.wave + 1,
        "version": unit.has,
        "wanted": unit.assigned if wanted is None else wanted,
        "state": unit.state if unit.online else "unknown",
        "healthy": unit.healthy and unit.online,
        "proved": unit.proved,
        "bad": unit.bad,
        "online": unit.online,
        "reason": unit.reason,
        "log": msgspec.to_builtins(unit.log),
    }
