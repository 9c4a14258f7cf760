"""Pack and unpack images with zstd, saying how far it is; files appear whole or not.

A raw image is sparse, and unpacking keeps it so.
"""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge import files
from edge.errors import ImageError
from edge.image import tools
from edge.image.assemble import Report

SUFFIX = ".zst"
LEVEL = "-9"
"""The highest that packs a gigabyte in seconds; 19 saves another 4 % in minutes."""
LOOK_EVERY = 0.1
"""Seconds between two looks at how far zstd has read."""
MAGIC = b"\x28\xb5\x2f\xfd"
"""How a file begins that zstd has packed."""
RANDOM_BYTES = 6
READABLE = 0o644
PRIVATE = 0o600


def is_packed(path: Path) -> bool:
    """Return whether zstd has packed a file, whatever it is called.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error


def pack(image: Path, packed: Path, report: Report) -> None:
    """Write the new file ``packed``; the same bytes from the same image."""
    size = image.stat().st_size
    # One worker at least: what comes out does not depend on how many there are.
    options = (LEVEL, "-T0", "-q", f"--stream-size={size}")
    _run(("zstd", *options, "-o", str(packed)), image, "packing", report)


def unpack(packed: Path, image: Path, report: Report) -> None:
    """Write the new file ``image``.

    Raises:
        ImageError: the packed file is damaged or cut short, or the disk is full.
    """
    _run(("zstd", "-d", "-q", "-o", str(image)), packed, "unpacking", report)


@contextmanager
def replacing(target: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Give a new name in the folder of ``target``; in the end it becomes ``target``.

    What was written is on disk before it takes the place of an older file. After a
    failure, or Ctrl-C, nothing is left of it. Private at first: a join file is a key.

    Raises:
        ImageError: the folder is not there or cannot be written.
    """
    mark = secrets.token_hex(RANDOM_BYTES)
    part = target.with_name(f".{target.name}.{mark}{files.TEMPORARY}")
    try:
        yield part
        part.chmod(mode)
        _sync(part)
        part.replace(target)
        files.sync_folder(target.parent)
    except OSError as error:
        raise ImageError(f"cannot write {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _run(argv: tuple[str, ...], source: Path, what: str, report: Report) -> None:
    """Run a filter; we share its place in ``source`` and so know how far it is."""
    command = [tools.find(argv[0]), *argv[1:]]
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size or 1
        with subprocess.Popen(
            command,
            stdin=file,
            stderr=subprocess.PIPE,
            env=tools.environment(),
            umask=0o077,
        ) as process:
            try:
                while _is_running(process):
                    place = os.lseek(file.fileno(), 0, os.SEEK_CUR)
                    report(what, min(place / size, 1.0))
            except BaseException:
                process.kill()
                raise
            said = process.stderr.read() if process.stderr else b""
    if process.returncode:
        reason = said.decode(errors="replace").strip() or f"code {process.returncode}"
        raise ImageError(f"cannot go on {what} {source}: {reason}")
    report(what, 1.0)


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return True
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
