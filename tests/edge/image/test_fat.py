"""Files get into a FAT file system inside of an image, and out again."""

import pytest

from edge.errors import ImageError
from edge.image import fat, tools
from edge.image.fat import Volume

MIB = 1024 * 1024
EPOCH = 1735689600


@pytest.fixture
def volume(tmp_path):
    """An empty FAT16 that begins in the middle of a file."""
    image = tmp_path / "image"
    with image.open("xb") as file:
        file.truncate(70 * MIB)
    made = Volume(image=image, start=3 * MIB, size=64 * MIB, label="TUTTI", epoch=EPOCH)
    fat.make(made, 16, "0123ABCD")
    return made


def cut_out(volume, path):
    """The file system in a file of its own, as fsck wants it."""
    with volume.image.open("rb") as file:
        file.seek(volume.start)
        path.write_bytes(file.read(volume.size))
    return path


def test_what_is_put_is_read(volume, tmp_path):
    """Also into folders, by long names, and a file from disk."""
    source = tmp_path / "source"
    source.write_bytes(b"\x00\x01" * 5000)
    name = "loader/entries/tutti-a+3.conf"
    fat.put(volume, {"join.toml": b"a = 1\n", name: source})
    assert fat.read(volume, "join.toml") == b"a = 1\n"
    assert fat.read(volume, name.upper()) == b"\x00\x01" * 5000
    assert fat.names(volume, "loader/entries") == ["tutti-a+3.conf"]
    tools.call("fsck.vfat", "-n", cut_out(volume, tmp_path / "cut"))


def test_a_file_is_replaced_and_removed(volume):
    """The operator changes their mind."""
    fat.put(volume, {"a/x": b"1"})
    fat.put(volume, {"a/x": b"22", "a/y": b"3"})
    assert sorted(fat.names(volume, "a")) == ["x", "y"]
    fat.remove(volume, "a/x")
    fat.remove(volume, "a/x")
    assert fat.names(volume, "a") == ["y"]


def test_what_is_not_there_is_none(volume):
    """As edited by a person, who may have removed anything."""
    assert fat.read(volume, "join.toml") is None
    assert fat.names(volume, "nowhere") == []


def test_a_full_volume_says_so(volume):
    """And which one it is."""
    with pytest.raises(ImageError, match="partition TUTTI: it is full"):
        fat.put(volume, {"big": b"x" * (65 * MIB)})


def test_the_first_bytes_of_something_else_are_refused(tmp_path):
    """A damaged partition is no empty one."""
    image = tmp_path / "image"
    image.write_bytes(b"\x00" * MIB)
    nothing = Volume(image=image, start=0, size=MIB, label="TUTTI", epoch=EPOCH)
    with pytest.raises(ImageError, match="cannot run mdir"):
        fat.names(nothing)


def test_it_is_of_the_kind_that_was_asked_for(volume, tmp_path):
    """FAT32 for firmware, FAT16 for people; known by the id we chose."""
    esp = Volume(
        image=tmp_path / "large", start=MIB, size=160 * MIB, label="ESP", epoch=EPOCH
    )
    with esp.image.open("xb") as file:
        file.truncate(2000 * MIB)
    fat.make(esp, 32, "00000001")
    with esp.image.open("rb") as file:
        file.seek(esp.start)
        assert file.read(90)[82:90] == b"FAT32   "
    printed = tools.call("mdir", "-i", volume.drive, "::/").decode()
    assert "0123-ABCD" in printed
    assert "TUTTI" in printed
    tools.call("fsck.vfat", "-n", cut_out(esp, tmp_path / "cut"))
