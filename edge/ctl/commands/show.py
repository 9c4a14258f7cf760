"""`edgectl get`, `describe` and `ps`: what the hub says of devices and replicas."""

import time

import click

from edge.ctl import render, terminal
from edge.ctl.exits import not_found
from edge.ctl.fleet import DEVICES, open_fleet
from edge.ctl.options import Chosen, shared
from edge.ctl.shapes import NodeRow, ReplicaRow
from edge.model import MIB


@click.group()
def get() -> None:
    """List devices and deployments."""


@get.command()
@shared
def nodes(chosen: Chosen) -> None:
    """List the devices, by name; says which of them nobody vouches for."""
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        rows = opened.hub.nodes()  # before the documents: who joins now is in both
        opened.fetch(*DEVICES)
        opened.warn()
        members = opened.ledger.members
    for row in rows:
        if row.state != "revoked" and row.id not in members:
            who = f"{row.name} ({row.id})"
            terminal.tell(f"edgectl: no token of this fleet leads to {who}")
    if chosen.is_json:
        shown = [render.picked(row, render.NODE_FIELDS) for row in rows]
        terminal.show(render.to_json(shown))
    else:
        terminal.show(render.nodes(rows, time.time()))


@get.command()
@shared
def deployments(chosen: Chosen) -> None:
    """List what operators signed, by name."""
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        opened.fetch("deployment/")
        opened.warn()
        found = sorted(opened.ledger.deployments.values(), key=lambda each: each.name)
    rows = [
        {
            "name": each.name,
            "version": each.version,
            "issued_at": each.issued_at,
            "workloads": [workload.name for workload in each.workloads],
        }
        for each in found
    ]
    if chosen.is_json:
        terminal.show(render.to_json(rows))
        return
    lines = (
        (
            each.name,
            str(each.version),
            render.moment(each.issued_at),
            ", ".join(workload.name for workload in each.workloads),
        )
        for each in found
    )
    terminal.show(render.table(("NAME", "VERSION", "SIGNED", "WORKLOADS"), lines))


@click.command()
@click.argument("deployment", required=False, default="")
@shared
def ps(chosen: Chosen, deployment: str) -> None:
    """List replicas, of one deployment or of all."""
    with open_fleet(chosen.context) as opened:
        rows = opened.hub.replicas(deployment)
    if chosen.is_json:
        shown = [render.picked(row, render.PS_FIELDS) for row in rows]
        terminal.show(render.to_json(shown))
    else:
        terminal.show(render.replicas(rows, time.time()))


@click.group()
def describe() -> None:
    """Show all about one device."""


@describe.command()
@click.argument("name")
@shared
def node(chosen: Chosen, name: str) -> None:
    """Show all the hub knows of device NAME."""
    with open_fleet(chosen.context) as opened:
        found = [row for row in opened.hub.nodes() if row.name == name]
        if not found:
            raise not_found(f"cannot find node {name!r}; see `edgectl get nodes`")
        replicas = [row for row in opened.hub.replicas() if row.node == name]
    if chosen.is_json:
        runs = [render.picked(row, render.PS_FIELDS) for row in replicas]
        terminal.show(render.to_json({"node": found[0], "replicas": runs}))
    else:
        terminal.show(_described(found[0], replicas, time.time()))


def _described(row: NodeRow, replicas: list[ReplicaRow], now: float) -> str:
    seen = f"{render.age(row.last_seen, now)} ago" if row.last_seen else "never"
    pairs = [
        ("name", row.name),
        ("id", row.id),
        ("state", f"{row.state} ({row.reason})" if row.reason else row.state),
        ("site", row.site),
        ("labels", render.labels(row.labels)),
        ("scheduling", row.scheduling),
        ("approved", "by an operator" if row.node_version else _by_token(row)),
        ("joined by", row.voucher),
        ("address", row.address),
        ("last seen", seen),
        ("hardware", _hardware(row)),
        ("secrets", ", ".join(row.sealed)),
        ("alarm", row.alarm),
    ]
    lines = [f"{key:12} {value}" for key, value in pairs if value]
    if replicas:
        lines += ["", render.replicas(replicas, now)]
    return "\n".join(lines)


def _by_token(row: NodeRow) -> str:
    return "by its token, without secrets" if row.approved else "not yet"


def _hardware(row: NodeRow) -> str:
    facts = row.facts
    if facts is None:
        return ""
    parts = (facts.model, facts.architecture, f"{facts.cpus} cpus")
    memory, disk = f"{facts.memory // MIB} MiB", f"{facts.disk // MIB} MiB free disk"
    return ", ".join(part for part in (*parts, memory, disk) if part)
