"""FAT file systems inside of an image, without mounting anything: mkfs.vfat and mtools.

A `Volume` is a stretch of a file. Times in it are those of SOURCE_DATE_EPOCH.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge.errors import ImageError
from edge.image import tools
from edge.image.gpt import SECTOR, Partition

BLOCK = 1024
"""What mkfs.vfat counts in."""
CLUSTER = 4
"""Sectors. Left to itself, mkfs.vfat goes by the size of the whole image, and makes a
FAT32 of too few clusters; with four, 64 MiB are a FAT16 and 160 MiB a FAT32."""
FILE_MAX = 1024 * 1024
"""Bytes; what we read from a volume are settings."""
FULL = ("disk full", "no free cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A FAT file system that begins ``start`` bytes into ``image``."""

    image: Path
    start: int
    size: int
    label: str
    epoch: int

    @property
    def drive(self) -> str:
        """What mtools call it."""
        return f"{self.image}@@{self.start}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of mtools; geometry matters to floppies only."""
        return {"SOURCE_DATE_EPOCH": str(self.epoch), "MTOOLS_SKIP_CHECK": "1"}


def at(image: Path, partition: Partition, epoch: int) -> Volume:
    """Return the volume in a partition of an image."""
    return Volume(
        image=image,
        start=partition.start,
        size=partition.size,
        label=partition.name,
        epoch=epoch,
    )


def make(volume: Volume, bits: int, identity: str) -> None:
    """Write an empty file system; ``bits`` is 16 or 32, ``identity`` its volume id."""
    tools.call(
        "mkfs.vfat",
        f"--offset={volume.start // SECTOR}",
        "-F",
        str(bits),
        "-s",
        str(CLUSTER),
        "-i",
        identity,
        volume.image,
        str(volume.size // BLOCK),
        extra=volume.variables,
    )
    # Not by mkfs.vfat, which dates the label's entry by the clock.
    _call(volume, "mlabel", f"::{volume.label}")


def put(volume: Volume, files: Mapping[str, bytes | Path]) -> None:
    """Write files by their paths in the volume, in that order; replace older ones.

    Raises:
        ImageError: the volume is full, or no file system is there.
    """
    for folder in _folders(files):
        if f"{folder.name}/" not in names(volume, _text(folder.parent)):
            _call(volume, "mmd", f"::/{folder}")
    for name, content in files.items():
        _call(volume, "mcopy", "-D", "o", "-", f"::/{name}", data=content)


def remove(volume: Volume, name: str) -> None:
    """Remove a file; none there is fine."""
    _call(volume, "mdel", f"::/{name}", is_fine="not found")


def read(volume: Volume, name: str) -> bytes | None:
    """Return the content of a file, None where there is none.

    Raises:
        ImageError: no file system is there, or the file is much too large.
    """
    path = PurePosixPath(name)
    there = {each.lower() for each in names(volume, _text(path.parent))}
    if path.name.lower() not in there:
        return None
    found = _call(volume, "mtype", f"::/{name}")
    if len(found) > FILE_MAX:
        raise ImageError(f"cannot read {name} of {volume.label}: it is too large")
    return found


def names(volume: Volume, folder: str = "") -> list[str]:
    """Return the names in a folder; those of folders end in a slash."""
    printed = _call(volume, "mdir", "-b", f"::/{folder}", is_fine="not found")
    prefix = f"::/{folder}/" if folder else "::/"
    return [line.removeprefix(prefix) for line in printed.decode().splitlines()]


def _folders(files: Mapping[str, bytes | Path]) -> list[PurePosixPath]:
    parents = {each for name in files for each in PurePosixPath(name).parents}
    return sorted(parents - {PurePosixPath()})


def _text(folder: PurePosixPath) -> str:
    return "" if folder == PurePosixPath() else str(folder)


def _call(
    volume: Volume,
    name: str,
    *arguments: str,
    data: bytes | Path = b"",
    is_fine: str = "",
) -> bytes:
    command = (name, "-i", volume.drive, *arguments)
    try:
        return tools.call(*command, data=data, extra=volume.variables)
    except ImageError as error:
        said = str(error).lower()
        if is_fine and is_fine in said:
            return b""
        if any(sign in said for sign in FULL):
            problem = f"cannot write to partition {volume.label}: it is full"
            raise ImageError(problem) from error
        raise
