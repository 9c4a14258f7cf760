"""From a recipe to the parts of an image: installs Debian, and takes it apart.

mmdebstrap installs the packages into a tar, with our files copied in and our hooks run;
tar2sqfs makes the root file system of it. Root's powers are not needed where
the machine lets users have namespaces.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from edge.image import bill, payload, recipe, tools
from edge.image.parts import Parts, Wishes
from edge.image.recipe import Recipe

Report = Callable[[str, float], None]
"""Told what is being done, and which part of all of it is done: 0 to 1."""
BLOCK = "262144"
"""Bytes of a squashfs block: larger ones save 2 % and cost memory at every read."""
OUT = "tutti-out"
"""Where the last hook leaves what does not become the root: `Parts` but ``root``."""
LEVEL = "level=9"
"""zstd's: 15 saves 7 % of the root and takes six times as long."""
SQUASH = (
    "tar2sqfs",
    "--quiet",
    "--force",
    "--no-skip",
    "--compressor=zstd",
    f"--comp-extra={LEVEL}",
    f"--block-size={BLOCK}",
)
SETTING_UP, INSTALLED = 0.15, 0.75
"""Which part of the work is done when packages begin to be set up, and afterwards."""
STEP = 0.0013
"""Part of the work that a line about a package stands for: 230 are told of twice."""


def stage(of: Recipe, wishes: Wishes, folder: Path, report: Report) -> Parts:
    """Return the parts of an image; they are files in ``folder``, which is empty.

    Raises:
        ImageError: a program is missing or failed; says which, with its last words.
    """
    report("building edge-node", 0.0)
    payload.make(of, wishes, folder / "payload")
    _install(of, wishes, folder, report)
    return _parts(of, folder, report)


def _install(of: Recipe, wishes: Wishes, folder: Path, report: Report) -> None:
    done = SETTING_UP

    def heard(line: str) -> None:
        nonlocal done
        if line.startswith(("Setting up ", "Unpacking ")):
            done = min(done + STEP, INSTALLED)
            report(line.partition(" (")[0].lower(), done)

    report("fetching packages", SETTING_UP / 2)
    # The initrd is made once, by our hook: the kernel's package would make it when
    # half of what goes into it is there, and then again.
    epoch = str(payload.epoch_of(of.common))
    extra = {"SOURCE_DATE_EPOCH": epoch, "INITRD": "No"}
    tools.follow(*command(of, wishes, folder), heard=heard, extra=extra)


def command(of: Recipe, wishes: Wishes, folder: Path) -> list[str]:
    """Return the command that writes ``folder``/root.tar, and boot files to ``out``."""
    hooks = of.common / "hooks"
    components = "main,non-free-firmware" if wishes.has_firmware else "main"
    return [
        "mmdebstrap",
        "--verbose",
        "--variant=essential",
        # Our hook cleans more thoroughly, and theirs stumbles over what it removed.
        "--skip=cleanup",
        f"--architectures={of.architecture}",
        f"--components={components}",
        f"--include={','.join(recipe.packages(of, wishes))}",
        *(f"--dpkgopt={each}" for each in recipe.excludes(of)),
        f'--essential-hook={hooks / "essential"} "$1"',
        f"--customize-hook=sync-in {folder / 'payload'} /",
        f'--customize-hook={hooks / "customize"} "$1"',
        f"--customize-hook=copy-out /{OUT} {folder}",
        f'--customize-hook=rm -rf "$1"/{OUT}',
        of.suite,
        str(folder / "root.tar"),
    ]


def _parts(of: Recipe, folder: Path, report: Report) -> Parts:
    report("compressing the root file system", INSTALLED)
    root, out, epoch = (
        folder / "root.squashfs",
        folder / OUT,
        payload.epoch_of(of.common),
    )
    tar = folder / "root.tar"
    tools.call(*SQUASH, root, data=tar, extra={"SOURCE_DATE_EPOCH": str(epoch)})
    tar.unlink()
    report("writing the bill of materials", 1.0)
    digest = _digest(root)
    entries = [
        *bill.debian((out / "packages").read_text()),
        *bill.python((of.common / "requirements.lock").read_text()),
    ]
    listed, spdx = folder / "packages", folder / "spdx.json"
    listed.write_text(bill.pinned(entries))
    spdx.write_text(bill.write(of.title, digest, entries, epoch))
    return Parts(
        architecture=of.architecture,
        title=of.title,
        root=root,
        kernel=out / "vmlinuz",
        initrd=out / "initrd.img",
        loader=out / "loader.efi",
        options=recipe.options(of),
        packages=listed,
        bill=spdx,
        extra=extras(out / "esp"),
        epoch=epoch,
    )


def extras(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Return what a board's ROM reads from the ESP, by its path there."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(path.relative_to(folder)), path) for path in found)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
