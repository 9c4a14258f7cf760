"""`edgectl mqtt`: a read-only certificate for a dashboard."""

import secrets
from pathlib import Path

import click

from edge import files, names, sealing, tls
from edge.ctl import terminal
from edge.ctl.fleet import open_fleet
from edge.ctl.options import Chosen, shared
from edge.documents import CertificateRequest
from edge.errors import ConfigError, WireError
from edge.sealing import SigningKey
from edge.trust.devices import VIEWER_PREFIX

READABLE = 0o644


@click.group()
def mqtt() -> None:
    """Let a dashboard read telemetry."""


@mqtt.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the three files go.",
)
@shared
def certificate(chosen: Chosen, name: str, folder: Path) -> None:
    """Write NAME.crt, NAME.key and ca.crt for an MQTT client that may only read.

    Run it again before the certificate ends; the files are replaced.
    """
    if not names.is_name(name):
        raise ConfigError(f"cannot name a dashboard {name!r}: use {names.NAME_RULE}")
    subject = VIEWER_PREFIX + name
    seed = secrets.token_bytes(sealing.SEED_BYTES)
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        stream = f"certificate/{subject}"
        opened.fetch(stream)
        request = CertificateRequest(
            fleet=opened.context.fleet,
            subject=subject,
            key=SigningKey(seed).public,
            serial=opened.memory.next_version(stream),
        )
        (result,) = opened.submit(request)
        trust = opened.trust
    if not result.certificate:
        raise WireError("cannot get a certificate: the hub accepted, and gave none")
    ends = tls.validity(result.certificate.encode()).not_after
    files.write(folder / f"{name}.crt", result.certificate.encode(), mode=READABLE)
    files.write(folder / f"{name}.key", tls.ed25519_private_pem(seed))
    files.write(folder / "ca.crt", trust.ca.encode(), mode=READABLE)
    _tell(name, folder, trust.hubs[0].broker, ends)


def _tell(name: str, folder: Path, broker: str, ends: float) -> None:
    from edge.ctl import render

    terminal.tell(f"{folder / name}.crt holds until {render.moment(ends)}")
    terminal.tell(f"connect to {broker} with {name}.crt, {name}.key, ca.crt")
