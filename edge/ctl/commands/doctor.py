"""`edgectl doctor`: look at everything once, and say what to do about it."""

import ssl

import click

from edge import tls
from edge.ctl import (
    checkup,
    handout,
    home,
    keys,
    recipients,
    render,
    sealed,
    terminal,
    voting,
    web,
)
from edge.ctl.checkup import Finding, Picture
from edge.ctl.exits import Ended, Exit
from edge.ctl.fleet import OPERATOR_KEY, Fleet, open_fleet
from edge.ctl.handout import Rows, Trusted
from edge.ctl.options import Chosen, shared
from edge.errors import EdgeError

MQTT_PORT = 8883
MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}


@click.command()
@shared
def doctor(chosen: Chosen) -> None:
    """Say what is wrong and what to do about it; 1 when there is a problem."""
    findings = _examined(chosen)
    if chosen.is_json:
        fields = ("level", "subject", "text", "advice")
        terminal.show(
            render.to_json([render.picked(each, fields) for each in findings])
        )
    else:
        for each in findings:
            terminal.show(_line(each))
    count = sum(each.level == "problem" for each in findings)
    if count:
        raise Ended(Exit.FAILURE, f"cannot call it well: {count} problems")


def _line(found: Finding) -> str:
    advice = f"\n  {'':12} → {found.advice}" if found.advice else ""
    return f"{MARKS[found.level]} {found.subject:12} {found.text}{advice}"


def _examined(chosen: Chosen) -> tuple[Finding, ...]:
    """Return the findings, as far as one can look without what is broken."""
    try:
        name, context = home.get(chosen.context)
        opened = open_fleet(name)
    except EdgeError as error:
        return (checkup.problem("context", str(error), "edgectl context list"),)
    first = checkup.fine("context", f"{name}, fleet {context.fleet}")
    with opened:
        try:
            seen = _look(opened)
        except EdgeError as error:
            advice = "see that edge-hub runs and its port is open"
            return (first, checkup.problem("hub", str(error), advice))
        hub = checkup.fine("hub", f"{opened.hub.address} answers")
        return (first, hub, *checkup.examine(seen))


def _look(opened: Fleet) -> Picture:
    opened.sync_trust()
    handout.learn(opened)
    opened.fetch("deployment/", "voters/")
    hub = opened.hub
    rows = Rows(nodes=hub.nodes(), replicas=hub.replicas())
    trusted = handout.sort_devices(opened, rows, lambda _: False)
    operator, ends_at = _operator(opened)
    return Picture(
        now=opened.now(),
        operator=operator,
        key_ends_at=ends_at,
        certificate_ends_at=_certificate_end(opened),
        hub_clock=hub.clock(),
        hub_asks_for=hub.word().asks_for,
        broker_problem=_broker_problem(opened),
        nodes=rows.nodes,
        replicas=rows.replicas,
        events=hub.last_events(),
        counters=hub.counters(),
        missing_secrets=_missing(trusted),
        lacking_secrets=_lacking(trusted),
        voters=tuple(
            voting.standing(opened.ledger, site, rows.nodes)
            for site in voting.concerned(opened.ledger, rows.replicas)
        ),
        documents=tuple(opened.problems),
    )


def _operator(opened: Fleet) -> tuple[str, float | None]:
    """Return this machine's operator and when root's trust in it ends."""
    path = opened.folder / OPERATOR_KEY
    if not path.exists():
        return "nobody", None
    key = keys.read(path)
    found = [each for each in opened.trust.operators if each.key == key.public]
    return (found[0].name, found[0].expires_at) if found else (key.name, None)


def _certificate_end(opened: Fleet) -> float | None:
    ends = opened.certificate.get("notAfter")
    return float(ssl.cert_time_to_seconds(str(ends))) if ends else None


def _broker_problem(opened: Fleet) -> str:
    """Return why the broker cannot be used from here, "" when it answers."""
    url = next((hub.broker for hub in opened.trust.hubs), "")
    if not url:
        return "root names no broker"
    try:
        at = web.address(f"https://{url.partition('://')[2]}", port=MQTT_PORT)
        context = tls.client_context(opened.trust.ca.encode())
        with web.Connection(at, context) as connection:
            connection.open()
    except EdgeError as error:
        return str(error)
    return ""


def _missing(trusted: Trusted) -> tuple[str, ...]:
    ledger = trusted.opened.ledger
    wanted = (
        f"{each.name}/{name}"
        for each in ledger.deployments.values()
        for name in recipients.wanted(each)
    )
    held = ledger.secrets
    return tuple(name for name in wanted if not sealed.newest(held.get(name, {})))


def _lacking(trusted: Trusted) -> dict[str, tuple[str, ...]]:
    ledger = trusted.opened.ledger
    found: dict[str, tuple[str, ...]] = {}
    for deployment in ledger.deployments.values():
        for name in recipients.wanted(deployment):
            full = f"{deployment.name}/{name}"
            heads = ledger.secrets.get(full, {})
            devices = {each.id: each for each in trusted.devices(deployment, name)}
            lacking = sealed.lacking(heads, sealed.newest(heads), devices)
            if lacking:
                found[full] = tuple(devices[one].name for one in lacking)
    return found
