"""`edgectl key`: the operator's key in the agent, so that nothing has to be typed."""

import click

from edge.ctl import agent, keys, render, terminal
from edge.ctl.fleet import OPERATOR_KEY, open_fleet
from edge.ctl.keyring import HELD_MAX
from edge.ctl.options import DURATION, Chosen, shared
from edge.errors import ConfigError

HOLD_FOR = 8 * 3600.0  # a working day


@click.group()
def key() -> None:
    """Unlock the operator's key for a while."""


@key.command()
@click.option("--for", "hold_for", type=DURATION, default=HOLD_FOR, help="8h.")
@shared
def unlock(chosen: Chosen, hold_for: float) -> None:
    """Ask for the passphrase once; the agent signs until the time is up."""
    if not 0 < hold_for <= HELD_MAX:
        raise ConfigError(f"cannot hold a key for {hold_for:g} s: at most 7d")
    with open_fleet(chosen.context) as opened:
        found, seeds = keys.unlock(opened.folder / OPERATOR_KEY)
    agent.hold(found.name, seeds, hold_for)
    hours = hold_for / 3600
    terminal.tell(f"{found.name} signs without asking for {hours:.3g} hours")


@key.command()
def lock() -> None:
    """Have the agent forget every key now."""
    was_there = agent.lock()
    terminal.tell("locked" if was_there else "nothing was unlocked")


@key.command("list")
@shared
def list_keys(chosen: Chosen) -> None:
    """List the keys the agent holds, and for how long."""
    held = agent.shown()
    if chosen.is_json:
        fields = ("name", "public", "left")
        terminal.show(render.to_json([render.picked(each, fields) for each in held]))
        return
    rows = ((each.name, each.public, f"{each.left / 3600:.1f}h") for each in held)
    terminal.show(render.table(("NAME", "KEY", "LEFT"), rows))


@key.command()
@click.option("--name", required=True, help="What root will call you.")
@click.option("--no-passphrase", is_flag=True, help="Leave the key unprotected.")
@shared
def make(chosen: Chosen, name: str, *, no_passphrase: bool) -> None:
    """Make an operator key on this machine, for the fleet's root to add."""
    with open_fleet(chosen.context) as opened:
        path = opened.folder / OPERATOR_KEY
    if path.exists():
        raise ConfigError(f"cannot make a key: there is one already, {path}")
    passphrase = None if no_passphrase else keys.new_passphrase("the operator key")
    made = keys.make("operator", name, passphrase)
    keys.write(path, made)
    terminal.tell("on the machine with the root key, run:")
    terminal.show(f"edgectl operator add {name} --key={made.public} --seal={made.seal}")
