"""What is copied into an image over Debian: settings, units, Python, wishes.

Everything in it has the same modes and times whoever builds, and whenever.
"""

import os
import shutil
from pathlib import Path

from edge.errors import ImageError
from edge.image import tools, wheels
from edge.image.parts import Wishes
from edge.image.recipe import Recipe

FALLBACK_EPOCH = 1_735_689_600
"""2025-01-01: for a source without history, so that it builds the same twice."""
UNITS = "usr/lib/systemd/system"


def make(of: Recipe, wishes: Wishes, folder: Path) -> None:
    """Make the payload in ``folder``, which does not exist yet.

    Raises:
        ImageError: our wheel cannot be built, or others' are missing for the target.
    """
    source = of.common.parent.parent
    shutil.copytree(of.common / "tree", folder, symlinks=True)
    shutil.copytree(source / "node" / "systemd", folder / UNITS, dirs_exist_ok=True)
    lock = of.common / "requirements.lock"
    wheels.install(source, lock, of.architecture, folder)
    fulfil(folder, wishes)
    level(folder, epoch_of(of.common))


def epoch_of(common: Path) -> int:
    """Return SOURCE_DATE_EPOCH: as set, else the newest commit's time."""
    if given := os.environ.get("SOURCE_DATE_EPOCH", ""):
        return int(given)
    try:
        shown = tools.call("git", "-C", common, "log", "-1", "--format=%ct")
        return int(shown)
    except (ImageError, ValueError):
        return FALLBACK_EPOCH


def fulfil(payload: Path, wishes: Wishes) -> None:
    """Put in what the operator asked for; leave out what only others need."""
    if not wishes.ssh_key:
        shutil.rmtree(payload / "etc" / "ssh")
        (payload / UNITS / "tutti-ssh-keys.service").unlink()
        return
    keys = payload / "etc" / "tutti" / "authorized_keys"
    keys.parent.mkdir(exist_ok=True)
    keys.write_text(f"{wishes.ssh_key.strip()}\n")


def level(payload: Path, epoch: int) -> None:
    """Give files the same modes and times whoever builds, and whenever."""
    for path in (payload, *sorted(payload.rglob("*"))):
        if not path.is_symlink():
            is_open = path.is_dir() or bool(path.stat().st_mode & 0o100)
            path.chmod(0o755 if is_open else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
