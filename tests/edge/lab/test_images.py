"""The same folder is the same image, everywhere."""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from edge.errors import LabError
from edge.lab import images, layout
from edge.lab.images import Settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small root file system with the things tar can get wrong."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "bin" / "tool").chmod(0o4755)
    (root / "bin" / "alias").symlink_to("tool")
    return root


def test_the_same_content_has_the_same_digest(root: Path, tmp_path: Path) -> None:
    """A deployment that pins a digest holds in every lab."""
    one = images.layer(root, tmp_path / "one")
    os.utime(root / "bin" / "tool", (1, 1))
    other = images.layer(root, tmp_path / "other")
    assert (one.digest, one.content) == (other.digest, other.content)


def test_other_content_has_another_digest(root: Path, tmp_path: Path) -> None:
    """Or an update would never be noticed."""
    one = images.layer(root, tmp_path / "one")
    (root / "bin" / "tool").write_bytes(b"#!/bin/ash\n")
    assert images.layer(root, tmp_path / "other").digest != one.digest


def test_a_layer_keeps_modes_and_links(root: Path, tmp_path: Path) -> None:
    """It is a root file system, not a bag of files."""
    built = images.layer(root, tmp_path / "one")
    with tarfile.open(built.path) as archive:
        assert archive.getmember("./bin/tool").mode == 0o4755
        assert archive.getmember("./bin/alias").linkname == "tool"


def test_a_layer_says_its_size(root: Path, tmp_path: Path) -> None:
    """The manifest carries it, and it is of the compressed bytes."""
    built = images.layer(root, tmp_path / "one")
    assert built.size == len(built.path.read_bytes())
    assert len(gzip.decompress(built.path.read_bytes())) > built.size


def test_no_archive_is_left_beside_the_layer(root: Path, tmp_path: Path) -> None:
    """Two gigabytes twice is one too many."""
    images.layer(root, tmp_path / "one")
    assert {entry.name for entry in tmp_path.iterdir()} == {"root", "one"}


def test_only_a_folder_becomes_an_image(tmp_path: Path) -> None:
    """A file or nothing at all is the user's mistake."""
    with pytest.raises(LabError, match="it is not a folder"):
        images.layer(tmp_path / "nothing", tmp_path / "one")


@pytest.mark.parametrize("name", ["", "Web:1", "web:a b", "../web", "web@x"])
def test_a_name_no_registry_takes_is_refused(name: str, tmp_path: Path) -> None:
    """Before anything is sent."""
    places = layout.parse_places(1, None)
    lab = layout.plan("lab", layout.DEFAULT_SUBNET, places, tmp_path)
    with pytest.raises(LabError, match="cannot name an image"):
        images.push(lab, (), name, Settings())
