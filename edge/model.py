"""What an operator may ask for: the frozen shapes inside a deployment.

Everything here is already resolved and validated: sizes in bytes, times in seconds,
images pinned to digests. `edge.manifest` makes these from what a person wrote; the
same shapes are signed, travel, and are read back by every device.
Defaults are the hardened ones; a field that weakens one is therefore always visible in
the signed bytes, because defaults are not written.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.names import (
    Counter,
    Digest,
    KeyText,
    Labels,
    Name,
    Seconds,
    Short,
    SlotName,
    Text,
)

MIB = 1024 * 1024

Failover = Literal["available", "strict", "none"]
Rejoin = Literal["keep_original", "keep_taker", "keep_longest"]
Network = Literal["bridge", "host", "none"]
Protocol = Literal["tcp", "udp"]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Bytes = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Words = Annotated[tuple[Text, ...], Meta(max_length=256)]
Environment = Annotated[dict[Short, Text], Meta(max_length=256)]


class Value(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A part of a document: frozen, strict, with one spelling."""


class PlatformImage(Value, frozen=True):
    """One architecture of an image: its manifest digest and image ID."""

    architecture: Short
    manifest: Digest
    image_id: Digest


class Image(Value, frozen=True):
    """An image pinned for good: saving and loading changes a manifest, not the ID.

    ``reference`` is ``registry/repository``, without tag or digest; ``tag`` is what
    the person wrote, for display only; ``digest`` is what the registry answers to.
    """

    reference: Short
    digest: Digest
    platforms: tuple[PlatformImage, ...]
    tag: Short = ""

    @property
    def pinned(self) -> str:
        """Return the name to pull: ``registry/repository@sha256:…``."""
        return f"{self.reference}@{self.digest}"


class Port(Value, frozen=True):
    """A published port; ``host`` is the device's, ``container`` inside."""

    host: PortNumber
    container: PortNumber
    protocol: Protocol = "tcp"
    address: Short = ""


class Volume(Value, frozen=True):
    """A folder kept outside the container.

    ``source`` is a volume's name, or a path on the device when it begins with ``/``.
    """

    source: Text
    target: Text
    read_only: bool = False


class Resources(Value, frozen=True):
    """Limits the kernel enforces; 0 means no limit, except ``pids``."""

    memory: Bytes = 0
    """Bytes."""
    cpus: Annotated[float, Meta(ge=0, le=4096)] = 0.0
    """Cores; 0.25 is a quarter of one."""
    pids: Annotated[int, Meta(ge=1, le=2**22)] = 256
    """Processes and threads; a fork bomb stops here."""


class Health(Value, frozen=True):
    """How to tell that a replica works; exactly one of http, tcp, command is set."""

    http: Text = ""
    """``http://:80/healthz``; an empty host is the container itself."""
    tcp: Short = ""
    """``:80`` or ``host:port``."""
    command: Words = ()
    every: Annotated[float, Meta(ge=0.1, le=86400)] = 10.0
    timeout: Annotated[float, Meta(ge=0.1, le=3600)] = 2.0
    start_period: Seconds = 0.0
    """Seconds after a start in which failures do not count."""
    fail_after: Annotated[int, Meta(ge=1, le=1000)] = 3
    """Failures in a row that make a replica unhealthy."""


class Security(Value, frozen=True):
    """What is given back of what was taken away; empty is fully hardened."""

    capabilities: Words = ()
    """Kernel capabilities to keep, without ``CAP_``; all others are dropped."""
    privileges: bool = False
    """Whether set-uid programs may gain privileges (no-new-privileges off)."""
    seccomp: bool = True
    read_only: bool = False
    """Whether the container's own root file system is read-only (a hardening)."""


