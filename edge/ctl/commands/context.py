"""`edgectl context`: which fleets this machine knows, and which one is meant."""

import time
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from edge import names, tls
from edge.ctl import home, memory, render, terminal, web
from edge.ctl.api import Hub
from edge.ctl.fleet import PORT
from edge.ctl.home import Context
from edge.ctl.options import Chosen, shared
from edge.errors import ConfigError


@click.group()
def context() -> None:
    """Choose the fleet to talk to."""


@context.command("list")
@shared
def list_contexts(chosen: Chosen) -> None:
    """List the fleets this machine knows."""
    found = home.load()
    rows = [
        {
            "name": name,
            "current": name == found.current,
            "fleet": each.fleet,
            "hub": each.hub,
        }
        for name, each in sorted(found.contexts.items())
    ]
    if chosen.is_json:
        terminal.show(render.to_json(rows))
        return
    lines = (
        ("*" if name == found.current else "", name, each.fleet, each.hub)
        for name, each in sorted(found.contexts.items())
    )
    terminal.show(render.table(("", "NAME", "FLEET", "HUB"), lines))


@context.command()
@click.argument("name")
def use(name: str) -> None:
    """Make NAME the current one."""
    home.use(name)
    terminal.tell(f"now talking to {name}")


@context.command()
@shared
def show(chosen: Chosen) -> None:
    """Show the current one, and where its files are."""
    name, found = home.get(chosen.context)
    folder = home.context_folder(name)
    row = {
        "name": name,
        "fleet": found.fleet,
        "root": found.anchor,
        "hub": found.hub,
        "insecure_registries": found.insecure_registries,
        "folder": str(folder),
    }
    if chosen.is_json:
        terminal.show(render.to_json(row))
        return
    for key, value in row.items():
        text = ", ".join(value) if isinstance(value, tuple) else value
        terminal.show(f"{key:20} {text or render.NOTHING}")


@context.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, *, yes: bool) -> None:
    """Forget NAME with its keys; a fleet whose root key is gone cannot be changed."""
    home.get(name)
    if not yes:
        click.confirm(f"Remove {name} and the keys in it for good?", abort=True)
    home.remove(name)
    terminal.tell(f"removed {name}")


@context.command()
@click.argument("name")
@click.option("--fleet", required=True, help="The fleet's name.")
@click.option("--hub", "url", required=True, metavar="URL", help="https://host:port")
@click.option("--root", required=True, help="Fingerprint from `edgectl fleet show`.")
def add(name: str, fleet: str, url: str, root: str) -> None:
    """Get to know a fleet that was begun on another machine.

    Nothing but its root's fingerprint is believed. To sign here, make a key with
    `edgectl key make` and have the fleet's root add it (`edgectl operator add`).
    """
    if not names.is_name(fleet):
        raise ConfigError(f"cannot name a fleet {fleet!r}: use {names.NAME_RULE}")
    at = web.address(url, port=PORT)
    found = Context(fleet=fleet, anchor=root, hub=str(at))
    with web.Connection(at, tls.unverified_context()) as connection:
        envelopes = Hub(connection).trust_since(0)
    folder = home.create_context(name, found)
    try:
        _learn(folder, found, envelopes)
    except BaseException:
        home.remove(name)
        raise
    home.use(name)
    terminal.tell(f"now talking to {name}")


def _learn(folder: Path, found: Context, envelopes: Iterable[bytes]) -> None:
    """Begin a memory with the chain of trust documents that the anchor vouches for."""
    remembered = memory.load(folder, found.fleet, found.anchor)
    for data in envelopes:
        verdict = remembered.take(data, time.time())
        memory.demand(verdict, f"the trust document of {found.hub}")
    if remembered.ledger.trust is None:
        raise ConfigError(f"cannot add the fleet: {found.hub} was not adopted yet")
    remembered.save()


@context.command("insecure-registry")
@click.argument("registry")
@click.option("--remove", "is_removal", is_flag=True, help="Ask it over TLS again.")
@shared
def insecure_registry(chosen: Chosen, registry: str, *, is_removal: bool) -> None:
    """Ask REGISTRY (host:port) without TLS in this context."""
    name, found = home.get(chosen.context)
    kept = set(found.insecure_registries) - {registry}
    registries = tuple(sorted(kept if is_removal else kept | {registry}))
    home.change(name, msgspec.structs.replace(found, insecure_registries=registries))
