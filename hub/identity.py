"""The hub's own keys and certificates, in its state folder, and what they sign.

- ``hub.key``, ``ca.key``, ``server.key`` are made once by ``edge-hub init`` and never
  replaced; ``server.pem`` is issued again when its hosts change or its time runs out.
- What the hub shows at the broker is made at each start and never touches the disk.
- A missing or damaged file is a `ConfigError` that names it: a hub that made itself
  new keys would be another hub.
"""

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge import files, sealing, tls
from edge.errors import ConfigError
from edge.sealing import SEED_BYTES, SigningKey
from edge.tls import Validity
from edge.trust.devices import VIEWER_PREFIX
from hub import authority
from hub.authority import Authority
from hub.registry import Issued

KEY, CA_KEY, CA, SERVER_KEY, SERVER, HOSTS = (
    "hub.key",
    "ca.key",
    "ca.pem",
    "server.key",
    "server.pem",
    "server.hosts",
)
FILE_MAX = 16 * 1024  # bytes
BACKDATED = 24 * 3600.0
"""Seconds a certificate begins before it is made: another broker's clock may lag."""
SERVER_FOR = 5 * authority.YEAR
CLIENT_FOR = 10 * authority.YEAR
"""The hub's certificate at the broker; its key lives in memory, so only its process
could be robbed of it."""
RENEWED_BEFORE = SERVER_FOR / 3
"""Seconds before its end in which a server certificate is issued anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the hub is; everything is PEM but the signing key."""

    folder: Path
    key: SigningKey
    ca: Authority
    ca_pem: bytes
    server_key: bytes = field(repr=False)
    server: bytes


def exists(folder: Path) -> bool:
    """Return whether ``folder`` holds a hub whose making was finished."""
    return (folder / KEY).exists()


def prepare(folder: Path, hosts: Sequence[str], now: float) -> None:
    """Make a new hub's CA and server certificate; raise `ConfigError` over a hub."""
    if exists(folder):
        problem = f"cannot make a new hub in {folder}: there is one already"
        raise ConfigError(f"{problem}; move the folder aside to start over")
    ca_key, server_key = authority.generate_key(), authority.generate_key()
    ca_pem = authority.create(ca_key, "hub", now)
    ca = authority.load(ca_pem, ca_key)
    for name, content in (
        (CA_KEY, ca_key),
        (CA, ca_pem),
        (SERVER_KEY, server_key),
        (HOSTS, "\n".join(hosts).encode()),
        (SERVER, _issue_server(ca, hosts, server_key, now)),
    ):
        files.write(folder / name, content)


def finish(folder: Path) -> Identity:
    """Make the signing key, whose presence says that everything else is there."""
    files.write(folder / KEY, sealing.to_text(os.urandom(SEED_BYTES)).encode())
    return load(folder)


def load(folder: Path) -> Identity:
    """Return the identity kept in ``folder``; raise `ConfigError` for a broken one."""
    ca_pem = _read(folder / CA)
    try:
        seed = sealing.from_text(_read(folder / KEY).decode().strip())
        key = SigningKey(seed)
    except ValueError as error:
        raise ConfigError(_broken(folder / KEY)) from error
    return Identity(
        folder=folder,
        key=key,
        ca=authority.load(ca_pem, _read(folder / CA_KEY)),
        ca_pem=ca_pem,
        server_key=_read(folder / SERVER_KEY),
        server=_read(folder / SERVER),
    )


def with_server(identity: Identity, hosts: Sequence[str], now: float) -> Identity:
    """Return the identity with a server certificate that holds for ``hosts``.

    Issued anew, for the same key, when one is missing or its last third has begun:
    what an operator compared stays what it was for as long as it can.
    """
    path = identity.folder / HOSTS
    named = (files.read(path, at_most=FILE_MAX) or b"").decode().split()
    due_at = tls.validity(identity.server).not_after - RENEWED_BEFORE
    if set(hosts) <= set(named) and now < due_at:
        return identity
    pem = _issue_server(identity.ca, hosts, identity.server_key, now)
    files.write(identity.folder / SERVER, pem)
    files.write(path, "\n".join(hosts).encode())
    return load(identity.folder)


def fingerprint(identity: Identity) -> str:
    """Return what people compare before they adopt: of the server certificate."""
    return tls.fingerprint(tls.der(identity.server))


def server_context(identity: Identity) -> ssl.SSLContext:
    """Return the context of the API; TLS 1.3 or nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    show(context, identity)
    return context


def show(context: ssl.SSLContext, identity: Identity) -> None:
    """Have a context that is in use show the server certificate as it is now."""
    try:
        context.load_cert_chain(identity.folder / SERVER, identity.folder / SERVER_KEY)
    except (OSError, ValueError) as error:
        raise ConfigError(_broken(identity.folder / SERVER)) from error


def broker_context(identity: Identity, now: float) -> ssl.SSLContext:
    """Return a context that shows the hub to the broker, by a key made just now."""
    seed = os.urandom(SEED_BYTES)
    public = sealing.from_text(SigningKey(seed).public)
    validity = Validity(not_before=now - BACKDATED, not_after=now + CLIENT_FOR)
    certificate = authority.issue_hub(identity.ca, public, validity)
    return tls.device_context(identity.ca_pem, certificate, seed)


def issue(
    identity: Identity, subject: str, key: str, now: float, life: float
) -> Issued:
    """Return a client certificate of ``life`` seconds for a raw public key."""
    window = Validity(not_before=now - BACKDATED, not_after=now + life)
    public = sealing.from_text(key)
    if subject.startswith(VIEWER_PREFIX):
        name = subject.removeprefix(VIEWER_PREFIX)
        pem = authority.issue_viewer(identity.ca, name, public, window)
    else:
        pem = authority.issue_client(identity.ca, subject, public, window)
    return Issued(
        serial=authority.serial(pem),
        subject=subject,
        key=key,
        issued_at=now,
        not_after=window.not_after,
        pem=pem,
    )


def _issue_server(ca: Authority, hosts: Sequence[str], key: bytes, now: float) -> bytes:
    # Devices boot in 1970 and judge by a floor that may be years old.
    validity = Validity(not_before=authority.EPOCH, not_after=now + SERVER_FOR)
    return authority.issue_server(ca, hosts, key, validity)


def _read(path: Path) -> bytes:
    content = files.read(path, at_most=FILE_MAX)
    if content is None:
        problem = f"cannot find {path}; run `edge-hub init`"
        raise ConfigError(f"{problem}, or restore it from a backup")
    return content


def _broken(path: Path) -> str:
    return f"cannot use {path}: it is damaged; restore it from a backup"
