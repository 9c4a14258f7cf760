"""UEFI and systemd-boot count tries and change slots, in the real QEMU.

There is no kernel, so that a boot takes seconds; the tries are counted by then. Images
with a kernel are tried by `./dev image-test`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.image import assemble, disk, fat, gpt, loader, tools
from edge.image.card import Card
from edge.image.fat import Volume
from edge.image.machine import Hardware
from edge.image.run import Guest
from tests.support import images

LOADER = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
WITHIN = 90.0  # seconds, without acceleration, beside other tests
FAILED = "Error"  # what systemd-boot says of a kernel that is none
ENTRIES = "loader/entries"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with the real boot loader, and a kernel that is none."""
    made = tmp_path / "shop.img"
    parts = replace(images.parts(tmp_path / "parts"), loader=LOADER)
    assemble.assemble(parts, Card(join=images.join_text()), made, images.silent)
    return made


@pytest.fixture
def guest(tmp_path: Path, image: Path) -> Iterator[Guest]:
    """A device that was never switched on."""
    hardware = Hardware(architecture="amd64", serial="S1", mac="52:54:00:00:00:01")
    made = Guest(image, tmp_path / "n1", hardware)
    yield made
    made.kill()


def esp(image: Path) -> Volume:
    """The boot partition of an image."""
    return fat.at(image, disk.read_table(image)[gpt.ESP], images.EPOCH)


def boot(guest: Guest) -> list[str]:
    """Switch a device on, take its power, and return its disk's boot entries."""
    guest.start()
    guest.wait_for(FAILED, WITHIN)
    guest.kill()
    plain = guest.folder / "plain"
    tools.call("qemu-img", "convert", "-O", "raw", guest.folder / "disk.qcow2", plain)
    return sorted(fat.names(esp(plain), ENTRIES))


def second_slot(version: int) -> bytes:
    """What an update will write for slot B."""
    text = loader.entry("Tutti", "ro").replace("/a/", "/b/")
    return text.replace("version 1", f"version {version}").encode()


def test_each_try_is_counted_and_a_lone_slot_is_never_given_up(guest: Guest) -> None:
    """On the disk, before the kernel starts: a device that hangs has used one up.

    With nothing else to start, a used-up entry is started all the same.
    """
    assert boot(guest) == ["tutti-a+2-1.conf"]
    assert boot(guest) == ["tutti-a+1-2.conf"]
    assert boot(guest) == ["tutti-a+0-3.conf"]
    assert boot(guest) == ["tutti-a+0-4.conf"]


def test_a_new_version_in_the_other_slot_is_tried_first(
    guest: Guest, image: Path
) -> None:
    """The loader of today's images is the one that tomorrow's updates rely on."""
    volume = esp(image)
    fat.put(volume, {f"{ENTRIES}/tutti-b+3.conf": second_slot(2), "b/vmlinuz": b"B"})
    fat.remove(volume, loader.ENTRY_NAME)
    fat.put(volume, {f"{ENTRIES}/tutti-a.conf": loader.entry("Tutti", "ro").encode()})
    assert boot(guest) == ["tutti-a.conf", "tutti-b+2-1.conf"]


def test_a_new_version_that_never_came_up_is_left_for_the_old_one(
    guest: Guest, image: Path
) -> None:
    """Nobody has to drive there."""
    volume = esp(image)
    fat.put(volume, {f"{ENTRIES}/tutti-b+0-3.conf": second_slot(2), "b/vmlinuz": b"B"})
    assert boot(guest) == ["tutti-a+2-1.conf", "tutti-b+0-3.conf"]
