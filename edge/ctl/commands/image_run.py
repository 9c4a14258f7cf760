"""`edgectl image run`: boot an image in QEMU, plugged in to a lab or on its own.

The machines' disks are kept in ``IMAGE.run`` beside the image, so that a second run
goes on where the first one ended; ``--fresh`` makes new devices.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from edge.ctl import bar, terminal
from edge.errors import LabError
from edge.image import disk, gpt, machine, packing
from edge.image.machine import Hardware
from edge.image.run import OFF_WITHIN, Guest
from edge.lab import guests, layout, state
from edge.lab.guests import Cable
from edge.legible import plain

MOST = 16
LOOK_EVERY = 0.2
FOLDER = ".run"
CONTROL = re.compile("\x1b\\[[0-9;=?]*[A-Za-z]")
"""What moves a cursor or colours a screen (ECMA-48): firmware and consoles do both."""
PATH = click.Path(path_type=Path)


@click.command("run")
@click.argument("file", metavar="IMAGE", type=PATH)
@click.option("--nodes", type=click.IntRange(1, MOST), default=1, help="1.")
@click.option("--lab", "lab_name", help="Plug them in to this lab (as root).")
@click.option(
    "--memory",
    type=click.IntRange(256, 65536),
    default=machine.NODE_MEMORY,
    help="MiB for each (512).",
)
@click.option("--kvm", is_flag=True, help="Use KVM, for images of this architecture.")
@click.option("--fresh", is_flag=True, help="New devices with empty disks.")
def run(  # noqa: PLR0913 - what a person may want of a machine
    file: Path,
    *,
    nodes: int,
    lab_name: str | None,
    memory: int,
    kvm: bool,
    fresh: bool,
) -> None:
    """Boot IMAGE and show the consoles; Ctrl-C presses the power buttons.

    Without a lab the devices have a network of their own, where this machine is
    10.0.2.2.
    """
    folder = file.with_name(file.name + FOLDER)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    raw = _raw(file, folder)
    architecture = gpt.architecture_of(disk.read_table(raw))
    cables = [_cable(lab_name, number) for number in range(1, nodes + 1)]
    made = [
        Guest(
            raw,
            folder / f"g{number}",
            replace(
                _hardware(architecture, number, cable),
                memory=memory,
                accelerators=("kvm",) if kvm else ("tcg",),
            ),
            cable.enter if cable else (),
        )
        for number, cable in enumerate(cables, 1)
    ]
    with _powered(made):
        _show(made)


def _raw(file: Path, folder: Path) -> Path:
    """Return a raw image: the file itself, or what it was unpacked to."""
    if not file.is_file() or not packing.is_packed(file):
        return file
    raw = folder / "raw.img"
    if raw.exists() and raw.stat().st_mtime >= file.stat().st_mtime:
        return raw
    folder.mkdir(exist_ok=True)
    with bar.shown("unpacking") as report, packing.replacing(raw) as part:
        packing.unpack(file, part, report)
    return raw


def _cable(lab_name: str | None, number: int) -> Cable | None:
    if lab_name is None:
        return None
    lab = state.load(lab_name, layout.homes(os.environ))
    if lab is None:
        raise LabError(f"cannot find lab {lab_name}: bring it up with `edgectl lab up`")
    return guests.attach(lab, number)


def _hardware(architecture: str, number: int, cable: Cable | None) -> Hardware:
    return Hardware(
        architecture=architecture,
        serial=f"tutti-g{number}",
        mac=cable.mac if cable else f"52:54:00:00:00:{number:02x}",
        tap=cable.tap if cable else "",
    )


@contextmanager
def _powered(made: list[Guest]) -> Iterator[None]:
    """Switch them on; in the end press every button, then wait for all of them."""
    try:
        for each in made:
            each.start()
        yield
    except KeyboardInterrupt:
        terminal.tell("pressing the power buttons; Ctrl-C again cuts the power")
        for each in made:
            each.press()
        end = time.monotonic() + OFF_WITHIN
        for each in made:
            each.power_off(max(0.0, end - time.monotonic()))
    finally:
        for each in made:
            each.kill()


def _show(made: list[Guest]) -> None:
    """Print what the consoles say, line by line, until every machine is off."""
    shown = [0] * len(made)
    is_running = True
    while is_running:
        is_running = any(each.is_running for each in made)
        for number, each in enumerate(made):
            lines = each.console().split("\n")
            # The last one has no end yet, unless nothing more can come.
            whole = lines[:-1] if each.is_running else lines
            for line in whole[shown[number] :]:
                if text := plain(CONTROL.sub("", line)).rstrip():
                    click.echo(f"{each.folder.name} │ {text}")
            shown[number] = max(shown[number], len(whole))
        time.sleep(LOOK_EVERY)
