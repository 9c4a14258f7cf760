"""Who takes over a slot whose holder is gone: the same answer on every survivor.

No election: candidates are ordered by rendezvous hashing of (slot, device), those with
fewer replicas of the same workload first. Rank 0 acts at once, rank r after r steps,
and only if nobody of a lower rank has claimed the slot by then. (Thaler, Ravishankar:
"Using name-based mappings to increase hit rates", 1998.)

The brake: a device that reaches less than half of its site, itself included, is more
likely alone than the others are dead: it takes nothing. With exactly half it waits one
extra hold, and lets the other half be first if that one is better off.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge import placement
from edge.model import Workload
from edge.names import NodeName, Slot
from edge.placement import Ask, Load, NodeView
from netmesh.view import View

STEP = 0.6
"""Seconds a rank waits for the one before it: a claim crosses a LAN in milliseconds,
and arrives at the second try under loss."""
HALF_HOLD = 2.0
"""Seconds more before exactly half of a site takes over from the other half."""
STANDBYS = 2
"""Devices that fetch the images of a slot ahead of time."""
Brake = Literal["free", "half", "held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movable:
    """A slot that may move, with what runs in it."""

    slot: Slot
    deployment: str
    version: int
    workload: Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Candidates in order, and why the others are none."""

    order: tuple[str, ...]
    reasons: Mapping[NodeName, str]


def brake(view: View) -> Brake:
    """Return whether this device may take over at all, by how many it reaches."""
    staying = [each for each in view.peers.values() if each.state != "leaving"]
    site = len(staying) + 1
    reached = sum(each.state in {"alive", "suspect"} for each in staying) + 1
    if 2 * reached == site:
        return "half"
    return "free" if 2 * reached > site else "held"


def loads(owners: Mapping[Slot, str], slots: Mapping[Slot, Movable]) -> dict[str, Load]:
    """Return what each device carries of the slots that move, by device id."""
    found: dict[str, Load] = {}
    for slot, device in sorted(owners.items()):
        if slot in slots:
            found.setdefault(device, Load()).add(slot, slots[slot].workload)
    return found


def rank(
    movable: Movable,
    candidates: Iterable[str],
    nodes: Mapping[str, NodeView],
    carried: Mapping[str, Load],
    owners: Mapping[Slot, str],
) -> Ranking:
    """Return who may take a slot, the first first.

    ``candidates`` are device ids that are alive; ``carried`` is what each runs already.
    """
    ask = Ask(deployment=movable.deployment, workload=movable.workload)
    able: list[tuple[int, bytes, str]] = []
    reasons: dict[NodeName, str] = {}
    for device in sorted(candidates):
        node = nodes.get(device)
        if node is None:
            continue
        problem = placement.reason(ask, node, carried.get(device, Load()))
        if problem:
            reasons[node.name] = problem
        else:
            same = _beside(movable.slot, device, owners)
            able.append((same, lot(movable.slot, device), device))
    return Ranking(order=tuple(each[-1] for each in sorted(able)), reasons=reasons)


def lot(slot: str, device: str) -> bytes:
    """Return the rendezvous weight of a device for a slot; the smallest is first."""
    return hashlib.sha256(f"{slot}\n{device}".encode()).digest()


def _beside(slot: Slot, device: str, owners: Mapping[Slot, str]) -> int:
    workload = slot.rpartition(".")[0]
    return sum(
        holder == device and other.rpartition(".")[0] == workload
        for other, holder in owners.items()
        if other != slot
    )
