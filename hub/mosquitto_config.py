"""What Mosquitto is told: its configuration and who may read and write what.

Rules:

- Only TLS 1.3 with a client certificate of the fleet's CA. The CN is the user name
  and the client id, so nobody takes over another's session.
- The access list names patterns, not devices: it changes only with a dashboard, and
  enrolling 10,000 devices needs no reload.
- Every resource one client could exhaust has a limit.
- Whatever cannot stand on one line of the file is refused.

A dashboard (``view.<name>``) has a certificate of its own and reads telemetry and
status. One certificate for all of them would not do: two connections of one name
close each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge import names, topics
from edge.errors import ConfigError
from edge.names import FleetName
from edge.trust.devices import VIEWER_PREFIX

CA, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
CRL, ACL, CONFIG = "crl.pem", "acl", "mosquitto.conf"
STATE, DATABASE = "state", "mosquitto.db"  # the only folder the broker writes to
MIB = 1024 * 1024

TEMPLATE = """\
# Written by edge-hub whenever it starts the broker; edits are lost.
{account}log_dest stderr
log_timestamp false
log_type error
log_type warning
log_type notice
log_type information
connection_messages false

allow_anonymous false
acl_file {folder}/{acl}
set_tcp_nodelay true
sys_interval 0

max_packet_size {packet_max}
max_keepalive {keepalive_max}
max_queued_messages {queued_max}
max_queued_bytes {queued_bytes_max}
memory_limit {memory_max}
persistent_client_expiration 1d

persistence true
persistence_location {folder}/{state}/
persistence_file {database}
autosave_interval {save_every}

listener {port}{address}
max_connections {connections_max}
max_qos 1
tls_version tlsv1.3
cafile {folder}/{ca}
certfile {folder}/{certificate}
keyfile {folder}/{key}
crlfile {folder}/{crl}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""

# Under ``edge/v1/<fleet>/``; %u is the CN of whoever asks.
DEVICE_READS = (
    "fleet/#",
    "nodes/%u/desired",
    "nodes/%u/plan",
    "nodes/%u/wanted",
    "nodes/%u/secrets",
    "nodes/%u/call",
    "nodes/%u/mesh/#",
)
DEVICE_WRITES = (
    "nodes/%u/report",
    "nodes/%u/status",
    "nodes/%u/event",
    "nodes/%u/documents",
    "nodes/%u/telemetry/#",
    "nodes/%u/answer",
    "nodes/%u/stream/#",
    "nodes/+/mesh/%u",
)
VIEWER_READS = ("nodes/+/status", "nodes/+/telemetry/#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one broker may use; the defaults hold 10,000 devices in half a gigabyte."""

    connections_max: int = 12_000
    packet_max: int = 2 * MIB
    """Twice the largest bundle a hub publishes (`edge.envelope.BUNDLE_MAX`)."""
    keepalive_max: int = 3600
    """Seconds: the longest silence of a connection before the broker closes it."""
    queued_max: int = 20_000
    """Messages waiting for one client: two of every device for a hub that is busy."""
    queued_bytes_max: int = 64 * MIB
    memory_max: int = 512 * MIB
    """Bytes of messages in all; beyond, whoever sends is disconnected."""
    save_every: int = 300
    """Seconds between copies of the retained messages on disk. A copy is a
    convenience: the hub and the devices publish again what a killed broker lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the broker listens, and the folder that holds all it reads and writes."""

    folder: str
    """Absolute; for the broker alone."""
    port: int = 8883
    address: str = ""
    """One address to listen on; all of them when empty."""
    keeps_root: bool = False
    """Started as root, stay root: the folder is where no other account can go."""
    limits: Limits = Limits()


def config(settings: Settings) -> str:
    """Return ``mosquitto.conf``; raise `ConfigError` for what it cannot hold."""
    limits = settings.limits
    return TEMPLATE.format(
        account="user root\n" if settings.keeps_root else "",
        folder=_line(settings.folder, "folder"),
        acl=ACL,
        packet_max=limits.packet_max,
        keepalive_max=limits.keepalive_max,
        queued_max=limits.queued_max,
        queued_bytes_max=limits.queued_bytes_max,
        memory_max=limits.memory_max,
        save_every=limits.save_every,
        state=STATE,
        database=DATABASE,
        port=settings.port,
        address=f" {_line(settings.address, 'address')}" if settings.address else "",
        connections_max=limits.connections_max,
        ca=CA,
        certificate=CERTIFICATE,
        key=KEY,
        crl=CRL,
    )


def acl(fleet: FleetName, viewers: Iterable[str] = ()) -> str:
    """Return the access list of a fleet and its dashboards (names without ``view.``).

    Patterns hold for every user. To the hub and to dashboards they grant topics under
    names that no device can have, and that nobody reads.
    """
    root = f"{topics.root(_name(fleet, 'fleet'))}/"
    lines = [f"user {names.HUB_IDENTITY}", f"topic readwrite {root}#"]
    for viewer in sorted(set(viewers)):
        lines += ["", f"user {VIEWER_PREFIX}{_name(viewer, 'dashboard')}"]
        lines += [f"topic read {root}{topic}" for topic in VIEWER_READS]
    lines += ["", *(f"pattern read {root}{topic}" for topic in DEVICE_READS)]
    lines += [f"pattern write {root}{topic}" for topic in DEVICE_WRITES]
    return "\n".join(lines) + "\n"


def _name(name: str, kind: str) -> FleetName:
    if not names.is_name(name):
        raise ConfigError(f"cannot write rules for {kind} {name!r}: {names.NAME_RULE}")
    return FleetName(name)


def _line(value: str, kind: str) -> str:
    if not value.isprintable() or value != value.strip():
        problem = f"cannot give the broker {kind} {value!r}"
        raise ConfigError(f"{problem}: use printable characters and no outer spaces")
    return value
