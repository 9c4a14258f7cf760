"""Decides whether this device has room for an image, before anything is fetched.

A pull that fills the disk breaks more than itself: Podman's database, the logs, our own
state. So some is always left free. The size of an image is unknown until its registry
was asked; then a common size is assumed.
"""

from dataclasses import dataclass

from edge.model import MIB, Workload

DISK_RESERVE = 64 * MIB
"""Bytes always left: Podman's database and every container's log still fit."""
UNKNOWN_IMAGE = 64 * MIB
"""Bytes assumed for an image of unknown size."""
UNPACKED = 3
"""Times its compressed size an image takes: the layers fetched, then unpacked."""
MEMORY_RESERVE = 32 * MIB
"""Bytes of memory that unpacking layers needs beside what runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What this device has left, in bytes."""

    disk_free: int
    memory_total: int
    memory_available: int
    disk_total: int = 0


def problem(room: Room, workload: Workload, *, image_bytes: int | None = None) -> str:
    """Return why ``workload`` must not be fetched now, "" if it may.

    ``image_bytes`` is the compressed size, None where nobody said. A memory limit may
    exceed what is free at this moment (the old revision still runs, and gives its own
    back), never what the device has.
    """
    needed = DISK_RESERVE + _unpacked(image_bytes)
    if room.disk_free < needed:
        return (
            f"cannot fetch {workload.image.reference}: it needs {_mib(needed)} of disk "
            f"and {_mib(room.disk_free)} are free; remove images that are not used"
        )
    if workload.resources.memory > room.memory_total:
        return (
            f"cannot run {workload.name}: it may use "
            f"{_mib(workload.resources.memory)} of memory and this device has "
            f"{_mib(room.memory_total)}; lower resources.memory"
        )
    if room.memory_available < MEMORY_RESERVE:
        return (
            f"cannot fetch {workload.image.reference}: {_mib(room.memory_available)} "
            f"of memory are free and {_mib(MEMORY_RESERVE)} are needed to unpack it"
        )
    return ""


def _unpacked(image_bytes: int | None) -> int:
    return UNKNOWN_IMAGE if image_bytes is None else UNPACKED * image_bytes


def _mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"
