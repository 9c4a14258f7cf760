"""`edgectl image flash` and `configure` by the words a person types, on a real disk.

The disk is a loop device: the kernel treats it as one, mounts and all.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import joinfile
from edge.image import disk, gpt, packing, tools
from tests.support import images
from tests.support.labs import python_environment

GIB = 1024**3


def attached(path: Path, size: int) -> str:
    """Make a file a block device; the caller detaches it."""
    with path.open("xb") as file:
        file.truncate(size)
    return tools.call("losetup", "--find", "--show", path).decode().strip()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """An empty disk of 2 GiB."""
    name = attached(tmp_path / "disk", 2 * GIB)
    yield name
    tools.call("losetup", "--detach", name)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A small image, packed."""
    raw, _ = images.image(tmp_path, images.join_text(closes_at=4e9))
    packed = tmp_path / "shop.img.zst"
    packing.pack(raw, packed, images.silent)
    return packed


def edgectl(
    folder: Path, *words: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run edgectl with its work in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "edge.ctl.main", "image", *words],
        env={**python_environment(), "TMPDIR": str(folder)},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_image_gets_on_a_disk_after_two_questions(
    tmp_path: Path, device: str, image: Path
) -> None:
    """What the kernel reads from it is the image, byte by byte."""
    done = edgectl(tmp_path, "flash", str(image), device, given=f"y\n{device}\n")
    assert done.returncode == 0, done.stderr
    raw = (tmp_path / "made.img").read_bytes()
    with Path(device).open("rb") as file:
        assert file.read(len(raw)) == raw
    found = gpt.parse(tools.call("sfdisk", "--json", device))
    assert [each.name for each in found.partitions][1] == "TUTTI"
    again = edgectl(tmp_path, "flash", str(image), device, given="n\n")
    assert again.returncode == 130
    assert "TUTTI" in again.stderr


def test_another_name_at_the_second_question_ends_it(
    tmp_path: Path, device: str, image: Path
) -> None:
    """The disk is as it was."""
    done = edgectl(tmp_path, "flash", str(image), device, given="y\n/dev/sda\n")
    assert done.returncode == 1
    assert f"/dev/sda is not {device}" in done.stderr
    with Path(device).open("rb") as file:
        assert file.read(GIB // 1024) == bytes(GIB // 1024)


def test_a_script_names_the_device_twice(
    tmp_path: Path, device: str, image: Path
) -> None:
    """A variable that is empty, or of yesterday, erases nothing."""
    words = ("flash", str(image), device, "--yes-erase")
    assert edgectl(tmp_path, *words, "/dev/sda").returncode == 2
    done = edgectl(tmp_path, *words, device)
    assert done.returncode == 0, done.stderr


def test_a_mounted_disk_is_refused(tmp_path: Path, device: str, image: Path) -> None:
    """By what lsblk says, before anything is asked."""
    tools.call("mkfs.ext4", "-q", device)
    place = tmp_path / "mnt"
    place.mkdir()
    tools.call("mount", device, place)
    try:
        done = edgectl(tmp_path, "flash", str(image), device, "--yes-erase", device)
    finally:
        tools.call("umount", place)
    assert done.returncode == 1
    shown = edgectl(tmp_path, "flash", str(image), device, given="n\n")
    assert "holds ext4" in shown.stderr
    assert f"it is in use; unmount {place} first" in done.stderr


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path, image: Path) -> None:
    """The image would fit, but not what the device writes."""
    small = attached(tmp_path / "small", GIB)
    try:
        done = edgectl(tmp_path, "flash", str(image), small, "--yes-erase", small)
    finally:
        tools.call("losetup", "--detach", small)
    assert done.returncode == 1
    assert "it is too small" in done.stderr


def test_a_join_file_is_put_on_a_packed_image(tmp_path: Path, image: Path) -> None:
    """And the checksum beside it is that of the new file."""
    other = tmp_path / "other.toml"
    other.write_text(images.join_text("other", closes_at=4e9))
    image.with_name("shop.img.zst.sha256").write_text("of yesterday")
    words = ("--join", str(other), "--hub", "10.0.0.7")
    done = edgectl(tmp_path, "configure", str(image), *words)
    assert done.returncode == 1
    assert "write https://host:port" in done.stderr
    words = ("--join", str(other), "--hub", "https://10.0.0.7")
    done = edgectl(tmp_path, "configure", str(image), *words)
    assert done.returncode == 0, done.stderr
    assert "for 20 devices at store-7 until" in done.stderr
    subprocess.run(
        ["sha256sum", "--check", f"{image.name}.sha256"], cwd=tmp_path, check=True
    )
    raw = tmp_path / "again.img"
    packing.unpack(image, raw, images.silent)
    join = joinfile.parse(disk.read_card(raw, disk.read_table(raw)).join)
    assert join.fleet == "other"
    assert join.hubs == ("https://10.0.0.7:8443",)


def test_configure_wants_to_know_what(tmp_path: Path, image: Path) -> None:
    """Nothing named is a slip."""
    assert edgectl(tmp_path, "configure", str(image)).returncode == 2
