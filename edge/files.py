"""Write a file so that a power cut leaves the old content or the new, never half.

Temporary file in the same folder, fsync, rename, fsync of the folder: measured on a
real ext4 image, a rename without fsync comes back as an empty file. A folder that had
to be made is fsynced into the one above it, or the file would be lost together with it.
What a power cut leaves of a temporary file is removed by `sweep`.
"""

import os
from pathlib import Path

from edge.errors import StoreError

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
RANDOM_BYTES = 6  # two writers of one file at once do not meet
TEMPORARY = ".part"
"""How temporary files end; nothing else may be called so."""


def write(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Replace ``path`` with ``content`` durably; raise `StoreError` if it cannot be."""
    try:
        make_folder(path.parent)
        _replace(path, content, mode)
    except OSError as error:
        problem = f"cannot write {path}: {error.strerror}; free space, then try again"
        raise StoreError(problem) from error


def read(path: Path, *, at_most: int) -> bytes | None:
    """Return the content, None where there is none; refuse more than ``at_most``."""
    try:
        with path.open("rb") as file:
            content = file.read(at_most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > at_most:
        raise StoreError(f"cannot read {path}: larger than {at_most} bytes")
    return content


def remove(path: Path) -> None:
    """Remove ``path`` durably; a file that is not there is fine."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot remove {path}: {error.strerror}") from error


def sweep(folder: Path) -> None:
    """Remove what interrupted writes left in ``folder``; call it before writing there.

    Raises `StoreError`. A folder that is not there is fine.
    """
    try:
        for path in folder.glob(f".*{TEMPORARY}"):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot clean {folder}: {error.strerror}") from error


def make_folder(folder: Path, *, mode: int = PRIVATE_FOLDER) -> None:
    """Make ``folder`` and those above it durably; one that is there stays as it is."""
    if folder.is_dir():
        return
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or removal inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes, mode: int) -> None:
    # Not `tempfile`: importing it costs 10 ms and a megabyte.
    random = os.urandom(RANDOM_BYTES).hex()
    temporary = path.with_name(f".{path.name}.{random}{TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
