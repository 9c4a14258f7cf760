"""From the share to replicas: what each place means, and what it must wait for.

A replica whose secrets are not all here is not started: half a configuration is worse
than none. One that runs keeps running while a newer version of a secret is on its way.
"""

import hashlib
from collections.abc import Iterable, Mapping

from edge.documents import Deployment
from edge.model import ReplicaPlace, Workload
from edge.names import DeploymentName, Slot
from node.replica import Replica
from node.share import workload_of

Revisions = Mapping[tuple[str, int], Deployment]


def replicas(
    places: Iterable[ReplicaPlace], revisions: Revisions, sealed: Mapping[str, int]
) -> tuple[Replica, ...]:
    """Return what to run, in the order of slots.

    ``revisions`` are the deployments kept on disk, ``sealed`` the versions of the
    secrets this device can open, by full name. A place whose revision is not kept is
    left out: its container, if any, is then not wanted by anyone.
    """
    found = []
    for place in sorted(places, key=lambda each: each.slot):
        deployment = revisions.get((place.deployment, place.version))
        workload = workload_of(place, deployment) if deployment else None
        if workload is not None:
            found.append(_replica(place, workload, sealed))
    return tuple(found)


def secret_names(deployment: str, workload: Workload) -> tuple[str, ...]:
    """Return the full names of a workload's secrets: ``sensor/token``."""
    return tuple(f"{deployment}/{short}" for short in sorted(workload.secrets))


def _replica(
    place: ReplicaPlace, workload: Workload, sealed: Mapping[str, int]
) -> Replica:
    names = secret_names(place.deployment, workload)
    missing = [name for name in names if name not in sealed]
    waits_for = f"waiting for secret {', '.join(missing)}" if missing else ""
    return Replica(
        slot=Slot(place.slot),
        deployment=DeploymentName(place.deployment),
        version=place.version,
        workload=workload,
        term=place.term,
        secrets=_digest({name: sealed.get(name, 0) for name in names}),
        waits_for=waits_for,
    )


def _digest(versions: Mapping[str, int]) -> str:
    if not versions:
        return ""
    spelled = ",".join(f"{name}={number}" for name, number in sorted(versions.items()))
    return hashlib.sha256(spelled.encode()).hexdigest()
