"""`edgectl image`: bootable images of devices.

Here ``-o`` names the file to write; only `image list` prints for programs.
"""

import time
from pathlib import Path

import click

import edge
from edge.ctl import bar, render, terminal, texts, web
from edge.ctl.commands.image_flash import flash_image
from edge.ctl.commands.image_run import run
from edge.ctl.fleet import PORT
from edge.ctl.options import Chosen, shared
from edge.errors import ConfigError
from edge.image import build as building
from edge.image import card, disk, recipe
from edge.image.card import Card
from edge.image.disk import Change
from edge.image.parts import Wishes
from edge.joinfile import JOIN_MAX
from edge.networkfile import FILE_MAX

RECIPES = Path(edge.__file__).parent.parent / "firmware-images"
"""Beside the package: edgectl builds images in a checkout of Tutti."""
KEY_MAX = 16 * 1024
"""Bytes; the longest public key in use has less than a thousand."""
KEY_KINDS = ("ssh-", "ecdsa-", "sk-")
MEGABYTE = 1_000_000
PATH = click.Path(path_type=Path)
RECIPES_OPTION = click.option(
    "--recipes", type=PATH, default=RECIPES, help="The folder with the recipes."
)
HUB_OPTION = click.option(
    "--hub", "hubs", multiple=True, help="Hub for the devices, not the join file's."
)
NETWORK_OPTION = click.option(
    "--network", type=PATH, help="network.toml: addresses, name, time, registries."
)
WIFI_OPTION = click.option("--wifi", type=PATH, help="[[wifi]] tables to add to it.")


@click.group()
def image() -> None:
    """Build, configure, try and write bootable images of devices."""


image.add_command(run)
image.add_command(flash_image)


@image.command("list")
@RECIPES_OPTION
@shared
def list_recipes(chosen: Chosen, *, recipes: Path) -> None:
    """List the recipes, what they are for, and how."""
    found = [recipe.read(recipes, name) for name in recipe.names(recipes)]
    if chosen.is_json:
        fields = ("name", "title", "architecture", "suite")
        terminal.show(render.to_json([render.picked(each, fields) for each in found]))
        return
    lines = ((each.name, each.architecture, each.title) for each in found)
    terminal.show(render.table(("RECIPE", "MACHINE", "IS"), lines))


@image.command()
@click.argument("name", metavar="RECIPE")
@click.option("--join", type=PATH, required=True, help="From `edgectl token create`.")
@NETWORK_OPTION
@WIFI_OPTION
@HUB_OPTION
@click.option("--ssh-key", type=PATH, help="A public key; without it, no SSH server.")
@click.option("--firmware", is_flag=True, help="Add firmware that is not free.")
@RECIPES_OPTION
@click.option("-o", "--output", type=PATH, required=True, help="shop.img[.zst]")
def build(  # noqa: PLR0913 - what may be in an image, and what may not
    name: str,
    *,
    join: Path,
    network: Path | None,
    wifi: Path | None,
    hubs: tuple[str, ...],
    ssh_key: Path | None,
    firmware: bool,
    recipes: Path,
    output: Path,
) -> None:
    """Build the image of RECIPE; who holds it can add devices to the fleet."""
    chosen = recipe.read(recipes.resolve(), name)
    made = Card(
        join=card.join_text(text_of(join, JOIN_MAX), addresses(hubs), time.time()),
        network=card.network_text(
            text_of(network, FILE_MAX) or card.NO_NETWORK, text_of(wifi, FILE_MAX)
        ),
    )
    wishes = Wishes(ssh_key=public_key(ssh_key), has_firmware=firmware)
    building.check(output)
    with bar.shown("building") as report:
        built = building.build(chosen, wishes, made, output, report)
    terminal.tell(f"built {output}: {built.bytes / MEGABYTE:.0f} MB, {terms(made)}")
    terminal.tell(f"beside it: {', '.join(each.name for each in built.beside)}")


@image.command()
@click.argument("file", metavar="IMAGE", type=PATH)
@click.option("--join", type=PATH, help="Another join file.")
@NETWORK_OPTION
@WIFI_OPTION
@HUB_OPTION
def configure(
    file: Path,
    *,
    join: Path | None,
    network: Path | None,
    wifi: Path | None,
    hubs: tuple[str, ...],
) -> None:
    """Put another join file, or other network settings, on a built IMAGE.

    What is not named stays. IMAGE is replaced as a whole or not at all.
    """
    if not (join or network or wifi or hubs):
        raise click.UsageError("name what to change: --join, --network, --wifi, --hub")
    change = Change(
        join=text_of(join, JOIN_MAX) if join else None,
        network=text_of(network, FILE_MAX) if network else None,
        wifi=text_of(wifi, FILE_MAX),
        hubs=addresses(hubs),
    )
    with bar.shown("configuring") as report:
        made = disk.configure(file, change, time.time(), report)
    if building.beside(file, building.CHECKSUM).exists():
        building.write_checksum(file)
    terminal.tell(f"configured {file}: {terms(made)}")


def terms(made: Card) -> str:
    """Return what the holder of an image may do with it."""
    if (voucher := made.terms) is None:
        return "without a join file"
    until = render.moment(voucher.closes_at)
    return f"for {voucher.uses} devices at {voucher.site} until {until}"


def text_of(path: Path | None, at_most: int) -> str:
    """Return the text of a file that was named, "" when none was."""
    return texts.read(path, at_most) if path else ""


def addresses(hubs: tuple[str, ...]) -> tuple[str, ...]:
    """Return addresses as join files have them."""
    return tuple(str(web.address(each, port=PORT)) for each in hubs)


def public_key(path: Path | None) -> str:
    """Return the public key in a file.

    Raises:
        ConfigError: it is anything else, a private key among it.
    """
    text = text_of(path, KEY_MAX).strip()
    if path is not None and (not text.startswith(KEY_KINDS) or "\n" in text):
        problem = "it is not one public SSH key; name the file that ends in .pub"
        raise ConfigError(f"cannot use {path}: {problem}")
    return text
