"""Opened secrets, as files in memory that containers see read-only.

``<root>/<container>/<folder>`` is mounted into the container; a file in it is 0400 and
belongs to the user the container runs as. New values are written beside the old ones
and renamed over them, so a running container sees either, never half. Nothing here
reaches a disk: the root has to be a tmpfs, and where swap is on one that is never
swapped. A reboot empties it; the next plan provides again.

Refuses to open on anything but memory. Never logs, shows or returns a value.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from edge.errors import ConfigError, RuntimeFailure
from edge.model import MIB
from node import mounts, secret_mounts
from node.owner import Owner

CAPACITY = 8 * MIB
"""Bytes all secrets of a device may take; one is 96 KiB at most."""
FOLDER_MODE = 0o711  # passable for the users of containers, readable by root only
MOUNTED_MODE = 0o755  # a container may list its own secrets' names
FILE_MODE = 0o400
# No mounted folder is called so: `secret_mounts.place` puts a word before a single "_".
DIGEST_FILE = "_digest"
NEW = ".new"
OPTIONS = f"size={CAPACITY},mode=711,nosuid,nodev,noexec"
MOUNT_TIMEOUT = 10.0  # seconds; mount(8) of a tmpfs takes milliseconds
MEMORY = frozenset({"tmpfs", "ramfs"})


class Vault:
    """The folder of opened secrets; `open` it before anything else."""

    def __init__(self, root: Path) -> None:
        """Remember where; touch nothing."""
        self.root = root

    def open(self) -> str:
        """Make sure the root is memory; return what is weak about it, "" for nothing.

        Mounts a tmpfs where none is, or where one could be swapped to disk. Raises
        `ConfigError` when secrets would reach a disk for certain.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not self._is_memory() or (_has_swap() and not self._is_unswappable()):
                _mount(self.root)
            self.root.chmod(FOLDER_MODE)
        except OSError as error:
            problem = f"cannot prepare {self.root} for secrets: {error.strerror}"
            raise ConfigError(problem) from error
        self._check()
        if _has_swap() and not self._is_unswappable():
            return (
                f"secrets in {self.root} may be swapped to disk: turn swap off, or "
                "mount a tmpfs there with the option noswap (Linux 6.4)"
            )
        return ""

    def provided(self) -> dict[str, str]:
        """Return container → digest of what is in its files; "" for none yet."""
        try:
            folders = [each for each in self.root.iterdir() if each.is_dir()]
        except OSError as error:
            raise self._failure("read", error) from error
        return {each.name: _digest_in(each) for each in folders}

    def prepare(self, container: str, targets: Iterable[str]) -> None:
        """Make the folders that a container with secrets at ``targets`` mounts."""
        mounted = secret_mounts.folders(targets)
        try:
            for folder in mounted:
                place = secret_mounts.place(str(self.root), container, folder)
                self._make(Path(place))
        except OSError as error:
            raise self._failure("prepare", error) from error

    def fill(
        self, container: str, files: Mapping[str, bytes], owner: Owner, digest: str
    ) -> None:
        """Make exactly ``files`` (path in the container → bytes) readable to ``owner``.

        Raises `ConfigError` where the root is no longer memory, `RuntimeFailure` when
        it is full.
        """
        self._check()
        self.prepare(container, files)
        places = secret_mounts.file_places(str(self.root), container, files)
        wanted = {Path(places[target]): content for target, content in files.items()}
        try:
            self._check_size(container, sum(map(len, wanted.values())))
            # The old digest must not outlive the first new byte.
            self._digest(container).unlink(missing_ok=True)
            for path, content in wanted.items():
                self._make(path.parent)
                _write(path, content, owner)
            self._drop_others(container, set(wanted))
            _write(self._digest(container), digest.encode(), Owner())
        except OSError as error:
            raise self._failure("provide", error) from error

    def wipe(self, container: str) -> None:
        """Remove what a container was given; one that was given nothing is fine."""
        try:
            shutil.rmtree(self.root / container)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failure("wipe", error) from error

    def _make(self, folder: Path) -> None:
        """Make a folder below the root, passable whatever the umask says."""
        if folder == self.root or folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(FOLDER_MODE if folder.parent == self.root else MOUNTED_MODE)

    def _digest(self, container: str) -> Path:
        return self.root / container / DIGEST_FILE

    def _drop_others(self, container: str, wanted: set[Path]) -> None:
        for folder, _, names in os.walk(self.root / container):
            for name in names:
                path = Path(folder, name)
                if path not in wanted:
                    path.unlink(missing_ok=True)

    def _check_size(self, container: str, size: int) -> None:
        used = sum(
            path.lstat().st_size
            for path in self.root.rglob("*")
            if path.is_file() and self.root / container not in path.parents
        )
        if used + size > CAPACITY:
            problem = f"cannot provide secrets to {container}: all together are larger "
            raise RuntimeFailure(problem + f"than {CAPACITY} bytes")

    def _mount(self) -> mounts.Mount | None:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        return mounts.mount_of(text, str(self.root.resolve()))

    def _is_memory(self) -> bool:
        mount = self._mount()
        return mount is not None and mount.kind in MEMORY

    def _is_unswappable(self) -> bool:
        mount = self._mount()
        if mount is None:
            return False
        return mount.kind == "ramfs" or "noswap" in mount.options

    def _check(self) -> None:
        if not self._is_memory():
            problem = f"cannot keep secrets in {self.root}: it is not in memory; "
            raise ConfigError(
                problem + "mount a tmpfs there, or choose a folder on one"
            )

    def _failure(self, verb: str, error: OSError) -> RuntimeFailure:
        problem = f"cannot {verb} secrets in {self.root}: {error.strerror}"
        return RuntimeFailure(problem)


def _digest_in(folder: Path) -> str:
    try:
        return (folder / DIGEST_FILE).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _write(path: Path, content: bytes, owner: Owner) -> None:
    """Replace ``path``; its content appears under its name whole, and owned."""
    new = path.with_name(f".{path.name}{NEW}")
    new.unlink(missing_ok=True)  # of a run that was killed here
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchown(file.fileno(), owner.uid, owner.gid)
    new.replace(path)


def _has_swap() -> bool:
    """Return whether this device swaps to anything but compressed memory."""
    try:
        lines = Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return False
    return any(line and "/zram" not in line.split()[0] for line in lines)


def _mount(root: Path) -> None:
    """Mount a tmpfs; where that is not allowed, `Vault` judges what is there."""
    for options in (f"{OPTIONS},noswap", OPTIONS):  # noswap: Linux 6.4
        words = ["mount", "-t", "tmpfs", "-o", options, "tutti-secrets", str(root)]
        with suppress(FileNotFoundError, subprocess.TimeoutExpired):
            done = subprocess.run(
                words, check=False, capture_output=True, timeout=MOUNT_TIMEOUT
            )
            if done.returncode == 0:
                return
