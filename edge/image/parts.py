"""What an image is made of, before it is one: finished files in a work folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Architecture = Literal["amd64", "arm64"]
"""Debian's names of the machines that images exist for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the operator asked for besides the recipe.

    ``ssh_key`` is the text of one public key, "" for no SSH server at all;
    ``has_firmware`` adds the recipe's non-free firmware.
    """

    ssh_key: str = ""
    has_firmware: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The finished parts of an image; every path is a file in the work folder.

    ``root`` is a squashfs, ``loader`` the EFI binary of systemd-boot, ``options`` the
    kernel's command line, ``packages`` one ``name=version`` a line, ``bill`` the SBOM
    (SPDX 2.3, JSON). ``extra`` are more files of the ESP, by their path there: firmware
    that a board's ROM reads. ``epoch`` is SOURCE_DATE_EPOCH, in seconds since 1970:
    the only time that may appear in an image.
    """

    architecture: Architecture
    title: str
    root: Path
    kernel: Path
    initrd: Path
    loader: Path
    options: str
    packages: Path
    bill: Path
    extra: tuple[tuple[str, Path], ...] = ()
    epoch: int
