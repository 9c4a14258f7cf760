"""Decides which images this device may remove: its own, that nothing needs any more.

- Its own are those this daemon fetched (`node.stock`). Whatever anybody else brought
  here, tags or runs is never touched; Podman has the last word on that.
- Needed is what runs, what may have to, the newest revision of what is here, and what
  any container on the device was made from.
- So is a way back: the fallback of a newest revision that has not proved itself in all
  its slots here. Afterwards it is kept for a day, for a rollout fails elsewhere, too.
- What is not needed goes an hour later, one at a time, when nothing else is to do;
  after a minute when the disk is nearly full. The time counts anew after each start.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from edge.documents import Deployment
from edge.model import ReplicaPlace
from node import container_spec, preflight
from node.preflight import Room
from node.replica import Replica

UNUSED_FOR = 3600.0
"""Seconds after its last need that an image goes: a slot that moves to a neighbour
often comes back within that."""
SPARE_FOR = 24 * 3600.0
"""Seconds after its revision proved itself here that the way back goes."""
HURRIED_FOR = 60.0
"""… either of them when the disk is nearly full: after a start it takes a moment until
neighbours are heard, and with them what may have to run here."""
NEARLY_FULL = preflight.DISK_RESERVE + preflight.UNPACKED * preflight.UNKNOWN_IMAGE
"""Bytes of disk free below which a common image could not be fetched safely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Image IDs that must stay, and those that may yet come in useful."""

    needed: frozenset[str] = frozenset()
    spare: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What this device holds and what of it has proved itself."""

    replicas: Collection[Replica] = ()
    """What runs here and what may have to."""
    places: Collection[ReplicaPlace] = ()
    """Slots of this device; a slot may be there twice, with what ran in it before."""
    deployments: Mapping[str, Deployment]
    """The newest of each."""
    revisions: Mapping[tuple[str, int], Deployment]
    """By name and version, those that are on disk."""
    proved: Mapping[str, int]
    """Slot → the version that proved itself in it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ripe:
    """An image that may go now, "" for none; ``idle`` is for the next call."""

    image: str = ""
    reason: str = ""
    idle: Mapping[str, float]
    """Image ID → since when nothing needs it."""
    wake_at: float | None = None


def need(held: Held, architecture: str, used: Iterable[str] = ()) -> Need:
    """Return what must stay; ``used`` are the images of all containers that are."""
    here = {each.deployment for each in held.places}
    newest = [held.deployments[name] for name in here if name in held.deployments]
    revisions = [
        held.revisions.get((each.deployment, each.version)) for each in held.places
    ]
    needed = {
        *used,
        *(container_spec.image_id(each, architecture) for each in held.replicas),
        *_images((*newest, *(each for each in revisions if each)), architecture),
    }
    spare: set[str] = set()
    for each in newest:
        back = held.revisions.get((each.name, each.fallback))
        if back is not None:
            kept = spare if _is_proved(each, held) else needed
            kept |= set(_images((back,), architecture))
    return Need(needed=frozenset(needed), spare=frozenset(spare - needed))


def ripe(
    stock: Iterable[str],
    need: Need,
    idle: Mapping[str, float],
    room: Room,
    now: float,
) -> Ripe:
    """Return the image of ours that may go now, the longest idle one first.

    ``idle`` is what the last call returned, ``now`` of a clock that never jumps.
    """
    since = {each: idle.get(each, now) for each in stock if each not in need.needed}
    is_full = room.disk_free < NEARLY_FULL
    due = sorted(
        (at + _kept_for(each, need, is_full=is_full), each)
        for each, at in since.items()
    )
    if not due:
        return Ripe(idle=since)
    at, image = due[0]
    if now < at:
        return Ripe(idle=since, wake_at=at)
    minutes = (now - since[image]) / 60
    reason = f"not needed for {minutes:.0f} min"
    if is_full:
        reason += ", and the disk is nearly full"
    return Ripe(image=image, reason=reason, idle=since)


def _kept_for(image: str, need: Need, *, is_full: bool) -> float:
    if is_full:
        return HURRIED_FOR
    return SPARE_FOR if image in need.spare else UNUSED_FOR


def _is_proved(newest: Deployment, held: Held) -> bool:
    """Return whether the newest revision proved itself in all its slots here."""
    slots = {e.slot for e in held.places if e.deployment == newest.name}
    return all(held.proved.get(slot) == newest.version for slot in slots)


def _images(deployments: Iterable[Deployment], architecture: str) -> Iterator[str]:
    for deployment in deployments:
        for workload in deployment.workloads:
            for platform in workload.image.platforms:
                if platform.architecture == architecture:
                    yield platform.image_id
