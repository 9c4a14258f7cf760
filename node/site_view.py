"""How a device sees its site, for its report to the hub and for people beside it."""

from collections.abc import Mapping
from typing import Any

from edge.model import Neighbour
from edge.names import Slot
from edge.sealing import to_text
from netmesh.view import NEVER, Peer, View
from node.lease import Lease
from node.scene import Outcome
from node.tenure import Owner

REASON_MAX = 200  # characters of a neighbour's reason in a report


def neighbours(view: View) -> tuple[Neighbour, ...]:
    """Return how this device sees the others, for its report."""
    return tuple(
        Neighbour(
            device=each.device,
            name=each.name,
            state=each.state,
            reason=each.reason[:REASON_MAX] if each.state != "alive" else "",
            has_hub=each.has_hub,
            beat=to_text(each.beat) if each.beat and not each.has_hub else "",
        )
        for _, each in sorted(view.peers.items())
    )


def peers(view: View, now: float) -> list[dict[str, Any]]:
    """Return the other devices of the site, times in seconds before ``now``."""
    return [_peer(each, now) for _, each in sorted(view.peers.items())]


def slots(
    owners: Mapping[Slot, Owner], outcome: Outcome, names: Mapping[str, str], now: float
) -> list[dict[str, Any]]:
    """Return who holds each slot that may move; ``names`` are those of device ids."""
    return [
        {
            "slot": slot,
            "holder": names.get(owner.device, owner.device),
            "mine": slot in outcome.places,
            "term": owner.term,
            "waits": outcome.waits.get(slot, ""),
            "homeless": outcome.homeless.get(slot, ""),
            "lease_left": _left(outcome.leases.get(slot), now),
        }
        for slot, owner in sorted(owners.items())
    ]


def _peer(peer: Peer, now: float) -> dict[str, Any]:
    heard = None if peer.heard_at == NEVER else round(now - peer.heard_at, 1)
    since = None if peer.since == NEVER else round(now - peer.since, 1)
    return {
        "name": peer.name,
        "device": peer.device,
        "state": peer.state,
        "for": since,
        "heard": heard,
        "path": peer.path,
        "address": peer.address[0] if peer.address else "",
        "has_hub": peer.has_hub,
        "reason": peer.reason,
    }


def _left(lease: Lease | None, now: float) -> float | None:
    return None if lease is None else round(lease.until - now, 1)
