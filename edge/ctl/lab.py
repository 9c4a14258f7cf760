"""``edgectl lab``: a whole fleet on this machine, with faults at hand."""

import json
import os
import sys
from pathlib import Path

import click

from edge.errors import LabError
from edge.lab import images, layout, state
from edge.lab.faults import HOG_FOR
from edge.lab.filters import Direction
from edge.lab.fleet import LabFleet, check_context
from edge.lab.substrate import Substrate

NAME_OPTION = click.option(
    "--name", default=layout.DEFAULT_NAME, help="Which lab; several may live at once."
)
OUTPUT_OPTION = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table"
)
MACHINE = click.argument("machine")


@click.group()
def lab() -> None:
    """Bring up a fleet on this machine, break parts of it, and remove it."""


@lab.command()
@NAME_OPTION
@OUTPUT_OPTION
@click.option("--nodes", type=int, help="How many devices (default 3).")
@click.option("--site", "sites", help="Devices by site, such as a:3,b:2.")
@click.option("--subnet", default=layout.DEFAULT_SUBNET, help="A private /24.")
def up(
    name: str, output: str, nodes: int | None, sites: str | None, subnet: str
) -> None:
    """Bring up a lab; its context becomes the current one."""
    places = layout.parse_places(nodes, sites)
    wanted = layout.plan(name, subnet, places, layout.homes(os.environ))
    check_context(wanted)
    fleet = LabFleet(Substrate(wanted), _say)
    fleet.up()
    _show(fleet, output)


@lab.command()
@NAME_OPTION
def down(name: str) -> None:
    """Remove a lab and all traces of it, also after a crash."""
    recovered = state.recover(name, layout.homes(os.environ))
    LabFleet(Substrate(recovered), _say).down()
    _say(f"lab {name} is removed")


@lab.command()
@NAME_OPTION
@OUTPUT_OPTION
def status(name: str, output: str) -> None:
    """Show the machines of a lab and what is true of them."""
    _show(_fleet(name), output)


@lab.command()
@NAME_OPTION
@MACHINE
def kill(machine: str, name: str) -> None:
    """Take a machine's power: link first, then every process and all its memory."""
    _fleet(name).substrate.kill(machine)
    _say(f"{machine} has no power")


@lab.command()
@NAME_OPTION
@MACHINE
def boot(machine: str, name: str) -> None:
    """Give a machine its power back."""
    _fleet(name).boot(machine)
    _say(f"{machine} boots")


@lab.command()
@NAME_OPTION
@MACHINE
def start(machine: str, name: str) -> None:
    """Start a machine's program again if it ended, as its init would."""
    _fleet(name).start(machine)


@lab.command()
@NAME_OPTION
@MACHINE
def cut(machine: str, name: str) -> None:
    """Pull a machine's cable."""
    _fleet(name).substrate.cut(machine)
    _say(f"{machine} is cut off")


@lab.command()
@NAME_OPTION
@click.argument("machine", required=False)
def heal(machine: str | None, name: str) -> None:
    """End every fault of a machine, or of the whole lab; power is `boot`'s."""
    _fleet(name).heal(machine)
    _say(f"{machine or 'every machine'} is connected")


@lab.command()
@NAME_OPTION
@MACHINE
@click.argument("share")
def loss(machine: str, share: str, name: str) -> None:
    """Lose a share of a machine's packets each way, such as 20%."""
    _fleet(name).substrate.lose(machine, layout.parse_percent(share))
    _say(f"{machine} loses {share} of its packets")


@lab.command()
@NAME_OPTION
@MACHINE
@click.argument("direction", type=click.Choice(["in", "out"]))
def oneway(machine: str, direction: Direction, name: str) -> None:
    """Drop all that a machine sends (out), or all it would receive (in)."""
    _fleet(name).faults.one_way(machine, direction)
    way = {"in": f"nothing reaches {machine}", "out": f"nobody hears {machine}"}
    _say(way[direction])


@lab.command()
@NAME_OPTION
@MACHINE
@click.argument("span")
def delay(machine: str, span: str, name: str) -> None:
    """Hold up a machine's packets each way, such as 50ms-250ms; 0 ends it."""
    _fleet(name).faults.delay(machine, *layout.parse_delay(span))
    _say(f"{machine} is {span} late")


@lab.command()
@NAME_OPTION
@click.argument("groups", nargs=-1, required=True)
def partition(groups: tuple[str, ...], name: str) -> None:
    """Divide machines into groups that do not reach each other, such as n1,n2 n3."""
    _fleet(name).faults.partition(layout.parse_groups(groups))
    _say(f"divided: {' | '.join(groups)}; who is in no group reaches all")


@lab.command()
@NAME_OPTION
@MACHINE
def freeze(machine: str, name: str) -> None:
    """Stop a machine's program (SIGSTOP); its containers run on."""
    _fleet(name).freeze(machine)
    _say(f"{machine} is frozen")


@lab.command()
@NAME_OPTION
@MACHINE
def thaw(machine: str, name: str) -> None:
    """Let a machine's frozen program go on (SIGCONT)."""
    _fleet(name).thaw(machine)
    _say(f"{machine} goes on")


@lab.command()
@NAME_OPTION
@MACHINE
@click.option("--loops", default=2, help="How many processes (default 2).")
@click.option("--for", "seconds", default=HOG_FOR, help="Seconds (default 30).")
def hog(machine: str, loops: int, seconds: float, name: str) -> None:
    """Keep processors busy from a machine for a while."""
    _fleet(name).faults.hog(machine, loops, seconds)
    _say(f"{machine} is busy for {seconds:g} s")


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@NAME_OPTION
@MACHINE
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def execute(machine: str, command: tuple[str, ...], name: str) -> None:
    """Run a command on a machine; `podman` there is the machine's own."""
    words = _fleet(name).command(machine, command)
    sys.stdout.flush()
    os.execvp(words[0], words)  # noqa: S606 - becomes the command


@lab.command()
@NAME_OPTION
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("image")
@click.option("--command", "words", multiple=True, help="What it runs, word by word.")
def image(folder: Path, image: str, words: tuple[str, ...], name: str) -> None:
    """Build an image from a root file system folder and push it to the registry."""
    settings = images.Settings(command=words) if words else images.Settings()
    click.echo(images.build(_fleet(name).lab, folder, image, settings))


def _fleet(name: str) -> LabFleet:
    found = state.load(name, layout.homes(os.environ))
    if found is None:
        raise LabError(f"cannot find lab {name}: bring it up with `edgectl lab up`")
    return LabFleet(Substrate(found), _say)


def _show(fleet: LabFleet, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(fleet.status()))
        return
    shown = fleet.lab
    click.echo(f"lab {shown.name}  hub {fleet.hub_url}  registry {shown.registry}")
    troubles = fleet.troubles()
    for condition in fleet.substrate.conditions():
        machine = condition.machine
        power = "on" if condition.powered else "off"
        cable = "connected" if condition.connected else "cut"
        lost = f"  loses {condition.loss:g}%" if condition.loss else ""
        click.echo(
            f"  {machine.name:<8} {machine.address:<14} {machine.site or '-':<12} "
            f"power {power:<4} {cable}{lost}"
            + "".join(f"  {trouble}" for trouble in troubles[machine.name])
        )


def _say(sentence: str) -> None:
    click.echo(f"lab: {sentence}", err=True)
