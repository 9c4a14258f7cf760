"""Where a site's replicas go when one of its devices is lost, all others there.

The answer its devices would give (`node.succession`), told by edgectl ahead of time,
which imports nothing of the node for it; a test holds the two together.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

import msgspec

from edge import placement
from edge.names import NodeName, Slot
from edge.placement import Ask, Held, Load, NodeView


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Where a slot goes when its device is lost, "" with the reasons why nowhere."""

    slot: Slot
    taker: NodeName
    reasons: Mapping[NodeName, str]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One site as a deploy will leave it: its approved devices, and what is where."""

    name: str
    nodes: tuple[NodeView, ...]
    running: Mapping[Slot, Held]
    ids: Mapping[NodeName, str]
    voters: tuple[str, ...]


def ways(site: Site, lost: NodeName) -> tuple[Way, ...]:
    """Return where each slot that may move goes when one device of a site is lost.

    One after the other, as on the devices: two of them do not end up on one port.
    """
    holders = {slot: each.node for slot, each in site.running.items()}
    loads: dict[NodeName, Load] = {}
    for slot, held in site.running.items():
        loads.setdefault(held.node, Load()).add(slot, held.workload)
    found: list[Way] = []
    for slot, held in sorted(site.running.items()):
        if held.node == lost and held.workload.failover != "none" and "@" not in slot:
            found.append(_way(site, slot, loads, holders))
            if taker := found[-1].taker:
                holders[slot] = taker
                loads.setdefault(taker, Load()).add(slot, held.workload)
    return tuple(found)


def _way(
    site: Site,
    slot: Slot,
    loads: Mapping[NodeName, Load],
    holders: Mapping[Slot, NodeName],
) -> Way:
    """Return the first of those that may take a slot."""
    held = site.running[slot]
    ask = Ask(deployment=slot.partition("/")[0], workload=held.workload)
    reasons: dict[NodeName, str] = {}
    able: list[tuple[int, bytes, NodeName]] = []
    beside = _beside(slot, holders)
    for node in site.nodes:
        if node.name == held.node:
            continue
        why = placement.reason(ask, node, loads.get(node.name, Load()))
        if why:
            reasons[node.name] = why
        else:
            drawn = _lot(slot, site.ids.get(node.name, ""))
            able.append((beside[node.name], drawn, node.name))
    return Way(
        slot=slot, taker=min(able)[-1] if able else NodeName(""), reasons=reasons
    )


def _beside(slot: Slot, holders: Mapping[Slot, NodeName]) -> Counter[NodeName]:
    """Return how many other replicas of the same workload each device has already."""
    stem = slot.rpartition(".")[0]
    return Counter(
        holder
        for other, holder in holders.items()
        if other != slot and other.rpartition(".")[0] == stem
    )


def _lot(slot: Slot, device: str) -> bytes:
    return hashlib.sha256(f"{slot}\n{device}".encode()).digest()
