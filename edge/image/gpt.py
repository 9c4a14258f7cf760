"""The partitions of an image: where they are, how large, and by which GUIDs.

Everything follows from the root file system, so the same root makes the same table.
The state partition is not in the image: the device makes it from what its disk leaves.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import ImageError

SECTOR = 512
MIB = 1024 * 1024
FIRST = MIB
"""Where the first partition begins; all of them are aligned to this."""
TAIL = MIB
"""Room for the table's second copy, at the end of an image."""
ESP_SIZE = 160 * MIB
"""Two kernels with their initrds of 16 MiB, Raspberry Pi's firmware, and as much
again."""
CARD_SIZE = 64 * MIB
"""The least that every system formats and reads as FAT without a question."""
SLOT_LEAST = 384 * MIB
"""Twice and a half of today's root: versions to come must fit the slot as well."""
SLOT_STEP = 64 * MIB
ESP, CARD, ROOT_A, ROOT_B = "TUTTI-ESP", "TUTTI", "tutti-root-a", "tutti-root-b"
STATE = "tutti-state"
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
DATA_TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
"""Basic data: any computer shows such a partition as a drive."""
ROOT_TYPES: Mapping[str, str] = {
    "amd64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    "arm64": "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
}
SPACE = hashlib.sha256(b"tutti image").digest()[:16]
"""The name space of our GUIDs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition; ``start`` and ``size`` in bytes."""

    name: str
    kind: str
    start: int
    size: int
    guid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A whole disk: its partitions in order, and its bytes."""

    guid: str
    size: int
    partitions: tuple[Partition, ...]

    def __getitem__(self, name: str) -> Partition:
        return {each.name: each for each in self.partitions}[name]


def plan(architecture: str, root_bytes: int, digest: str) -> Table:
    """Return the table for a root file system of that size and sha256."""
    kind, slot = ROOT_TYPES[architecture], slot_size(root_bytes)
    wanted = (
        (ESP, ESP_TYPE, ESP_SIZE),
        (CARD, DATA_TYPE, CARD_SIZE),
        (ROOT_A, kind, slot),
        (ROOT_B, kind, slot),
    )
    made, start = [], FIRST
    for name, of, size in wanted:
        guid = guid_of(digest, name)
        made.append(Partition(name=name, kind=of, start=start, size=size, guid=guid))
        start += size
    return Table(
        guid=guid_of(digest, "disk"), size=start + TAIL, partitions=tuple(made)
    )


def slot_size(root_bytes: int) -> int:
    """Return the size of each of the two slots, in bytes."""
    steps = -(-root_bytes // SLOT_STEP)
    return max(SLOT_LEAST, steps * SLOT_STEP)


def guid_of(digest: str, name: str) -> str:
    """Return the GUID (UUID version 5) that a name has in the image of a root."""
    made = hashlib.sha1(SPACE + f"{digest}/{name}".encode(), usedforsecurity=False)
    raw = bytearray(made.digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex().upper()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def volume_id(guid: str) -> str:
    """Return the 32 bits by which a FAT volume is known, in hexadecimal."""
    return guid[:8]


def script(table: Table) -> str:
    """Return what sfdisk reads."""
    lines = (
        f"start={each.start // SECTOR}, size={each.size // SECTOR}, "
        f'type={each.kind}, uuid={each.guid}, name="{each.name}"'
        for each in table.partitions
    )
    return "\n".join(("label: gpt", f"label-id: {table.guid}", *lines)) + "\n"


def parse(printed: bytes) -> Table:
    """Return the table that ``sfdisk --json`` printed.

    Raises:
        ImageError: it is not the kind that our images have.
    """
    found: dict[str, Any] = json.loads(printed)["partitiontable"]
    if found.get("label") != "gpt":
        raise ImageError("cannot use the partition table: it is not GPT")
    sector = int(found.get("sectorsize", SECTOR))
    return Table(
        guid=str(found["id"]),
        size=(int(found["lastlba"]) + 1) * sector,
        partitions=tuple(
            Partition(
                name=str(each.get("name", "")),
                kind=str(each["type"]),
                start=int(each["start"]) * sector,
                size=int(each["size"]) * sector,
                guid=str(each.get("uuid", "")),
            )
            for each in found.get("partitions", ())
        ),
    )


def architecture_of(table: Table) -> str:
    """Return the kind of machine that an image is for, "" for one we do not know."""
    kinds = {kind: name for name, kind in ROOT_TYPES.items()}
    return kinds.get(table[ROOT_A].kind.upper(), "")
