"""How a replica is replaced where it is: which copy goes first, and why.

*start-first*: the new copy is healthy before the old one stops, so nobody loses it.
*stop-first*: the old one stops, then the new one starts. Which of the two is decided
on the device by `edge.staging.order`; without a rollout it is always stop-first.
"""

from typing import Literal

import msgspec

from edge.model import Workload
from edge.staging import order
from edge.staging.shapes import Rollout

START_TAKES = 2.0
"""Seconds until a container runs; boards take one to three."""
STEADY_AFTER = 1.0
"""Seconds until a replica without a health check counts as healthy."""


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """The order, and the reason as the end of a sentence."""

    order: Literal["start-first", "stop-first"]
    why: str


def handover(workload: Workload, rollout: Rollout | None) -> Handover:
    """Return how a replica of ``workload`` is replaced under these limits, if any."""
    if rollout is None:
        return Handover(order="stop-first", why="the manifest has no [rollout]")
    clash = order.clash(workload, rollout)
    if clash:
        return Handover(order="stop-first", why=clash)
    if rollout.strategy == "blue-green":
        return Handover(order="start-first", why="both sets run until the promote")
    is_wish = rollout.order == "start-first"
    why = "the manifest says so" if is_wish else "two copies do not clash"
    return Handover(order="start-first", why=why)


def gap(workload: Workload) -> float:
    """Return for how many seconds nobody serves in a stop-first handover: an estimate.

    The stop is taken at its longest; a process that heeds its signal is gone sooner.
    """
    return workload.stop_after + starting(workload)


def starting(workload: Workload) -> float:
    """Return how long a new copy takes to be healthy, an estimate in seconds."""
    return START_TAKES + (workload.health.every if workload.health else STEADY_AFTER)