class Workload(Value, frozen=True):
    """One container definition in a deployment."""

    name: Name
    image: Image
    replicas: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """How many copies in the fleet; 0 when ``every`` is set."""
    every: Short = ""
    """``key=value``: one copy on every device that carries the label; ``*``: on all."""
    failover: Failover = "none"
    rejoin: Rejoin = "keep_longest"
    """Which copy stays when a device that was taken for dead is back."""
    lease: Annotated[float, Meta(ge=3, le=3600)] = 8.0
    """Seconds a ``strict`` replica may run on one round of grants."""
    require: Labels = {}
    """Labels a device must carry, ``fact.`` ones included."""
    prefer: Labels = {}
    """Labels that make a device the better choice."""
    sites: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    """Sites it may run at; empty means any."""
    command: Words = ()
    entrypoint: Words = ()
    env: Environment = {}
    user: Short = ""
    working_folder: Text = ""
    network: Network = "bridge"
    ports: Annotated[tuple[Port, ...], Meta(max_length=128)] = ()
    volumes: Annotated[tuple[Volume, ...], Meta(max_length=64)] = ()
    devices: Words = ()
    """Device nodes such as ``/dev/video0``, passed through."""
    secrets: Annotated[dict[Name, Text], Meta(max_length=64)] = {}
    """Secret's short name → file in the container (``/run/secrets/token``)."""
    resources: Resources = Resources()
    security: Security = Security()
    health: Health | None = None
    init: bool = True
    """Whether a tiny init reaps zombies and passes signals on."""
    stop_signal: Short = ""
    stop_after: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """Seconds between the stop signal and SIGKILL."""
    takers: Annotated[int, Meta(ge=0, le=100)] = 2
    """How many stand-ins hold this workload's secrets."""


class ReplicaPlace(Value, frozen=True):
    """One replica as the hub assigns it: the slot, at which revision, which term."""

    slot: SlotName
    deployment: Name
    workload: Name
    version: Counter
    term: Counter = 1


ReplicaState = Literal[
    "waiting", "pulling", "starting", "running", "backing-off", "stopping", "failed"
]


class ReplicaStatus(Value, frozen=True):
    """One replica as its node sees it."""

    slot: SlotName
    deployment: Name
    workload: Name
    version: Counter
    state: ReplicaState
    term: Counter = 1
    healthy: bool = False
    since: Seconds = 0.0
    """Seconds since the epoch, by the device's clock, of the last change."""
    restarts: Counter = 0
    proved: bool = False
    """Whether this version has been healthy here for as long as its rollout asks."""
    reason: Text = ""
    """Why it is not running or not healthy; a sentence for people."""


class Facts(Value, frozen=True):
    """What a device is, as it says itself; never selects secrets."""

    architecture: Short
    memory: Bytes
    """Bytes."""
    cpus: Counter
    disk: Bytes = 0
    """Bytes free where images go."""
    disk_total: Bytes = 0
    """Bytes of the file system where images go."""
    model: Short = ""
    serial: Short = ""
    """The maker's serial number, "" where none is worth the name."""
    cameras: Counter = 0
    devices: Words = ()
    ports: Annotated[tuple[Port, ...], Meta(max_length=1024)] = ()
    """Host ports that something other than Tutti already listens on."""


class Held(Value, frozen=True):
    """The newest of one stream a device holds."""

    stream: Short
    version: Counter
    digest: Digest


class SealedText(Value, frozen=True):
    """Text in a box, and the key of the box sealed to each who may read it."""

    box: Annotated[str, Meta(max_length=8192)]
    """Nonce and box (XSalsa20-Poly1305), base64url."""
    keys: Annotated[
        dict[KeyText, Annotated[str, Meta(max_length=128)]], Meta(max_length=64)
    ]
    """Sealing key of a reader → the box's key, sealed to it, base64url."""


class Failure(Value, frozen=True):
    """A version that failed its trial on this device: advice, never an order."""

    slot: SlotName
    deployment: Name
    version: Counter
    at: Seconds = 0.0
    """Seconds since the epoch, by the device's clock."""
    reason: Text = ""
    log: Annotated[str, Meta(max_length=4096)] = ""
    """Read, as golden samples ask for, and written by nobody: see `sealed_log`."""
    sealed_log: SealedText | None = None
    """The last lines it wrote: nobody's business on the way to the operators."""


NeighbourState = Literal["unknown", "alive", "suspect", "dead", "leaving"]


class Neighbour(Value, frozen=True):
    """Another device of the site, as one device sees it over the mesh."""

    device: Short
    name: Name
    state: NeighbourState
    reason: Text = ""
    has_hub: bool = False
    """Whether it says that its own link to the hub is up."""
    beat: Annotated[str, Meta(max_length=512)] = ""
    """Its newest signed sign of life, base64url, where it has no link to the hub."""
