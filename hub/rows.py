"""What the API says of nodes, replicas and deployments, as plain values.

- A replica is listed where it is assigned or reported; one that is wanted and not
  reported yet is "waiting", one that found no place has no node and says why.
- What a silent device said last is not what is: its replicas are "unknown", not
  healthy. A revoked device's are not listed.
- `edgectl` prints the first fields of a row as they are; what follows is for deciding.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

import msgspec

from edge import placement
from edge.documents import Assignment, Deployment
from edge.model import ReplicaPlace, ReplicaStatus
from edge.names import NodeName, Slot, replica_of
from edge.placement import Placement, Unmatched, Unplaced
from edge.trust import Ledger
from hub.fleet import Standing
from hub.hearsay import Link
from hub.shelf import Shelf

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """Everything a row is made from, at one moment."""

    ledger: Ledger
    shelf: Shelf
    standings: Mapping[NodeName, Standing]
    assignments: Mapping[str, Assignment]
    """Device id → what was last signed for it."""
    placement: Placement
    sealed: Mapping[str, frozenset[str]]
    """Device id → names of the secrets sealed to it."""
    alarms: Mapping[str, str]
    """Device id → what is wrong with its identity."""
    links: Mapping[NodeName, Link] = field(default_factory=dict)
    """How each device is connected, and who says so."""


def node(view: FleetView, standing: Standing) -> Row:
    """Return one row of `edgectl get nodes`, and what else there is to know."""
    report = standing.heard.report if standing.heard else None
    facts = standing.heard.facts if standing.heard else None
    member = view.ledger.members[standing.device]
    document = view.ledger.nodes.get(standing.device)
    return {
        "name": standing.name,
        "id": standing.device,
        "site": standing.site,
        "labels": dict(sorted(standing.labels.items())),
        "state": _state(standing, _link(view, standing)),
        "address": report.address if report else "",
        "revisions": _revisions(report.replicas if report else ()),
        "last_seen": standing.last_seen,
        "facts": msgspec.to_builtins(facts) if facts else None,
        "scheduling": standing.scheduling,
        "approved": standing.is_approved,
        "reporting": standing.is_reporting,
        "sealed": sorted(view.sealed.get(standing.device, ())),
        "voucher": member.member.voucher,
        "member": member.digest,
        "node_version": document.version if document else 0,
        "held": {each.stream: each.version for each in report.held} if report else {},
        "alarm": view.alarms.get(standing.device, ""),
        "reason": _link(view, standing).reason,
    }


def replicas(view: FleetView, deployment: str = "") -> list[Row]:
    """Return the rows of `edgectl ps`, of one deployment or of all, by slot."""
    rows = [
        row
        for standing in view.standings.values()
        if not standing.is_revoked
        for row in _on_node(view, standing, f"{deployment}/" if deployment else "")
    ]
    rows += [
        _nowhere(view, each)
        for each in (*view.placement.unplaced, *view.placement.waiting)
        if deployment in {"", each.slot.partition("/")[0]}
    ]
    return sorted(rows, key=lambda row: (_order(row["slot"]), row["node"]))


def deployment(view: FleetView, name: str) -> Row | None:
    """Return how a deployment stands, None if there never was one of that name."""
    kept = view.shelf.get(f"deployment/{name}")
    if kept is None:
        return None
    return {
        "name": name,
        "version": kept.counter[0],
        "digest": kept.digest,
        "deleted": name not in view.ledger.deployments,
        "expected": list(_expected(view, name)),
        "unplaced": [_why(each) for each in _failures(view.placement, name)],
        "replicas": replicas(view, name),
    }


def deployments(view: FleetView) -> list[Row]:
    """Return every deployment there is, in a line each."""
    return [_line(view, each) for _, each in sorted(view.ledger.deployments.items())]


def _line(view: FleetView, document: Deployment) -> Row:
    expected = list(_expected(view, document.name))
    rows = replicas(view, document.name)
    return {
        "name": document.name,
        "version": document.version,
        "workloads": [each.name for each in document.workloads],
        "expected": len(expected),
        "healthy": sum(
            row["healthy"] and row["revision"] == document.version for row in rows
        ),
        "unplaced": sum(1 for _ in _failures(view.placement, document.name)),
    }


def _state(standing: Standing, link: Link) -> str:
    """Return the one word for a device: what counts first, then how it is connected."""
    is_settled = standing.state in {"revoked", "pending"}
    return standing.state if is_settled or link.word == "heard" else link.word


def _link(view: FleetView, standing: Standing) -> Link:
    unknown = Link(word="heard" if standing.is_reporting else "offline")
    return view.links.get(standing.name, unknown)


def _revisions(statuses: Iterable[ReplicaStatus]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in statuses:
        found[each.deployment] = max(each.version, found.get(each.deployment, 0))
    return dict(sorted(found.items()))


def _on_node(view: FleetView, standing: Standing, prefix: str) -> Iterator[Row]:
    assignment = view.assignments.get(standing.device)
    report = standing.heard.report if standing.heard else None
    wanted = {each.slot: each for each in assignment.replicas} if assignment else {}
    reported = {each.slot: each for each in report.replicas} if report else {}
    slots = wanted.keys() | reported.keys()
    for slot in sorted(each for each in slots if each.startswith(prefix)):
        status = reported.get(slot)
        row = _reported(status) if status else _waiting(wanted[slot])
        row |= {
            "node": standing.name,
            "site": standing.site,
            "address": report.address if report else "",
            "device": standing.device,
            "wanted": wanted[slot].version if slot in wanted else 0,
        }
        yield row if standing.is_reporting else _silent(row, _link(view, standing))


def _reported(status: ReplicaStatus) -> Row:
    return {
        **_head(status.slot, status.deployment, status.workload, status.version),
        "state": status.state,
        "healthy": status.healthy,
        "since": status.since,
        "term": status.term,
        "restarts": status.restarts,
        "reason": status.reason,
    }


def _waiting(place: ReplicaPlace) -> Row:
    return {
        **_head(place.slot, place.deployment, place.workload, place.version),
        "state": "waiting",
        "healthy": False,
        "since": 0.0,
        "term": place.term,
        "restarts": 0,
        "reason": "assigned, and not reported yet",
    }


def _silent(row: Row, link: Link) -> Row:
    word = "offline" if link.word == "heard" else link.word
    reason = f"{row['node']} is {word}; it was {row['state']} when last heard from"
    return {**row, "state": "unknown", "healthy": False, "reason": reason}


def _nowhere(view: FleetView, unplaced: Unplaced) -> Row:
    owner, _, rest = unplaced.slot.partition("/")
    workload = rest.partition("@")[0].partition(".")[0]
    document = view.ledger.deployments.get(owner)
    version = document.version if document else 0
    return {
        **_head(unplaced.slot, owner, workload, version),
        "node": "",
        "site": "",
        "state": "waiting",
        "healthy": False,
        "address": "",
        "since": 0.0,
        "term": 0,
        "restarts": 0,
        "reason": placement.explain(unplaced),
        "device": "",
        "wanted": version,
    }


def _head(slot: str, deployment: str, workload: str, version: int) -> Row:
    """Return the first fields, in the order `edgectl ps` prints them."""
    return {
        "deployment": deployment,
        "workload": workload,
        "replica": replica_of(Slot(slot)),
        "revision": version,
        "node": "",
        "site": "",
        "state": "",
        "healthy": False,
        "address": "",
        "since": 0.0,
        "slot": slot,
    }


def _expected(view: FleetView, name: str) -> Iterator[Row]:
    for standing in view.standings.values():
        assignment = view.assignments.get(standing.device)
        if assignment is None or standing.is_revoked:
            continue
        for place in assignment.replicas:
            if place.deployment == name:
                yield {"slot": place.slot, "node": standing.name, "term": place.term}


def _failures(placed: Placement, name: str) -> Iterator[Unplaced | Unmatched]:
    yield from (u for u in placed.unplaced if u.slot.partition("/")[0] == name)
    yield from (u for u in placed.unmatched if u.deployment == name)


def _why(failure: Unplaced | Unmatched) -> Row:
    match failure:
        case Unplaced():
            slot = failure.slot
            workload = replica_of(slot).partition("@")[0].partition(".")[0]
        case Unmatched():
            slot, workload = Slot(""), failure.workload
        case _:
            assert_never(failure)
    return {
        "slot": slot,
        "workload": workload,
        "reasons": dict(sorted(failure.reasons.items())),
        "problem": placement.explain(failure),
    }


def _order(slot: str) -> tuple[str, int, str]:
    """Sort web.10 behind web.2."""
    stem, _, index = slot.rpartition(".")
    return (stem, int(index), "") if index.isdigit() else (slot, 0, slot)
