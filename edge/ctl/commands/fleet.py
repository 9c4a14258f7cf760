"""`edgectl fleet` and `edgectl trust`: begin a fleet, and show whom it trusts."""

import time

import click

from edge.ctl import founding, keys, render, root, terminal
from edge.ctl.fleet import open_fleet
from edge.ctl.founding import Founding
from edge.ctl.options import DURATION, Chosen, shared
from edge.documents import Scope


@click.group()
def fleet() -> None:
    """Begin a fleet; show it."""


@fleet.command()
@click.argument("name")
@click.option("--no-passphrase", is_flag=True, help="Leave the keys unprotected.")
@click.option("--operator", default="operator", help="What to call its operator.")
@click.option(
    "--expires",
    type=DURATION,
    default=root.OPERATOR_FOR,
    help="How long root lets the operator sign; 365d unless given.",
)
@shared
def init(
    chosen: Chosen, name: str, operator: str, expires: float, *, no_passphrase: bool
) -> None:
    """Begin fleet NAME: root key, operator key, first trust document."""
    context = chosen.context or name
    founding.check_free(context)
    passphrase = None
    if not no_passphrase:
        passphrase = keys.new_passphrase("the root and operator keys")
    now = time.time()
    made = founding.create(
        Founding(
            fleet=name,
            context=context,
            operator=operator,
            expires_at=now + expires,
            passphrase=passphrase,
        ),
        now,
    )
    with open_fleet(context) as opened:
        folder = opened.folder
    if no_passphrase:
        terminal.tell(f"the keys in {folder} have no passphrase")
    backup = f"keep a copy of {folder / 'root.key'} off this machine"
    terminal.tell(f"fleet {name} begins; {backup}")
    terminal.tell("next: edgectl hub adopt https://HUB:8443 --fingerprint …")
    if chosen.is_json:
        shown = {"fleet": name, "context": context, "root": made.anchor}
        terminal.show(render.to_json({**shown, "folder": str(folder)}))
    else:
        terminal.show(made.anchor)


@fleet.command()
@shared
def show(chosen: Chosen) -> None:
    """Show the fleet's fingerprint, and where its hub is."""
    with open_fleet(chosen.context) as opened:
        trust = opened.trust
        row = {
            "fleet": opened.context.fleet,
            "context": opened.name,
            "root": opened.context.anchor,
            "hub": next((hub.url for hub in trust.hubs), ""),
            "broker": next((hub.broker for hub in trust.hubs), ""),
            "trust": trust.version,
            "folder": str(opened.folder),
        }
    _print(chosen, row)


@click.group()
def trust() -> None:
    """Show who the fleet trusts."""


@trust.command("show")
@shared
def show_trust(chosen: Chosen) -> None:
    """Show the newest trust document this machine holds."""
    with open_fleet(chosen.context) as opened:
        document = opened.trust
    row = {
        "fleet": document.fleet,
        "version": document.version,
        "issued_at": document.issued_at,
        "generation": document.generation,
        "root": document.root.keys,
        "root_threshold": document.root.threshold,
        "operators": [
            {
                "name": each.name,
                "key": each.key,
                "expires_at": each.expires_at,
                "scope": scope(each.scope),
            }
            for each in document.operators
        ],
        "hubs": [
            {"key": each.key, "url": each.url, "broker": each.broker}
            for each in document.hubs
        ],
    }
    if chosen.is_json:
        terminal.show(render.to_json(row))
        return
    issued = render.moment(document.issued_at)
    terminal.show(f"fleet {document.fleet}, version {document.version} of {issued}")
    for key in document.root.keys:
        terminal.show(f"root      {key}")
    for each in document.operators:
        until = render.moment(each.expires_at)
        terminal.show(f"operator  {each.key}  {each.name}, until {until}")
        if each.scope != Scope():
            terminal.show(f"          {scope(each.scope)}")
    for hub in document.hubs:
        terminal.show(f"hub       {hub.key}  {hub.url}, broker {hub.broker}")


def scope(found: Scope) -> str:
    """Return a scope as people read it; "" is everything."""
    if found == Scope():
        return ""
    sites = ",".join(found.sites) or "any site"
    return f"scope {found.name}: {sites} {render.labels(found.labels)}".rstrip()


def _print(chosen: Chosen, row: dict[str, object]) -> None:
    if chosen.is_json:
        terminal.show(render.to_json(row))
        return
    for key, value in row.items():
        terminal.show(f"{key:10} {value or render.NOTHING}")
