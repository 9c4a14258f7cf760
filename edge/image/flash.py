"""Write an image to a disk, and read it back.

The partition table goes last: a disk on which writing ended early has none, and boots
nothing.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from edge.errors import ImageError
from edge.image import gpt, target, tools
from edge.image.assemble import Report
from edge.image.build import between
from edge.image.gpt import FIRST, TAIL
from edge.image.target import Target

CHUNK = 4 * 1024 * 1024
SYNC_EVERY = 16
"""Chunks between two waits for the disk: a progress must not run ahead of it."""
READ_AGAIN, FORGET = 0x125F, 0x1261
"""BLKRRPART and BLKFLSBUF of linux/fs.h: read the table, drop what is in memory."""
WRITTEN = 0.7
"""Which part of the work is done when everything is written, before it is read."""


def look(device: Path) -> Target:
    """Return what a device is and holds.

    Raises:
        ImageError: there is none, or it is no block device.
    """
    try:
        mode = device.stat().st_mode
    except OSError as error:
        raise ImageError(f"cannot use {device}: {error.strerror}") from error
    if not stat.S_ISBLK(mode):
        raise ImageError(f"cannot write an image to {device}: it is no block device")
    shown = ("--json", "--bytes", "--paths", "--output", target.COLUMNS)
    found = target.parse(tools.call("lsblk", *shown, device.resolve()))
    return found if found.holds else replace(found, holds=_probed(device))


def _probed(device: Path) -> tuple[str, ...]:
    """Look for ourselves: lsblk knows only what udev told it."""
    try:
        table = gpt.parse(tools.call("sfdisk", "--json", device))
        return tuple(each.name or each.kind for each in table.partitions)
    except ImageError:
        pass
    try:
        only = ("-s", "TYPE", "-s", "PTTYPE", "-s", "LABEL")
        said = tools.call("blkid", "--probe", "-o", "value", *only, device)
    except ImageError:
        return ()
    return (" ".join(said.decode(errors="replace").split()),)


def flash(raw: Path, device: Path, report: Report) -> str:
    """Write a raw image to a disk, wait for it, read it back; return its sha256.

    Raises:
        ImageError: the disk is in use, does not take it, or returns something else.
    """
    try:
        with _open(device) as disk, raw.open("rb") as image:
            written = _write(image, disk, between(report, 0.0, WRITTEN))
            read = _read(disk, raw.stat().st_size, between(report, WRITTEN, 1.0))
            _tell(disk, READ_AGAIN)
    except OSError as error:
        problem = f"cannot write to {device}: {error.strerror}"
        raise ImageError(f"{problem}; what is on it is not whole") from error
    if read != written:
        problem = "it does not return what was written; throw it away"
        raise ImageError(f"cannot trust {device}: {problem}")
    return written


@contextmanager
def _open(device: Path) -> Iterator[int]:
    """Open a disk for us alone: the kernel refuses while anyone has it mounted."""
    try:
        disk = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        in_use = "it is in use: something of it is mounted, or part of a volume"
        reason = in_use if error.errno == errno.EBUSY else error.strerror
        raise ImageError(f"cannot write to {device}: {reason}") from error
    try:
        yield disk
    finally:
        os.close(disk)


def _write(image: IO[bytes], disk: int, report: Report) -> str:
    size = os.fstat(image.fileno()).st_size
    end = os.lseek(disk, 0, os.SEEK_END)
    # The old table, and its second copy, which would be taken when ours is damaged.
    os.pwrite(disk, bytes(FIRST), 0)
    if end >= size + TAIL:
        os.pwrite(disk, bytes(TAIL), end - TAIL)
    os.fsync(disk)
    head = image.read(FIRST)
    digest, place, count = hashlib.sha256(head), len(head), 0
    while chunk := image.read(CHUNK):
        digest.update(chunk)
        _put(disk, chunk, place)
        place, count = place + len(chunk), count + 1
        if count % SYNC_EVERY == 0:
            os.fdatasync(disk)
        report("writing", place / size)
    os.fsync(disk)
    _put(disk, head, 0)
    os.fsync(disk)
    return digest.hexdigest()


def _put(disk: int, chunk: bytes, place: int) -> None:
    done = 0
    while done < len(chunk):
        done += os.pwrite(disk, chunk[done:], place + done)


def _read(disk: int, size: int, report: Report) -> str:
    """Return the sha256 of what the disk, and not our memory, holds."""
    _tell(disk, FORGET)
    os.posix_fadvise(disk, 0, 0, os.POSIX_FADV_DONTNEED)
    digest, place = hashlib.sha256(), 0
    while place < size and (chunk := os.pread(disk, min(CHUNK, size - place), place)):
        digest.update(chunk)
        place += len(chunk)
        report("reading back", place / size)
    return digest.hexdigest()


def _tell(disk: int, request: int) -> None:
    """Ask the kernel a favour; a file has no partitions and nothing to forget."""
    try:
        fcntl.ioctl(disk, request)
    except OSError:
        return
