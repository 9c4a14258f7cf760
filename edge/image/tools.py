"""Run the programs that images are made with, and turn failures into `ImageError`."""

import os
import shlex
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from edge.errors import ImageError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Which Debian package brings each program.
PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "tar2sqfs": "squashfs-tools-ng",
    "unsquashfs": "squashfs-tools",
    "mkfs.vfat": "dosfstools",
    "fsck.vfat": "dosfstools",
    "mcopy": "mtools",
    "mdel": "mtools",
    "mdir": "mtools",
    "mmd": "mtools",
    "mtype": "mtools",
    "sfdisk": "fdisk",
    "zstd": "zstd",
    "tar": "tar",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-system-aarch64": "qemu-system-arm",
}
# The last lines of what a program said; the first ones are how it began.
SAID_MAX = 2000
LAST_LINES = 12
SHOWN_MAX = 80


def find(name: str) -> str:
    """Return the full path of a program.

    Raises:
        ImageError: it is not installed; says which package brings it.
    """
    found = shutil.which(name, path=PATH)
    if found is None:
        package = PACKAGES.get(name, name)
        raise ImageError(
            f"cannot find the program {name}: install the Debian package {package}"
        )
    return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what programs see: nothing of the person who builds, no local time."""
    return {
        "PATH": PATH,
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        **({"TMPDIR": os.environ["TMPDIR"]} if "TMPDIR" in os.environ else {}),
        **(extra or {}),
    }


def call(
    *argv: str | Path,
    data: bytes | Path = b"",
    extra: Mapping[str, str] | None = None,
    within: float = 600.0,
) -> bytes:
    """Return what the program prints.

    ``data`` is what it reads, or the file it reads; ``extra`` are variables.

    Raises:
        ImageError: missing, failed, or not ready ``within`` seconds; ends with the
            last lines of what it said.
    """
    command = [find(str(argv[0])), *map(str, argv[1:])]
    try:
        with _readable(data) as stdin:
            done = subprocess.run(
                command,
                stdin=stdin,
                capture_output=True,
                env=environment(extra),
                timeout=within,
                check=True,
            )
    except subprocess.CalledProcessError as error:
        said = (
            _words(error.stderr.decode(errors="replace"))
            or f"exit code {error.returncode}"
        )
        raise ImageError(f"cannot run {shown(argv)}: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"cannot run {shown(argv)}: {error}") from error
    return done.stdout


@contextmanager
def _readable(data: bytes | Path) -> Iterator[IO[bytes]]:
    """Open what a program is to read; a file on disk, as a pipe may fill up."""
    if isinstance(data, Path):
        with data.open("rb") as file:
            yield file
    else:
        with TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            yield file


def follow(
    *argv: str | Path, heard: Callable[[str], None], extra: Mapping[str, str]
) -> None:
    """Run a long program; ``heard`` gets each line it says, as it says it.

    Raises:
        ImageError: as `call` does, with the last lines. Whatever ends us ends it too.
    """
    command = [find(str(argv[0])), *map(str, argv[1:])]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(extra),
    ) as process:
        try:
            for line in process.stdout or ():
                last.append(line)
                heard(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        said = _words("".join(last)) or f"exit code {process.returncode}"
        raise ImageError(f"cannot run {shown(argv)}: {said}")


def shown(argv: tuple[str | Path, ...]) -> str:
    """Return a command as a person would type it, shortened."""
    text = shlex.join(map(str, argv))
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _words(said: str) -> str:
    """Return lines as one: an error of ours is one."""
    lines = (" ".join(line.split()) for line in said.splitlines())
    return "; ".join(filter(None, lines))[-SAID_MAX:]
