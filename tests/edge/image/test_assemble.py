"""The parts are on the disk where boot loader, kernel and people look for them."""

import hashlib
from dataclasses import replace

import pytest

from edge.errors import ImageError
from edge.image import assemble, card, fat, gpt, tools
from edge.image.card import Card
from tests.support import images


def test_an_image_holds_its_parts(tmp_path):
    """Read back with the tools of others."""
    image, table = images.image(tmp_path)
    made = images.parts(tmp_path / "parts")
    found = gpt.parse(tools.call("sfdisk", "--json", image))
    assert found.partitions == table.partitions
    names = [each.name for each in found.partitions]
    assert names == ["TUTTI-ESP", "TUTTI", "tutti-root-a", "tutti-root-b"]
    tools.call("sfdisk", "--verify", image)
    root = made.root.read_bytes()
    with image.open("rb") as file:
        file.seek(table[gpt.ROOT_A].start)
        assert file.read(len(root)) == root
    esp = fat.at(image, table[gpt.ESP], images.EPOCH)
    assert fat.read(esp, "EFI/BOOT/BOOTX64.EFI") == made.loader.read_bytes()
    assert fat.read(esp, "a/vmlinuz") == made.kernel.read_bytes()
    assert fat.read(esp, "a/initrd.img") == made.initrd.read_bytes()
    entry = fat.read(esp, "loader/entries/tutti-a+3.conf") or b""
    assert made.options in entry.decode()
    on_card = fat.at(image, table[gpt.CARD], images.EPOCH)
    assert sorted(fat.names(on_card)) == ["README.txt", "join.toml", "network.toml"]
    assert fat.read(on_card, "join.toml") == images.join_text().encode()


def test_the_image_is_sparse(tmp_path):
    """An empty slot costs nothing while building."""
    image, table = images.image(tmp_path)
    assert image.stat().st_size == table.size
    assert image.stat().st_blocks * 512 < 20 * gpt.MIB


def test_the_same_parts_make_the_same_image(tmp_path):
    """Byte by byte, at another time in another folder."""
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        image, _ = images.image(tmp_path / name)
        digests.add(hashlib.sha256(image.read_bytes()).hexdigest())
        # FAT counts in steps of two seconds: the second image is made in another one.
        tools.call("sleep", "2.1")
    assert len(digests) == 1


def test_a_board_s_own_files_are_on_the_boot_partition(tmp_path):
    """A Raspberry Pi reads its firmware from there."""
    parts = images.parts(tmp_path / "parts", "arm64")
    (tmp_path / "start4.elf").write_bytes(b"elf")
    extra = (("start4.elf", tmp_path / "start4.elf"), ("dtb/x", parts.kernel))
    image = tmp_path / "arm.img"
    table = assemble.assemble(replace(parts, extra=extra), Card(), image, images.silent)
    esp = fat.at(image, table[gpt.ESP], images.EPOCH)
    assert fat.read(esp, "start4.elf") == b"elf"
    assert fat.read(esp, "dtb/x") == parts.kernel.read_bytes()
    assert fat.names(esp, "EFI/BOOT") == ["BOOTAA64.EFI"]


def test_a_root_that_is_no_squashfs_is_refused(tmp_path):
    """The kernel would say so, but only on the device."""
    parts = images.parts(tmp_path / "parts")
    parts.root.write_bytes(b"something else")
    with pytest.raises(ImageError, match="it is no squashfs"):
        assemble.assemble(parts, Card(), tmp_path / "x.img", images.silent)


def test_a_new_card_leaves_nothing_of_the_old_one(tmp_path):
    """The old join file is a key; its bytes must be gone from the image."""
    image, table = images.image(tmp_path)
    assert b"store-7" in image.read_bytes()
    assemble.write_card(Card(network=card.NO_NETWORK), image, table, images.EPOCH)
    assert b"store-7" not in image.read_bytes()
