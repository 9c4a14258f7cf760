"""`edgectl node`: the operator's word on single devices."""

import sys
from collections.abc import Callable

import click

from edge.ctl import approval, draining, follow, render, terminal
from edge.ctl.approval import Device
from edge.ctl.commands.token import revocation
from edge.ctl.exits import not_found
from edge.ctl.fleet import DEVICES, Fleet, open_fleet
from edge.ctl.options import DURATION, Chosen, shared
from edge.documents import Node, Scheduling

TIMEOUT = 120.0
names = click.argument("names", nargs=-1, required=True, metavar="NAME...")


@click.group()
def node() -> None:
    """Approve, label, cordon, drain, revoke devices."""


@node.command()
@names
@shared
def approve(chosen: Chosen, names: tuple[str, ...]) -> None:
    """Vouch for devices by name: they may run things and get secrets."""
    with open_fleet(chosen.context) as opened:
        words = []
        for device in _find(opened, names):
            if device.node and device.node.member == device.enrolled.digest:
                terminal.tell(f"{device.name} is approved already")
                continue
            _warn(opened, device)
            words.append(_word(opened, device))
        _hand_in(opened, words, lambda word: f"approved ({word.device})")


@node.command()
@click.argument("name")
@click.argument("labels", nargs=-1, required=True, metavar="KEY=VALUE|KEY-...")
@shared
def label(chosen: Chosen, name: str, labels: tuple[str, ...]) -> None:
    """Set labels (role=sensor) and remove them (role-)."""
    with open_fleet(chosen.context) as opened:
        (device,) = _find(opened, (name,))
        word = approval.labelled(_approved(opened, device), labels)
        if word.labels == device.labels:
            terminal.tell(f"{name} is labelled so already")
            return
        _hand_in(opened, [word], lambda word: render.labels(word.labels) or "no labels")


@node.command()
@names
@shared
def cordon(chosen: Chosen, names: tuple[str, ...]) -> None:
    """Give devices nothing new; what runs there stays."""
    with open_fleet(chosen.context) as opened:
        _schedule(opened, names, "cordoned")


@node.command()
@names
@shared
def uncordon(chosen: Chosen, names: tuple[str, ...]) -> None:
    """Let devices take part again."""
    with open_fleet(chosen.context) as opened:
        _schedule(opened, names, "active")


@node.command()
@names
@click.option("--wait", is_flag=True, help="Watch until nothing is left there.")
@click.option("--timeout", type=DURATION, default=TIMEOUT, help="How long to watch.")
@shared
def drain(
    chosen: Chosen, names: tuple[str, ...], *, wait: bool, timeout: float
) -> None:
    """Move what can move away from devices, and give them nothing new.

    What is `available` stays until a copy elsewhere is healthy; what is `strict` stops
    before it starts elsewhere. Ends with 7 when --wait saw something stay.
    """
    drained = frozenset(names)
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        opened.fetch("deployment/")
        rows = opened.hub.replicas()
        known = opened.ledger.deployments
        _schedule(opened, names, "drained")
        for each in draining.expectations(rows, drained, known):
            terminal.tell(f"  {each}")
        if wait:
            follow.until_left(opened.hub, drained, timeout)
            terminal.tell(f"{', '.join(names)}: nothing is left there")


@node.command()
@names
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared
def revoke(chosen: Chosen, names: tuple[str, ...], *, yes: bool) -> None:
    """Trust devices no longer, for good: a lost one, a stolen one, a sold one.

    What was sealed to them they could read: set those secrets anew.
    """
    with open_fleet(chosen.context) as opened:
        devices = _find(opened, names)
        if not yes:
            said = ", ".join(device.name for device in devices)
            click.confirm(f"Revoke {said} for good?", abort=True)
        opened.fetch("secret/")
        identities = tuple(device.id for device in devices)
        opened.submit(revocation(opened, devices=identities))
        held = _held(opened, set(identities))
    for device in devices:
        terminal.tell(f"{device.name}: revoked")
    if held:
        terminal.tell(f"it held {', '.join(held)}: set them anew")


def _schedule(opened: Fleet, names: tuple[str, ...], scheduling: Scheduling) -> None:
    words = []
    for device in _find(opened, names):
        word = approval.scheduled(_approved(opened, device), scheduling)
        if device.node and device.node.scheduling == scheduling:
            terminal.tell(f"{device.name} is {scheduling} already")
        else:
            words.append(word)
    _hand_in(opened, words, lambda word: word.scheduling)


def _find(opened: Fleet, names: tuple[str, ...]) -> tuple[Device, ...]:
    """Return the devices of these names, as the documents have them."""
    opened.sync_trust()
    opened.fetch(*DEVICES)
    opened.warn()
    known = {device.name: device for device in approval.devices(opened.ledger)}
    for name in names:
        if name in known:
            continue
        holder = opened.ledger.names.get(name, "")
        if opened.ledger.is_revoked(holder):
            raise not_found(f"cannot find node {name!r}: it was revoked")
        raise not_found(f"cannot find node {name!r}; see `edgectl get nodes`")
    return tuple(known[name] for name in dict.fromkeys(names))


def _word(opened: Fleet, device: Device) -> Node:
    version = opened.memory.next_version(f"node/{device.id}")
    return approval.word(device, version, opened.me.scope.name, opened.now())


def _approved(opened: Fleet, device: Device) -> Node:
    """Return the next word on a device; a first one vouches for it as well."""
    if device.node is None:
        _warn(opened, device)
        terminal.tell(f"{device.name}: approved by this as well ({device.id})")
    return _word(opened, device)


def _warn(opened: Fleet, device: Device) -> None:
    seen = opened.memory.first_seen
    why = approval.refusal(device, opened.ledger, seen, opened.now())
    if why is None:
        return
    terminal.tell(f"{device.name} ({device.id}): {why}")
    if sys.stdin.isatty():
        click.confirm("Vouch for it all the same?", abort=True)


def _hand_in(opened: Fleet, words: list[Node], say: Callable[[Node], str]) -> None:
    if words:
        opened.submit(*words)
    for word in words:
        terminal.tell(f"{word.name}: {say(word)}")


def _held(opened: Fleet, devices: set[str]) -> list[str]:
    return sorted(
        name for name, held in opened.ledger.secrets.items() if devices & held.keys()
    )
