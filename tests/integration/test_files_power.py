"""`edge.files` through real power cuts and a really full disk; needs root.

A cut is a copy of the image under a mounted ext4, taken while the writer stands still:
whatever the kernel had only in memory is not in it. Mounting the copy is the boot.
"""

import filecmp
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from edge import files
from edge.errors import StoreError

IMAGE_SIZE = 8 * 1024 * 1024
CUTS = 100
LONGEST_LIFE = 0.03  # seconds between two cuts: some tens of writes
AT_MOST = 64 * 1024
# The kernel's own commits would make an unsynced write durable by luck.
OPTIONS = "loop,commit=300"

WRITER = """
import sys
from pathlib import Path
from edge import files
from tests.integration.test_files_power import content, told
path, count = Path(sys.argv[1]), Path(sys.argv[2])
number = 0
while True:
    files.write(path, content(number))
    told(count, number)
    number += 1
"""


def content(number: int) -> bytes:
    """Return the content of the n-th write: other bytes, another length each time."""
    seed = hashlib.sha256(b"%d" % number).digest()
    return b"%d " % number + seed * (1 + number % 300)


def told(count: Path, number: int) -> None:
    """Note, outside the image, which write has returned."""
    with count.open("r+b", buffering=0) as file:
        file.write(b"%12d" % number)


def run(*words: object) -> None:
    """Run a program that must succeed."""
    subprocess.run([str(each) for each in words], check=True, capture_output=True)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """Mount an image for a while."""
    at.mkdir(exist_ok=True)
    run("mount", "-o", OPTIONS, image, at)
    try:
        yield at
    finally:
        run("umount", at)


@dataclass(frozen=True)
class Machine:
    """A disk that can lose its power."""

    image: Path
    disk: Path

    def cut(self) -> Path:
        """Return the disk as it would be found after a cut right now.

        A copy takes a moment in which the kernel may still tidy its journal; half of
        before and half of after is no moment at all. Two equal copies in a row are one.
        """
        copy, again = self.image.with_suffix(".cut"), self.image.with_suffix(".again")
        shutil.copyfile(self.image, copy)
        while True:
            shutil.copyfile(self.image, again)
            if filecmp.cmp(copy, again, shallow=False):
                return copy
            copy, again = again, copy

    @contextmanager
    def booted(self) -> Iterator[Path]:
        """Cut the power and boot what is left, beside the machine that goes on."""
        with mounted(self.cut(), self.disk.with_name("after")) as disk:
            yield disk


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    """Return a machine with a fresh ext4, mounted."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(IMAGE_SIZE)
    run("mkfs.ext4", "-q", "-F", image)
    with mounted(image, tmp_path / "mounted") as disk:
        yield Machine(image=image, disk=disk)


def stand_still(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and wait until the kernel is done with its last call."""
    process.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.0005)


@contextmanager
def writing(path: Path, count: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Write versions of a file, as fast as it goes, in a process of its own."""
    count.write_bytes(b"")
    words = [sys.executable, "-c", WRITER, str(path), str(count)]
    process = subprocess.Popen(words, cwd=Path(__file__).parents[2])
    try:
        while not count.stat().st_size:
            assert process.poll() is None, "the writer failed"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_cut_anywhere_leaves_the_old_content_or_the_new(machine, tmp_path):
    """Whole, and never older than the last write that returned."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    rng = Random(seed)
    with writing(machine.disk / "file", tmp_path / "count") as process:
        for _ in range(CUTS):
            time.sleep(rng.uniform(0, LONGEST_LIFE))
            stand_still(process)
            done = int((tmp_path / "count").read_bytes())
            with machine.booted() as disk:
                found = files.read(disk / "file", at_most=AT_MOST)
            assert found in {content(done), content(done + 1)}
            process.send_signal(signal.SIGCONT)


def test_what_a_cut_leaves_behind_is_swept(machine, tmp_path):
    """The next start begins clean, with the file as it was."""
    found: list[Path] = []
    with writing(machine.disk / "file", tmp_path / "count") as process:
        while not found:
            stand_still(process)
            with machine.booted() as disk:
                found = list(disk.glob(f".*{files.TEMPORARY}"))
                files.sweep(disk)
                assert list(disk.glob(f".*{files.TEMPORARY}")) == []
                assert files.read(disk / "file", at_most=AT_MOST) is not None
            process.send_signal(signal.SIGCONT)


def test_a_file_in_new_folders_is_there_with_them(machine):
    """The first start of a device makes its folders and its keys."""
    files.write(machine.disk / "a" / "b" / "keys", b"seed")
    with machine.booted() as disk:
        assert files.read(disk / "a" / "b" / "keys", at_most=AT_MOST) == b"seed"


def test_what_was_removed_stays_removed(machine):
    """A token that was used up does not come back."""
    files.write(machine.disk / "token", b"x")
    files.remove(machine.disk / "token")
    with machine.booted() as disk:
        assert files.read(disk / "token", at_most=AT_MOST) is None


def test_the_cut_is_real(machine):
    """What is not written by `edge.files` is gone: these tests can fail."""
    (machine.disk / "file").write_bytes(b"plain")
    with machine.booted() as disk:
        assert files.read(disk / "file", at_most=AT_MOST) != b"plain"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Return a disk of 64 KiB."""
    at = tmp_path / "small"
    at.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", at)
    try:
        yield at
    finally:
        run("umount", at)


def test_a_full_disk_keeps_the_old_content(small_disk):
    """The write is refused in one sentence, and leaves nothing that fills it more."""
    path = small_disk / "file"
    files.write(path, b"old")
    with pytest.raises(StoreError, match="No space left on device; free space"):
        files.write(path, bytes(AT_MOST))
    assert files.read(path, at_most=AT_MOST) == b"old"
    assert [each.name for each in small_disk.iterdir()] == ["file"]


def test_a_full_disk_heals_when_there_is_space_again(small_disk):
    """Nothing has to be restarted."""
    path, ballast = small_disk / "file", small_disk / "ballast"
    ballast.write_bytes(bytes(60 * 1024))
    with pytest.raises(StoreError):
        files.write(path, bytes(8 * 1024))
    files.remove(ballast)
    files.write(path, bytes(8 * 1024))
    assert files.read(path, at_most=AT_MOST) == bytes(8 * 1024)
