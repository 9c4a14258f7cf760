"""`edgectl secret`: values sealed here, for the devices that need them and no other."""

import sys
from pathlib import Path

import click

from edge import files
from edge.ctl import handout, recipients, render, sealed, terminal
from edge.ctl.exits import not_found
from edge.ctl.fleet import Fleet, open_fleet
from edge.ctl.handout import Handout, Rows, Trusted
from edge.ctl.options import Chosen, shared
from edge.ctl.sealed import VALUE_MAX, Value
from edge.errors import StoreError

yes_option = click.option("--yes", is_flag=True, help="Approve without asking.")


@click.group()
def secret() -> None:
    """Seal values for the devices that need them."""


@secret.command("set")
@click.argument("name", metavar="DEPLOYMENT/NAME")
@click.option(
    "--from-file",
    "source",
    required=True,
    metavar="FILE|-",
    help="Where the value is; - is stdin. Never an argument: others could read it.",
)
@yes_option
@shared
def set_secret(chosen: Chosen, *, name: str, source: str, yes: bool) -> None:
    """Set a secret, new or anew; running replicas get the new value in place."""
    owner, short = sealed.check_name(name)
    content = sealed.check_value(_content(source))
    with open_fleet(chosen.context) as opened:
        trusted = _trusted(opened, prefix=f"{name}/", yes=yes)
        deployment = opened.ledger.deployments.get(owner)
        devices = trusted.devices(deployment, short) if deployment else ()
        scope = deployment.scope if deployment else trusted.scope
        streams = (f"secret/{name}/{one}" for one in trusted.keys(devices, scope))
        version = max(opened.memory.next_version(stream) for stream in streams)
        value = Value(
            fleet=opened.context.fleet,
            name=name,
            version=version,
            content=content,
            scope=scope,
        )
        made = trusted.fresh(value, deployment, short)
        _hand_in(opened, made)
        uses = recipients.wanted(deployment) if deployment else ()
    if deployment is None:
        terminal.tell(f"no deployment {owner!r} yet: its deploy hands it out")
    elif short not in uses:
        terminal.tell(f"deployment {owner!r} does not use {short!r} yet")
    if content.endswith(b"\n"):
        terminal.tell("the value ends with a newline, which is part of it")


@secret.command()
@click.argument("deployment", required=False, default="")
@yes_option
@shared
def sync(chosen: Chosen, deployment: str, *, yes: bool) -> None:
    """Seal what newcomers lack, and approve the devices that pass the checks.

    Without DEPLOYMENT for all of them.
    """
    with open_fleet(chosen.context) as opened:
        prefix = f"{deployment}/" if deployment else ""
        trusted = _trusted(opened, prefix=prefix, yes=yes)
        found = opened.ledger.deployments
        if deployment and deployment not in found:
            problem = f"cannot sync {deployment!r}: there is no such deployment"
            raise not_found(f"{problem}; see `edgectl get deployments`")
        chosen_ones = [found[deployment]] if deployment else found.values()
        parts = [] if deployment else [trusted.approve_all()]
        parts += [trusted.handout(each) for each in chosen_ones]
        count = sum(_hand_in(opened, part) for part in parts)
        for name, why in sorted(trusted.refused.items()):
            terminal.tell(f"no secrets for {name}: {why}")
    if not count:
        terminal.tell("every device holds what it needs")


@secret.command("list")
@shared
def list_secrets(chosen: Chosen) -> None:
    """List secrets and which devices hold them; values are never shown."""
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        handout.learn(opened)
        opened.fetch("deployment/")
        opened.warn()
        rows = _rows(opened)
    if chosen.is_json:
        terminal.show(render.to_json(rows))
        return
    lines = (
        (
            str(row["name"]),
            str(row["version"] or "never set"),
            ", ".join(map(str, row["nodes"])) if isinstance(row["nodes"], list) else "",
            "yes" if row["used"] else "no",
        )
        for row in rows
    )
    terminal.show(render.table(("NAME", "VERSION", "NODES", "USED"), lines))


def _content(source: str) -> bytes:
    """Return the value; reads one byte more than allowed, to notice."""
    if source == "-":
        return sys.stdin.buffer.read(VALUE_MAX + 1)
    content = files.read(Path(source), at_most=VALUE_MAX + 1)
    if content is None:
        raise StoreError(f"cannot read the secret: there is no {source}")
    return content


def _trusted(opened: Fleet, *, prefix: str, yes: bool) -> Trusted:
    """Return the devices sorted, and everything the secrets' documents say."""
    opened.sync_trust()
    handout.learn(opened, secrets=prefix)
    opened.fetch("deployment/")
    opened.warn()
    rows = Rows(nodes=opened.hub.nodes(), replicas=opened.hub.replicas())

    def ask(question: str) -> bool:
        return yes or (sys.stdin.isatty() and click.confirm(question, err=True))

    return handout.sort_devices(opened, rows, ask)


def _hand_in(opened: Fleet, made: Handout) -> int:
    if made.documents:
        opened.submit(*made.documents)
    for note in made.notes:
        terminal.tell(note)
    for name in made.missing:
        said = f"secret {name} was never set: `edgectl secret set {name} --from-file F`"
        terminal.tell(said)
    return len(made.documents)


def _rows(opened: Fleet) -> list[dict[str, object]]:
    """Return a row for each secret that is set or that a deployment uses."""
    ledger = opened.ledger
    used = {
        f"{each.name}/{name}"
        for each in ledger.deployments.values()
        for name in recipients.wanted(each)
    }
    return [
        {
            "name": name,
            "version": sealed.newest(ledger.secrets.get(name, {})),
            "nodes": _holders(opened, name),
            "used": name in used,
        }
        for name in sorted(used | ledger.secrets.keys())
    ]


def _holders(opened: Fleet, name: str) -> list[str]:
    """Return the nodes that hold the newest version."""
    heads = opened.ledger.secrets.get(name, {})
    newest = sealed.newest(heads)
    members = opened.ledger.members
    return sorted(
        members[one].member.name
        for one, version in heads.items()
        if one in members and version >= newest
    )
