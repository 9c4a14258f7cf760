"""An image and its lists appear together; the work before leaves nothing."""

import subprocess
from pathlib import Path

import pytest

from edge.errors import ImageError
from edge.image import build, packing
from edge.image.card import Card
from edge.image.parts import Wishes
from edge.image.recipe import Recipe
from tests.support import images


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The place for temporary files, to see what is left in it."""
    made = tmp_path / "tmp"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    return made


def listed(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(each.name for each in folder.iterdir())


def finish(tmp_path: Path, name: str) -> build.Built:
    """Make an image of small parts."""
    (tmp_path / "out").mkdir(exist_ok=True)
    parts = images.parts(tmp_path / "parts")
    card = Card(join=images.join_text())
    return build.finish(parts, card, tmp_path / "out" / name, images.silent)


@pytest.mark.parametrize("name", ["shop.img", "shop.img.zst"])
def test_the_name_says_whether_it_is_packed(tmp_path, work, name):
    """And lists, SBOM and checksum lie beside it."""
    built = finish(tmp_path, name)
    assert packing.is_packed(built.image) == name.endswith(".zst")
    found = {each.name: each.stat().st_mode & 0o777 for each in built.beside}
    assert found == {
        f"{name}.packages": 0o644,
        f"{name}.spdx.json": 0o644,
        f"{name}.sha256": 0o644,
    }
    assert len(listed(tmp_path / "out")) == 4
    assert listed(work) == []
    assert built.image.stat().st_mode & 0o777 == 0o600


def test_the_checksum_is_one_that_sha256sum_reads(tmp_path, work):
    """Whoever downloads it checks it without our tools."""
    built = finish(tmp_path, "shop.img.zst")
    command = ["sha256sum", "--check", f"{built.image.name}.sha256"]
    subprocess.run(command, cwd=built.image.parent, check=True)
    assert built.sha256 in (tmp_path / "out/shop.img.zst.sha256").read_text()


def test_two_builds_of_the_same_parts_are_the_same_file(tmp_path, work):
    """Packed as well."""
    first = finish(tmp_path, "one.img.zst")
    assert finish(tmp_path, "two.img.zst").sha256 == first.sha256


def test_a_failure_leaves_nothing(tmp_path, work):
    """Neither in the work folder nor beside the image that was."""
    (tmp_path / "out").mkdir()
    output = tmp_path / "out/shop.img.zst"
    output.write_text("of yesterday")
    parts = images.parts(tmp_path / "parts")
    parts.initrd.unlink()
    with pytest.raises(ImageError):
        build.finish(parts, Card(), output, images.silent)
    assert listed(tmp_path / "out") == ["shop.img.zst"]
    assert output.read_text() == "of yesterday"
    assert listed(work) == []


def test_a_build_that_fails_leaves_nothing(tmp_path, work):
    """Here for want of a recipe's files."""
    nowhere = Recipe(
        name="x",
        common=tmp_path / "common",
        title="x",
        suite="x",
        architecture="amd64",
        packages=(),
        firmware=(),
        options="",
    )
    with pytest.raises(ImageError):
        build.build(nowhere, Wishes(), Card(), tmp_path / "x.img", images.silent)
    assert listed(work) == []


def test_a_file_that_cannot_be_written_is_noticed_first(tmp_path):
    """Not after four minutes."""
    with pytest.raises(ImageError, match="name a file in a folder that exists"):
        build.check(tmp_path / "nowhere" / "x.img")
    with pytest.raises(ImageError, match="name a file"):
        build.check(tmp_path)


def test_the_progress_of_a_step_is_a_part_of_the_whole():
    """One bar from the first package to the last byte."""
    seen = []
    report = build.between(lambda what, share: seen.append((what, share)), 0.5, 1.0)
    report("x", 0.0)
    report("x", 0.5)
    assert seen == [("x", 0.5), ("x", 0.75)]
