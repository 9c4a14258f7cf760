"""`edgectl image flash`: write an image to a card or a disk, after asking twice."""

from pathlib import Path

import click

from edge.ctl import bar, terminal
from edge.ctl.exits import Ended, Exit
from edge.errors import ImageError
from edge.image import disk, flash, packing, target
from edge.image.build import between, workshop
from edge.image.target import Target

PATH = click.Path(path_type=Path)
UNPACKED = 0.15
"""Which part of the work is done when a packed image is unpacked."""


@click.command("flash")
@click.argument("file", metavar="IMAGE", type=PATH)
@click.argument("device", type=PATH)
@click.option("--yes-erase", metavar="DEVICE", help="Do not ask; DEVICE once more.")
def flash_image(file: Path, device: Path, *, yes_erase: str | None) -> None:
    """Write IMAGE to DEVICE, such as /dev/sdb; everything on it is lost."""
    if not file.is_file():
        raise ImageError(f"cannot read {file}: there is no such file")
    found = flash.look(device)
    # Before anything is asked or unpacked: most refusals do not depend on the image.
    _check(found, 0)
    _agree(found, device, yes_erase)
    with workshop() as folder, bar.shown("flashing") as report:
        raw = file
        if packing.is_packed(file):
            raw = folder / "raw.img"
            packing.unpack(file, raw, between(report, 0.0, UNPACKED))
        disk.read_table(raw)
        _check(found, raw.stat().st_size)
        flash.flash(raw, device, between(report, UNPACKED, 1.0))
    terminal.tell(f"{found.path} holds {file.name} and gave it back; take it out")


def _check(found: Target, size: int) -> None:
    if reason := target.refusal(found, size):
        raise ImageError(f"cannot write an image to {found.title}: {reason}")


def _agree(found: Target, device: Path, yes_erase: str | None) -> None:
    """Ask twice, the second time for the name; a script says the name at once."""
    terminal.tell(found.title)
    for line in found.holds or ("nothing that we know",):
        terminal.tell(f"  holds {line}")
    if yes_erase is not None:
        if yes_erase != str(device):
            problem = f"--yes-erase names {yes_erase}"
            raise click.UsageError(f"cannot write to {device}: {problem}")
        return
    click.confirm(f"Erase all of {found.title}?", abort=True, err=True)
    typed = click.prompt("Type the name of the device to go on", err=True)
    if typed != str(device):
        raise Ended(Exit.FAILURE, f"cannot go on: {typed} is not {device}")
