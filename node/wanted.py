"""From the share to replicas: what each place means, and what it must wait for.

A replica whose secrets are not all here is not started: half a configuration is worse
than none. One that runs keeps running while a newer version of a secret is on its way.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from edge.documents import Deployment
from edge.model import ReplicaPlace, Workload
from edge.names import DeploymentName, Slot
from edge.staging import order
from node.replica import Replica
from node.share import workload_of

Revisions = Mapping[tuple[str, int], Deployment]


def replicas(
    places: Iterable[ReplicaPlace],
    revisions: Revisions,
    sealed: Mapping[str, int],
    proved: Mapping[str, int] = MappingProxyType({}),
) -> tuple[Replica, ...]:
    """Return what to run, in the order of slots.

    ``revisions`` are the deployments kept on disk, ``sealed`` the versions of the
    secrets this device can open, by full name, ``proved`` the version that has proved
    itself in each slot. A place whose revision is not kept is left out: its container,
    if any, is then not wanted by anyone.
    """
    found = []
    for place in sorted(places, key=lambda each: each.slot):
        deployment = revisions.get((place.deployment, place.version))
        workload = workload_of(place, deployment) if deployment else None
        if deployment is not None and workload is not None:
            replica = _replica(place, workload, sealed)
            found.append(
                replace(
                    replica,
                    starts_first=_starts_first(deployment, workload),
                    is_proved=proved.get(place.slot) == place.version,
                )
            )
    return tuple(found)


def elders(replicas: Iterable[Replica]) -> tuple[Replica, ...]:
    """Return these as copies that run on beside the newer one of their slot."""
    return tuple(
        replace(each, is_elder=True, starts_first=False, is_proved=False)
        for each in replicas
    )


def held_back(
    replicas: Iterable[Replica], waits: Mapping[str, str], lapsed: frozenset[str]
) -> tuple[Replica, ...]:
    """Return what may run, each with what it has to wait for; ``lapsed`` may not."""
    return tuple(
        replace(each, waits_for=waits[each.slot])
        if each.slot in waits and not each.waits_for
        else each
        for each in replicas
        if each.slot not in lapsed
    )


def secret_names(deployment: str, workload: Workload) -> tuple[str, ...]:
    """Return the full names of a workload's secrets: ``sensor/token``."""
    return tuple(f"{deployment}/{short}" for short in sorted(workload.secrets))


def _starts_first(deployment: Deployment, workload: Workload) -> bool:
    """Return whether a rollout is to run the new one beside the old one."""
    rollout = deployment.rollout
    return rollout is not None and not order.clash(workload, rollout)


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
