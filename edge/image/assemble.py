"""From parts and a card to a disk: one sparse file, the same each time."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from edge.errors import ImageError
from edge.image import fat, gpt, loader, tools
from edge.image.card import Card
from edge.image.gpt import Table
from edge.image.parts import Parts

Report = Callable[[str, float], None]
"""Told what is being done, and which part of it is done: 0 to 1."""
CHUNK = 1024 * 1024
SQUASHFS = b"hsqs"
"""How a squashfs begins."""


def assemble(parts: Parts, card: Card, image: Path, report: Report) -> Table:
    """Write a raw image to the new file ``image``; return its partitions.

    Raises:
        ImageError: the parts do not fit or a program failed.
    """
    report("writing the partition table", 0.0)
    digest, size = _digest(parts.root), parts.root.stat().st_size
    table = gpt.plan(parts.architecture, size, digest)
    with image.open("xb") as file:
        file.truncate(table.size)
    tools.call("sfdisk", "--quiet", image, data=gpt.script(table).encode())
    report("writing the boot partition", 0.1)
    _write_esp(parts, image, table)
    write_card(card, image, table, parts.epoch)
    report("writing the root file system", 0.4)
    _copy(parts.root, image, table[gpt.ROOT_A].start)
    report("", 1.0)
    return table


def write_card(card: Card, image: Path, table: Table, epoch: int) -> None:
    """Make the partition TUTTI anew, with these files and no others."""
    partition = table[gpt.CARD]
    volume = fat.at(image, partition, epoch)
    fat.make(volume, 16, gpt.volume_id(partition.guid))
    fat.put(volume, card.files)


def _write_esp(parts: Parts, image: Path, table: Table) -> None:
    partition = table[gpt.ESP]
    volume = fat.at(image, partition, parts.epoch)
    fat.make(volume, 32, gpt.volume_id(partition.guid))
    files: dict[str, bytes | Path] = {
        loader.NAMES[parts.architecture]: parts.loader,
        loader.SETTINGS_NAME: loader.SETTINGS.encode(),
        loader.ENTRY_NAME: loader.entry(parts.title, parts.options).encode(),
        loader.KERNEL_NAME: parts.kernel,
        loader.INITRD_NAME: parts.initrd,
        **dict(parts.extra),
    }
    fat.put(volume, files)


def _digest(root: Path) -> str:
    with root.open("rb") as file:
        if file.read(len(SQUASHFS)) != SQUASHFS:
            raise ImageError(f"cannot make an image of {root}: it is no squashfs")
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(root: Path, image: Path, start: int) -> None:
    with root.open("rb") as source, image.open("r+b") as target:
        target.seek(start)
        while chunk := source.read(CHUNK):
            target.write(chunk)
