"""Who runs what, and why not: placement as a pure function that explains itself.

Used by the hub (to decide), by edgectl (to plan) and by nodes (to check what they are
given). Promises: every slot is placed or explained, never both; what runs stays where
it is while it may; the answer does not depend on the order of the question.
"""

from edge.placement.assignment import (
    Placement,
    Request,
    Unmatched,
    Unplaced,
    assign,
    explain,
    held,
)
from edge.placement.filters import Ask, eligible, reason
from edge.placement.views import Held, Load, NodeView, facts_labels

__all__ = [
    "Ask",
    "Held",
    "Load",
    "NodeView",
    "Placement",
    "Request",
    "Unmatched",
    "Unplaced",
    "assign",
    "eligible",
    "explain",
    "facts_labels",
    "held",
    "reason",
]
