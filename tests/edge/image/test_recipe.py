"""Recipes are checked before anything is fetched; ours are the ones tried here."""

from pathlib import Path

import pytest

from edge.errors import ImageError
from edge.image import recipe
from edge.image.parts import Wishes

OURS = Path(__file__).parents[3] / "firmware-images"
GOOD = """\
title = "Test"
suite = "bookworm"
architecture = "amd64"
packages = ["linux-image-amd64"]
firmware = ["firmware-iwlwifi"]
options = "console=ttyS0"
"""


def made(folder: Path, text: str) -> Path:
    """Write a recipe named ``test``."""
    (folder / "test").mkdir()
    (folder / "common").mkdir()
    (folder / "test" / "recipe.toml").write_text(text)
    (folder / "common" / "packages").write_text("# a comment\npodman\n\nnftables\n")
    (folder / "common" / "exclude").write_text("/usr/share/doc/*\n!/usr/share/doc/c\n")
    return folder


def test_ours_are_named():
    """`common` is no recipe."""
    assert recipe.names(OURS) == ["debian-amd64", "debian-arm64"]


@pytest.mark.parametrize("name", recipe.names(OURS))
def test_ours_can_be_read(name):
    """And each installs a kernel, Podman and Python."""
    of = recipe.read(OURS, name)
    installed = recipe.packages(of, Wishes())
    assert {"podman", "python3", f"linux-image-{of.architecture}"} <= set(installed)
    assert recipe.SSH not in installed
    assert "root=PARTLABEL=tutti-root-a" in recipe.options(of)


def test_wishes_add_packages(tmp_path):
    """SSH and firmware are there for whoever asked."""
    of = recipe.read(made(tmp_path, GOOD), "test")
    assert recipe.packages(of, Wishes()) == ("linux-image-amd64", "nftables", "podman")
    everything = recipe.packages(of, Wishes(ssh_key="ssh-ed25519 A", has_firmware=True))
    assert {"openssh-server", "firmware-iwlwifi"} <= set(everything)


def test_exclusions_keep_their_order(tmp_path):
    """For dpkg the last match counts."""
    of = recipe.read(made(tmp_path, GOOD), "test")
    assert recipe.excludes(of) == (
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/c",
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("title =", "titel =", "unknown field 'titel'"),
        ('title = "Test"', "", "title must be a text"),
        ('"bookworm"', "12", "suite must be a text"),
        ('"amd64"', '"i386"', "architecture must be one of amd64, arm64"),
        ('["firmware-iwlwifi"]', "[1]", "lists of names"),
        ("title =", "title", "cannot read the recipe"),
    ],
)
def test_a_bad_recipe_says_what_is_wrong(tmp_path, old, new, problem):
    """With its path, before an hour of building."""
    folder = made(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ImageError, match=problem):
        recipe.read(folder, "test")


def test_an_unknown_recipe_names_the_known(tmp_path):
    """And a name is no path."""
    made(tmp_path, GOOD)
    with pytest.raises(ImageError, match="it has test"):
        recipe.read(tmp_path, "../tmp")


def test_a_huge_recipe_is_refused(tmp_path):
    """Nothing is read without a limit."""
    folder = made(tmp_path, GOOD + "#" * recipe.FILE_MAX)
    with pytest.raises(ImageError, match="longer than"):
        recipe.read(folder, "test")
