"""From a recipe to an image file, and what lies beside it."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edge import files
from edge.errors import ImageError
from edge.image import emulation, packing, stage
from edge.image.assemble import Report, assemble
from edge.image.card import Card
from edge.image.parts import Parts, Wishes
from edge.image.recipe import Recipe

STAGED, ASSEMBLED = 0.85, 0.9
"""Which part of the whole work is done when the parts are, and the raw image."""
WORK = "/var/tmp"  # noqa: S108 - a folder of random name is made in it
"""Where work is done unless TMPDIR says otherwise: too much of it for a tmpfs."""
PACKAGES, BILL, CHECKSUM = ".packages", ".spdx.json", ".sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What there is now."""

    image: Path
    bytes: int
    sha256: str
    beside: tuple[Path, ...]


def build(
    of: Recipe, wishes: Wishes, card: Card, output: Path, report: Report
) -> Built:
    """Write an image to ``output``, packed when its name ends in ``.zst``.

    Raises:
        ImageError: a program is missing or failed; nothing is left of the work.
    """
    check(output)
    emulation.check(of.architecture)
    with workshop() as folder:
        (folder / "stage").mkdir()
        parts = stage.stage(of, wishes, folder / "stage", between(report, 0.0, STAGED))
        return finish(parts, card, output, between(report, STAGED, 1.0))


def check(output: Path) -> None:
    """Fail before minutes of work rather than after them.

    Raises:
        ImageError: the file cannot be written.
    """
    if output.is_dir() or not output.parent.is_dir():
        raise ImageError(f"cannot write {output}: name a file in a folder that exists")
    if not os.access(output.parent, os.W_OK):
        raise ImageError(f"cannot write {output}: its folder is not ours to write")


def finish(parts: Parts, card: Card, output: Path, report: Report) -> Built:
    """Write the image of finished parts to ``output``, and lists beside it."""
    with workshop() as folder, packing.replacing(output) as part:
        if output.suffix == packing.SUFFIX:
            raw = folder / "raw.img"
            assemble(parts, card, raw, between(report, 0.0, 0.3))
            packing.pack(raw, part, between(report, 0.3, 1.0))
        else:
            assemble(parts, card, part, report)
    lists = {PACKAGES: parts.packages, BILL: parts.bill}
    for suffix, source in lists.items():
        with packing.replacing(beside(output, suffix), packing.READABLE) as part:
            shutil.copyfile(source, part)
    digest = write_checksum(output)
    return Built(
        image=output,
        bytes=output.stat().st_size,
        sha256=digest,
        beside=tuple(beside(output, each) for each in (*lists, CHECKSUM)),
    )


def write_checksum(image: Path) -> str:
    """Write ``IMAGE.sha256``, as sha256sum reads it; return the sum."""
    with image.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    text = f"{digest}  {image.name}\n"
    files.write(beside(image, CHECKSUM), text.encode(), mode=packing.READABLE)
    return digest


def beside(image: Path, suffix: str) -> Path:
    """Return the name of a file that belongs to an image."""
    return image.with_name(image.name + suffix)


@contextmanager
def workshop() -> Iterator[Path]:
    """Give a folder that is gone afterwards, also after a failure or Ctrl-C."""
    place = os.environ.get("TMPDIR", WORK)
    try:
        made = TemporaryDirectory(
            prefix="tutti-image-", dir=place, ignore_cleanup_errors=True
        )
    except OSError as error:
        problem = f"{error.strerror}; TMPDIR names another place"
        raise ImageError(f"cannot work in {place}: {problem}") from error
    with made as folder:
        try:
            yield Path(folder)
        except OSError as error:  # a full disk, a folder of the recipe that is missing
            raise ImageError(f"cannot go on in {place}: {error}") from error


def between(report: Report, first: float, last: float) -> Report:
    """Return a report for a step that is from ``first`` to ``last`` of the whole."""

    def of_step(what: str, share: float) -> None:
        report(what, first + share * (last - first))

    return of_step
