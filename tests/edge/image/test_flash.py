"""What is written is read back; a file stands for the disk here.

tests/integration/test_image_flash.py does the same with a real block device.
"""

import hashlib
from pathlib import Path

import pytest

from edge.errors import ImageError
from edge.image import flash
from tests.support import images

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path):
    """Sixty-four megabytes of somebody's data."""
    path = tmp_path / "disk"
    path.write_bytes(b"\xaa" * 64 * MIB)
    return path


@pytest.fixture
def raw(tmp_path):
    """Not quite twenty megabytes, of which each sector differs."""
    path = tmp_path / "raw"
    path.write_bytes(b"".join(n.to_bytes(512, "big") for n in range(40_001)))
    return path


def test_a_disk_holds_the_image_and_nothing_of_the_old_table(disk, raw):
    """Zeros at its end, where the second copy of the old table was."""
    seen: list[tuple[str, float]] = []
    digest = flash.flash(raw, disk, lambda *step: seen.append(step))
    size = raw.stat().st_size
    found = disk.read_bytes()
    assert found[:size] == raw.read_bytes()
    assert found[-MIB:] == bytes(MIB)
    assert len(found) == 64 * MIB
    assert digest == hashlib.sha256(raw.read_bytes()).hexdigest()
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_disk_on_which_writing_ended_has_no_table(disk, raw):
    """It boots nothing, rather than half of something."""

    def fail(what: str, share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flash.flash(raw, disk, fail)
    assert disk.read_bytes()[:MIB] == bytes(MIB)


def test_a_file_is_no_block_device(disk, tmp_path):
    """Nor is nothing."""
    with pytest.raises(ImageError, match="it is no block device"):
        flash.look(disk)
    with pytest.raises(ImageError, match="No such file"):
        flash.look(tmp_path / "nowhere")


def test_a_disk_that_takes_nothing_is_named(raw):
    """It says so itself."""
    with pytest.raises(ImageError, match="cannot write to /dev/full"):
        flash.flash(raw, Path("/dev/full"), images.silent)
