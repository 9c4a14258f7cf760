"""`edgectl operator`: root says who may sign what runs, where, and until when."""

import time
from pathlib import Path

import click
import msgspec

from edge import documents
from edge.ctl import approval, render, root, terminal
from edge.ctl.commands.fleet import scope
from edge.ctl.fleet import Fleet, open_fleet
from edge.ctl.options import DURATION, Chosen, shared
from edge.documents import Operator, Scope, Trust
from edge.errors import ConfigError
from edge.sealing import SigningKey, can_seal, is_key

root_key = click.option(
    "--root-key", type=click.Path(path_type=Path), help="Where the root key is."
)


@click.group()
def operator() -> None:
    """Say who may sign what runs."""


@operator.command()
@click.argument("name")
@click.option("--key", required=True, help="From `edgectl key make`.")
@click.option("--seal", required=True, help="From `edgectl key make`.")
@click.option("--scope", "scope_name", default="", help="A name for the limits.")
@click.option("--site", "sites", multiple=True, help="Only this site; repeatable.")
@click.option("--label", "labels", multiple=True, help="Only key=value; repeatable.")
@click.option("--expires", type=DURATION, default=root.OPERATOR_FOR, help="365d.")
@root_key
@shared
def add(  # noqa: PLR0913 - one parameter for each thing root says
    chosen: Chosen,
    *,
    name: str,
    key: str,
    seal: str,
    scope_name: str,
    sites: tuple[str, ...],
    labels: tuple[str, ...],
    expires: float,
    root_key: Path | None,
) -> None:
    """Let NAME sign, or renew it until a later day."""
    if not (is_key(key) and can_seal(seal)):
        raise ConfigError("cannot add an operator: --key and --seal are no public keys")
    limits = Scope(
        name=scope_name or (name if sites or labels else ""),
        sites=tuple(sorted(sites)),
        labels=approval.parse_labels(labels),
    )
    now = time.time()
    made = Operator(
        name=name, key=key, seal=seal, expires_at=now + expires, scope=limits
    )
    with open_fleet(chosen.context) as opened:
        signer = _ready(opened, root_key)
        version = opened.memory.next_version("trust")
        _publish(opened, root.with_operator(opened.trust, made, version, now), signer)
    until = render.moment(made.expires_at)
    terminal.tell(f"{name} may sign until {until} {scope(limits)}".rstrip())


@operator.command()
@click.argument("name")
@root_key
@shared
def renew(chosen: Chosen, name: str, root_key: Path | None) -> None:
    """Let NAME sign for another 365 days, with the same key and scope."""
    now = time.time()
    with open_fleet(chosen.context) as opened:
        signer = _ready(opened, root_key)
        found = [each for each in opened.trust.operators if each.name == name]
        if not found:
            raise ConfigError(f"cannot renew operator {name!r}: root names no such")
        until = now + root.OPERATOR_FOR
        made = msgspec.structs.replace(found[0], expires_at=until)
        version = opened.memory.next_version("trust")
        _publish(opened, root.with_operator(opened.trust, made, version, now), signer)
    terminal.tell(f"{name} may sign until {render.moment(until)}")


@operator.command()
@click.argument("name")
@root_key
@shared
def remove(chosen: Chosen, name: str, root_key: Path | None) -> None:
    """Take NAME's right to sign away; what it signed before stays."""
    with open_fleet(chosen.context) as opened:
        signer = _ready(opened, root_key)
        version = opened.memory.next_version("trust")
        made = root.without_operator(opened.trust, name, version, time.time())
        _publish(opened, made, signer)
    terminal.tell(f"{name} may no longer sign")


@operator.command("list")
@shared
def list_operators(chosen: Chosen) -> None:
    """List who may sign."""
    with open_fleet(chosen.context) as opened:
        found = opened.trust.operators
    if chosen.is_json:
        fields = ("name", "key", "seal", "expires_at", "scope")
        terminal.show(render.to_json([render.picked(each, fields) for each in found]))
        return
    rows = (
        (each.name, render.moment(each.expires_at), scope(each.scope), each.key)
        for each in found
    )
    terminal.show(render.table(("NAME", "UNTIL", "SCOPE", "KEY"), rows))


def _ready(opened: Fleet, path: Path | None) -> SigningKey:
    """Return the root key, with the fleet's trust as new as the hub has it."""
    if opened.trust.hubs:
        opened.sync_trust()
    return opened.root(path)


def _publish(opened: Fleet, document: Trust, signer: SigningKey) -> None:
    """Hand the document in, or keep it here while there is no hub."""
    sealed = documents.sign(document, signer)
    if opened.trust.hubs:
        opened.hand_in([document], [sealed])
    else:
        opened.keep(sealed)
