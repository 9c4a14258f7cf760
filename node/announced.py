"""What this device said it holds: what of it is news, and to whom.

A rumour stays with those who heard it, so it is said again only when it changed, or
when somebody came who may have missed it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.names import Slot
from netmesh.view import View
from node import claims
from node.claims import Claim

WITHDRAWN = b""


@dataclass(slots=True)
class Announced:
    """What was announced last, by slot, and who was there to hear it."""

    _said: dict[Slot, bytes] = field(default_factory=dict)
    _heard_by: frozenset[str] = frozenset()

    def news(self, view: View, held: Mapping[Slot, Claim]) -> dict[Slot, bytes]:
        """Return the rumours to spread now, by slot; `WITHDRAWN` ends one."""
        alive = frozenset(
            each.device for each in view.peers.values() if each.state == "alive"
        )
        is_new = bool(alive - self._heard_by)
        gone = sorted(self._said.keys() - held.keys())
        # How long a copy runs changes all the time, and nothing else does.
        shapes = {
            slot: claims.encode(replace(each, running_for=0.0))
            for slot, each in sorted(held.items())
        }
        changed = [
            slot for slot, shape in shapes.items() if self._said.get(slot) != shape
        ]
        self._said, self._heard_by = shapes, alive
        told = [*shapes] if is_new else changed
        return dict.fromkeys(gone, WITHDRAWN) | {
            slot: claims.encode(held[slot]) for slot in told
        }
