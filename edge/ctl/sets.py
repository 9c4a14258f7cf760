"""Whether two sets of a blue-green rollout can run side by side: their host ports.

A workload that the new version leaves as it is has one container for both sets, and
shares its port with nobody.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edge.documents import Deployment
from edge.model import Port, Workload
from edge.placement import ports
from node import container_spec


class Clash(NamedTuple):
    """A host port that both sets publish."""

    workload: str
    """Of the new version."""
    problem: str
    """A sentence, with what to do."""


def clash(old: Deployment, new: Deployment) -> Clash | None:
    """Return the first host port that stands in the way of a blue-green rollout."""
    if new.rollout is None or new.rollout.strategy != "blue-green":
        return None
    before = {each.name: each for each in old.workloads}
    for workload in new.workloads:
        was = before.get(workload.name)
        if was is not None and container_spec.is_same(was, workload):
            continue
        for mine, theirs, holder in _shared(workload, old.workloads):
            return Clash(workload.name, _sentence(mine, theirs, holder, old.version))
    return None


def _shared(
    workload: Workload, others: Iterable[Workload]
) -> Iterator[tuple[Port, Port, str]]:
    for other in others:
        for mine in workload.ports:
            for theirs in other.ports:
                if ports.clash(mine, theirs):
                    yield mine, theirs, other.name


def _sentence(mine: Port, theirs: Port, holder: str, version: int) -> str:
    held = f"{holder} of version {version} publishes {ports.spelled(theirs)} as well"
    return (
        f"cannot run beside version {version} on host port {ports.spelled(mine)}: "
        f"{held}, and serves until the promote; publish another host port and let "
        'clients follow it, or write strategy = "canary"'
    )
