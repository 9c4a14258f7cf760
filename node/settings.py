"""How this device is set up: a TOML file, then ``EDGE_NODE_*``, then flags.

Unknown keys are errors: a misspelt setting that is silently ignored is found out at
the worst moment. Validation happens here, once; inside, values are right.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from edge.errors import ConfigError

DEFAULT_FILE = Path("/etc/tutti/node.toml")
PREFIX = "EDGE_NODE_"
FILE_MAX = 64 * 1024  # bytes
PORT_MAX = 65535
Uplink = Literal["lan", "metered"]
Guarding = Literal["process", "unit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much an uplink profile lets a device say."""

    telemetry_every: float
    """Seconds between telemetry messages."""
    keepalive: int
    """Seconds of silence before an MQTT ping; with TLS one costs 204 bytes."""
    report_every: float
    """Seconds between reports when nothing changes."""


PACES: Mapping[str, Pace] = {
    # Half a kbit/s is 3.7 kB a minute: one telemetry message and four pings are 1.4 kB.
    # A broker that lost its power says nothing: pings are how a device finds out.
    "lan": Pace(telemetry_every=60.0, keepalive=15, report_every=600.0),
    # One MB a month is 1.4 kB an hour: pings take half of it.
    "metered": Pace(telemetry_every=6 * 3600.0, keepalive=1200, report_every=86400.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator may set on a device."""

    state: Path = Path("/var/lib/tutti-node")
    """Keys, documents and the event log; must survive a reboot."""
    run: Path = Path("/run/tutti-node")
    """Opened secrets and status; must not survive a reboot (tmpfs)."""
    podman: str = "unix:///run/podman/podman.sock"
    """Podman's API socket; a socket unit may start the service on demand."""
    name: str = ""
    """The node's name; empty takes the host name. Fixed at enrolment."""
    hub: str = ""
    """``https://host:port``; empty takes the join file's, the trust document's, or
    what mDNS finds."""
    uplink: Uplink = "lan"
    """``metered`` says little: telemetry every six hours."""
    guard: Guarding = "process"
    """Who starts the guard of leases: the daemon, or systemd as ``unit``."""
    mesh_port: int = 8445
    """UDP port on which neighbours talk to each other; the same on all of a site."""
    telemetry_every: float = 0.0
    """Seconds between telemetry messages; 0 takes the uplink profile's."""
    resync_every: float = 300.0
    """Seconds between looks at all containers when nothing happened; a look costs one
    start of Podman's service, about 0.1 s of CPU."""

    @property
    def pace(self) -> Pace:
        """Return the uplink profile with this device's own wishes applied."""
        pace = PACES[self.uplink]
        if not self.telemetry_every:
            return pace
        return replace(pace, telemetry_every=self.telemetry_every)


def load(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """Return the settings; raise `ConfigError` naming the source of a bad one."""
    found: dict[str, Any] = {}
    path = file or DEFAULT_FILE
    if file is not None or path.exists():
        found |= _checked(_read(path), str(path))
    for name in _names():
        value = environment.get(PREFIX + name.upper())
        if value is not None:
            found |= _checked({name: value}, PREFIX + name.upper())
    chosen = {key: value for key, value in flags.items() if value is not None}
    found |= _checked(chosen, "the command line")
    return Settings(**found)


def _names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Settings))


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
        if len(content) > FILE_MAX:
            raise ConfigError(f"cannot use {path}: larger than {FILE_MAX} bytes")
        return tomllib.loads(content.decode())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use {path}: {error}") from error


def _checked(table: Mapping[str, object], source: str) -> dict[str, Any]:
    unknown = sorted(table.keys() - set(_names()))
    if unknown:
        known = ", ".join(_names())
        raise ConfigError(f"cannot use {unknown[0]!r} in {source}: known are {known}")
    return {key: _value(key, value, source) for key, value in table.items()}


def _value(key: str, value: object, source: str) -> object:
    if key in {"state", "run"}:
        return Path(str(value))
    if key in {"telemetry_every", "resync_every"}:
        return _seconds(key, value, source)
    if key == "mesh_port":
        return _port(key, value, source)
    if key == "uplink" and value not in PACES:
        known = " or ".join(PACES)
        raise ConfigError(f"cannot use uplink {value!r} in {source}: say {known}")
    if key == "guard" and value not in get_args(Guarding):
        known = " or ".join(get_args(Guarding))
        raise ConfigError(f"cannot use guard {value!r} in {source}: say {known}")
    if not isinstance(value, str):
        raise ConfigError(f"cannot use {key} = {value!r} in {source}: it is no text")
    return value


def _port(key: str, value: object, source: str) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) <= PORT_MAX:
        raise ConfigError(f"cannot use {key} = {value!r} in {source}: give 1 to 65535")
    return int(text)


def _seconds(key: str, value: object, source: str) -> float:
    try:
        number = float(cast("float", value))
    except (TypeError, ValueError):
        number = -1.0
    if not 0.0 <= number < float("inf"):
        raise ConfigError(f"cannot use {key} = {value!r} in {source}: give seconds")
    return number
