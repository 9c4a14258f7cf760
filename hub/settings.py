"""How this hub is set up: ``hub.toml`` in its state folder, ``EDGE_HUB_*``, flags.

Unknown keys are errors: a misspelt setting that is silently ignored is found out at the
worst moment. Validation happens here, once; inside, values are right.
"""

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge import files
from edge.errors import ConfigError

FILE = "hub.toml"
STATE = Path("/var/lib/tutti-hub")
PREFIX = "EDGE_HUB_"
FILE_MAX = 64 * 1024  # bytes
API_PORT, BROKER_PORT = 8443, 8883
PORT_MAX = 65535
DAY = 24 * 3600.0
LOOPBACK = ("localhost", "127.0.0.1")
EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
YES = frozenset({"true", "yes", "1", "on"})
NO = frozenset({"false", "no", "0", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address and a port; "" listens on every address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything somebody may set; the folder is the only thing that has to be."""

    state: Path = STATE
    """Keys, database, and what the broker reads. Keep a backup of it."""
    url: str = ""
    """``https://host:port`` as devices and operators reach the hub; empty takes the
    first address of this machine."""
    listen: str = ""
    """``address``, ``address:port`` or ``:port`` of the API; every address, port 8443,
    where left out."""
    broker: str = ""
    """``mqtts://host:port`` as devices reach the broker. Empty is the hub's own, on
    this machine; an address without a ``mosquitto`` is somebody else's broker."""
    mosquitto: tuple[str, ...] = ()
    """The program that is started as the broker, and what stands before its own
    arguments; empty is Debian's."""
    broker_listen: str = ""
    """``address``, ``address:port`` or ``:port`` of the hub's own broker."""
    hosts: tuple[str, ...] = ()
    """More names and addresses the certificate should hold for."""
    announce: bool = True
    """Whether devices on the LAN may find the hub by mDNS."""
    certificate_days: float = 90.0
    """Life of a device's certificate. A shorter one limits what a stolen certificate is
    good for; devices renew at two thirds, and also long after it ended."""

    @property
    def is_supervising(self) -> bool:
        """Return whether the broker is the hub's own child."""
        return not self.broker or bool(self.mosquitto)

    @property
    def api(self) -> Place:
        """Return where the API listens."""
        return place(self.listen, API_PORT)

    @property
    def own_broker(self) -> Place:
        """Return where the hub's own broker listens; beside the API by default."""
        if self.broker_listen:
            return place(self.broker_listen, BROKER_PORT)
        if self.broker:
            return Place(host="", port=place_of(self.broker).port)
        return Place(host=self.api.host, port=BROKER_PORT)

    @property
    def broker_connect(self) -> Place:
        """Return where the hub itself reaches the broker."""
        if self.broker:
            return place_of(self.broker)
        own = self.own_broker
        host = LOOPBACK[1] if own.host in EVERYWHERE else own.host
        return Place(host=host, port=own.port)

    @property
    def broker_url(self) -> str:
        """Return where devices reach the broker."""
        if self.broker:
            return self.broker
        host = urlsplit(self.url).hostname or ""
        return f"mqtts://{bracketed(host)}:{self.own_broker.port}"

    def names(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """Return what the server certificate has to hold for.

        ``own`` are this machine's addresses; they count where the API listens on all.
        """
        listens = own if self.api.host in EVERYWHERE else (self.api.host,)
        urls = (urlsplit(url).hostname or "" for url in (self.url, self.broker_url))
        every = (*LOOPBACK, *urls, *listens, *self.hosts)
        return tuple(dict.fromkeys(each for each in every if each))


def load(environment: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Return the settings; raise `ConfigError` naming the source of a bad one."""
    chosen = {key: value for key, value in flags.items() if value is not None}
    found: dict[str, Any] = {}
    for name in _names():
        value = environment.get(PREFIX + name.upper())
        if value is not None:
            found |= _checked({name: value}, PREFIX + name.upper())
    found |= _checked(chosen, "the command line")
    path = found.get("state", STATE) / FILE
    content = files.read(path, at_most=FILE_MAX)
    return Settings(**(_checked(_table(path, content), str(path)) | found))


def render(settings: Settings) -> str:
    """Return the text of a ``hub.toml`` that says what is not the default."""
    plain = Settings()
    lines = [
        f"{each.name} = {_spelled(getattr(settings, each.name))}"
        for each in fields(Settings)
        if each.name != "state"
        and getattr(settings, each.name) != getattr(plain, each.name)
    ]
    return "".join(f"{line}\n" for line in lines)


def place(text: str, port: int) -> Place:
    """Return the parts of ``address:port``; ``port`` where none is written."""
    is_bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
    parts = _split(f"//[{text}]" if is_bare_ipv6 else f"//{text}", text)
    number = _port(parts.port, text) if parts.port is not None else port
    return Place(host=parts.hostname or "", port=number)


def place_of(url: str) -> Place:
    """Return host and port of a broker's address."""
    parts = _split(url, url)
    return Place(host=parts.hostname or "", port=parts.port or BROKER_PORT)


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


class _Parts:
    """Host and port of something that reads like an address."""

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        self.hostname, self.port = parts.hostname, parts.port


def _split(text: str, said: str) -> _Parts:
    try:
        return _Parts(text)
    except ValueError as error:
        raise ConfigError(f"cannot use the address {said!r}: {error}") from error


def _port(number: int, said: str) -> int:
    if not 0 < number <= PORT_MAX:
        raise ConfigError(f"cannot use the address {said!r}: no such port")
    return number


def _names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Settings))


def _table(path: Path, content: bytes | None) -> dict[str, Any]:
    try:
        return tomllib.loads((content or b"").decode())
    except ValueError as error:
        raise ConfigError(f"cannot use {path}: {error}") from error


def _checked(table: Mapping[str, object], source: str) -> dict[str, Any]:
    unknown = sorted(table.keys() - set(_names()))
    if unknown:
        known = ", ".join(_names())
        raise ConfigError(f"cannot use {unknown[0]!r} in {source}: known are {known}")
    return {key: _value(key, value, source) for key, value in table.items()}


def _value(key: str, value: object, source: str) -> object:
    match key:
        case "state":
            return Path(str(value)).absolute()
        case "mosquitto" | "hosts":
            return _words(key, value, source)
        case "announce":
            return _flag(value, source)
        case "certificate_days":
            return _days(value, source)
    if not isinstance(value, str) or not value.isprintable():
        raise _bad(key, value, source, "it is no text")
    if key in {"url", "broker"}:
        return _url(key, value, source)
    place(value, API_PORT)
    return value


def _url(key: str, value: str, source: str) -> str:
    scheme = "https" if key == "url" else "mqtts"
    text = value.rstrip("/")
    try:
        parts = urlsplit(text)
        is_good = parts.scheme == scheme and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if value and (not is_good or text != f"{parts.scheme}://{parts.netloc}"):
        raise _bad(key, value, source, f"write {scheme}://host:port")
    return text


def _words(key: str, value: object, source: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(shlex.split(value))
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise _bad(key, value, source, "it is no list of words")


def _flag(value: object, source: str) -> bool:
    word = str(value).lower()
    if word not in YES | NO:
        raise _bad("announce", value, source, "write true or false")
    return word in YES


def _days(value: object, source: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise _bad("certificate_days", value, source, "give days")
    return number


def _bad(key: str, value: object, source: str, why: str) -> ConfigError:
    return ConfigError(f"cannot use {key} = {value!r} in {source}: {why}")


def _spelled(value: object) -> str:
    """Return a value as TOML; our texts hold no control characters."""
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(_spelled(each) for each in value)}]"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case _:
            return str(value)
