"""`edgectl hub adopt`: root signs a hub into the fleet."""

import re
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from edge import documents, tls
from edge.ctl import home, render, root, terminal, web
from edge.ctl.api import Hub
from edge.ctl.commands.operator import root_key
from edge.ctl.exits import Ended, Exit
from edge.ctl.fleet import PORT, Fleet, open_fleet
from edge.ctl.options import Chosen, shared
from edge.ctl.shapes import HubWord
from edge.documents import HubSite
from edge.errors import ConfigError, WireError
from edge.sealing import is_key

CERTIFICATE_WITHIN = 5.0  # seconds
BYTE = "[0-9a-fA-F]{2}"
PROOF = re.compile(rf"({BYTE}(?::?{BYTE}){{31}})(?::(.{{1,128}}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A hub, and what it takes to sign it in."""

    word: HubWord
    site: HubSite
    code: str
    root_key: Path | None


@click.group()
def hub() -> None:
    """Sign a hub into the fleet."""


@hub.command()
@click.argument("url")
@click.option(
    "--fingerprint",
    required=True,
    metavar="FINGERPRINT[:CODE]",
    help="As `edge-hub init` showed it.",
)
@root_key
@shared
def adopt(chosen: Chosen, url: str, fingerprint: str, root_key: Path | None) -> None:
    """Let the hub at URL decide where things run, within what operators sign.

    Run it again when the hub has another address, broker or certificate authority.
    """
    expected, code = parse_proof(fingerprint)
    at = web.address(url, port=PORT)
    with open_fleet(chosen.context) as opened:
        with _pinned(at, expected) as connection:
            word = Hub(connection).word()
        site = _checked(word, at, opened.context.fleet)
        with web.Connection(at, tls.client_context(word.ca.encode())) as connection:
            connection.open()  # its certificate must be good for this very address
            found = _Found(word=word, site=site, code=code, root_key=root_key)
            _adopt(opened, Hub(connection), found)
        changed = msgspec.structs.replace(opened.context, hub=str(at))
        home.change(opened.name, changed)
        version = opened.trust.version
    terminal.tell(f"adopted {site.url}, in trust document {version}")
    shown = {"hub": site.key, "url": site.url, "broker": site.broker}
    if chosen.is_json:
        terminal.show(render.to_json({**shown, "trust": version}))
        return
    for key, value in shown.items():
        terminal.show(f"{key:10} {value}")


def parse_proof(text: str) -> tuple[str, str]:
    """Return (fingerprint, one-time code); the code may be ""."""
    match = PROOF.fullmatch(text.strip())
    if match is None:
        problem = "cannot read the fingerprint: it is 64 hexadecimal digits"
        raise ConfigError(f"{problem} and, after a colon, the code of `edge-hub init`")
    return match[1].replace(":", "").lower(), match[2] or ""


def _pinned(at: web.Address, expected: str) -> web.Connection:
    certificate = tls.peer_certificate(at.host, at.port, timeout=CERTIFICATE_WITHIN)
    return web.Connection(at, tls.pinned_context(certificate, expected))


def _checked(word: HubWord, at: web.Address, fleet: str) -> HubSite:
    """Return the hub as root would name it; refuse one that is someone else's."""
    if word.adopted and word.fleet != fleet:
        problem = f"cannot adopt {at}: it belongs to fleet {word.fleet!r}"
        raise Ended(Exit.NOT_ALLOWED, problem)
    if not is_key(word.key):
        raise WireError(f"cannot adopt {at}: its key {word.key[:60]!r} is none")
    return HubSite(key=word.key, url=word.url or str(at), broker=word.broker)


def _adopt(opened: Fleet, hub: Hub, found: _Found) -> None:
    """Sign and hand in, unless root says just that already."""
    word = found.word
    if word.adopted:
        opened.learn(hub.trust_since(opened.trust.version))
    trust = opened.trust
    if word.adopted and (trust.hubs, trust.ca) == ((found.site,), word.ca):
        return
    signer = opened.root(found.root_key)
    version = opened.memory.next_version("trust")
    made = root.with_hub(trust, found.site, word.ca, version, opened.now())
    sealed = documents.sign(made, signer)
    # A hub that belongs to nobody wants the chain from its beginning.
    before = () if word.adopted else tuple(opened.memory.chain)
    opened.memory.reserve(made)
    hub.post((*before, sealed), found.code)
    opened.keep(sealed)
