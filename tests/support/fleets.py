"""Fleets in the hub's memory: standings and signals for the pure modules' tests."""

from typing import Any

from edge.documents import Assignment, Deployment
from edge.model import ReplicaPlace
from edge.names import NodeName, Slot
from edge.trust import Ledger
from hub import fleet
from hub.assignments import Desired, Known
from hub.fleet import Heard, Signals, Standing
from hub.shelf import Shelf
from tests.support import builders
from tests.support.builders import NOW, Device


def heard(device: Device, at: float = NOW, **changes: Any) -> Heard:
    """Return a device's first report as the hub heard it."""
    report = builders.report(device, **changes)
    return fleet.take_in(report, at, report.facts)


def signals(*devices: Device, **changes: Any) -> Signals:
    """Return signals in which each device reported at NOW."""
    return Signals(heard={each.id: heard(each) for each in devices}, **changes)


def standings(ledger: Ledger, *reporting: Device) -> dict[NodeName, Standing]:
    """Return the members of a ledger as of NOW, some of them reporting."""
    return fleet.fold(ledger, signals(*reporting), NOW)


def shelf_of(*envelopes: bytes) -> Shelf:
    """Return a shelf with every envelope, judged by nobody."""
    shelf = Shelf()
    for each in envelopes:
        document, digest = builders.opened(each)
        shelf.put(document, digest, each)
    return shelf


def desired(*deployments: Deployment, generation: int = 1, **places: str) -> Desired:
    """Return what is wanted; places are spelled ``web_1="n1"`` for ``web/web.1``."""
    return Desired(
        deployments={each.name: each for each in deployments},
        places={_slot(short): NodeName(node) for short, node in places.items()},
        generation=generation,
    )


def known(
    standings: dict[NodeName, Standing], *last: Assignment, **changes: Any
) -> Known:
    """Return what the hub remembers: the last assignment of each device."""
    fields: dict[str, Any] = {
        "fleet": builders.FLEET,
        "standings": standings,
        "last": {each.device: each for each in last},
        "holdings": {},
    }
    return Known(**{**fields, **changes})


def places_of(
    assignments: tuple[Assignment, ...],
) -> dict[str, tuple[ReplicaPlace, ...]]:
    """Return what was assigned, by node name."""
    return {each.node: each.replicas for each in assignments}


def _slot(short: str) -> Slot:
    name, _, index = short.partition("_")
    return Slot(f"{name}/{name}.{index}")
