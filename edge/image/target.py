"""A disk to be overwritten: what it is, what is on it, and why it must not be.

Pure: `parse` reads what lsblk printed, `refusal` decides.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.image.gpt import MIB

COLUMNS = "NAME,TYPE,SIZE,MODEL,TRAN,RO,FSTYPE,LABEL,PARTLABEL,MOUNTPOINTS"
WHOLE = frozenset({"disk", "loop"})
"""Kinds of lsblk's that are a whole disk."""
SYSTEM = frozenset({"/", "/boot", "/boot/efi", "/usr", "/var", "/home", "[SWAP]"})
STATE_LEAST = 640 * MIB
"""Room the device's own partition needs: 512 MiB and the spare eighth of it all."""
GIGABYTE = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One block device; ``holds`` says what is on it, a line for each part."""

    path: str
    kind: str
    size: int
    model: str = ""
    is_read_only: bool = False
    holds: tuple[str, ...] = ()
    mounted: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a person knows it by."""
        model = f"{self.model}, " if self.model else ""
        return f"{self.path} ({model}{self.size / GIGABYTE:.1f} GB)"


def parse(printed: bytes) -> Target:
    """Return the device that ``lsblk --json --bytes --paths`` printed."""
    found = json.loads(printed)["blockdevices"][0]
    parts = tuple(_all(found))
    bus, model = (str(found.get(key) or "").strip() for key in ("tran", "model"))
    return Target(
        path=str(found["name"]),
        kind=str(found["type"]),
        size=int(found["size"] or 0),
        model=f"{model} ({bus})" if model and bus else model or bus,
        is_read_only=bool(found["ro"]),
        holds=tuple(_line(each) for each in parts[1:] or parts if _says(each)),
        mounted=tuple(place for each in parts for place in _mounts(each)),
    )


def refusal(target: Target, image_bytes: int) -> str:
    """Return why an image must not be written there, "" when it may."""
    if target.kind not in WHOLE:
        return f"it is a {target.kind}, not a whole disk"
    if system := sorted(SYSTEM & set(target.mounted)):
        return f"this machine runs from it ({', '.join(system)})"
    if target.mounted:
        places = ", ".join(sorted(target.mounted))
        return f"it is in use; unmount {places} first"
    if target.is_read_only:
        return "it is read-only; look for a switch on the card"
    needed = image_bytes + STATE_LEAST
    if target.size < needed:
        has, needs = target.size / GIGABYTE, needed / GIGABYTE
        return f"it is too small: it has {has:.1f} GB, the device needs {needs:.1f} GB"
    return ""


def _all(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield found
    for each in found.get("children") or ():
        yield from _all(each)


def _mounts(found: Mapping[str, Any]) -> list[str]:
    return [each for each in found.get("mountpoints") or () if each]


def _says(found: Mapping[str, Any]) -> bool:
    return any(found.get(key) for key in ("fstype", "label", "partlabel", "children"))


def _line(found: Mapping[str, Any]) -> str:
    words = (found.get("partlabel"), found.get("fstype"), found.get("label"))
    said = " ".join(dict.fromkeys(str(each) for each in words if each))
    size = int(found.get("size") or 0) / GIGABYTE
    return f"{found['name']}: {said or found['type']}, {size:.1f} GB"
