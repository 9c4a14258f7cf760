"""``network.toml`` of a device's card: what a person may say about its network.

Read by a device at every boot and checked by ``edgectl`` before it is written to a
card. Every table and field is optional; what is not said is DHCP with link-local
addresses beside it, which needs no file at all.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any

from edge import names
from edge.errors import ConfigError

FILE_MAX = 16 * 1024
"""Bytes; a file with every field set has less than two thousand."""
LIST_MAX = 16
HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
REGISTRY = re.compile(
    r"(?=.{1,255}$)([A-Za-z0-9.-]+|\[[0-9a-f:]+\](?=:))(:(?P<port>[0-9]{1,5}))?"
)
PORT_MAX = 65535
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
"""A card's name as Linux has it (IFNAMSIZ), without networkd's patterns."""
PREFIX = re.compile(r"[^/]+/[0-9]{1,3}")
"""An address and how many bits its network has: networkd knows no netmasks."""
SCOPE = "%"
"""Begins a card's name in an address such as ``fe80::1%eth0``. Python takes anything
behind it, line ends included, and what is read here becomes lines of other files."""
SSID_MAX = 32
"""Bytes of a network's name (IEEE 802.11)."""
PASSWORD = re.compile(r"[ -~]{8,63}")
"""What WPA2 takes for a passphrase (IEEE 802.11, annex J.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ethernet:
    """A fixed address for the cable; ``address`` with its prefix: 192.168.1.20/24.

    ``interface`` is the card it is for, "" where there is only one.
    """

    address: str
    gateway: str = ""
    dns: tuple[str, ...] = ()
    interface: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wifi:
    """A wireless network; an empty password means an open one."""

    ssid: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """What a network file says; the empty one is what no file at all says."""

    hostname: str = ""
    ntp: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    """Registries on the device's own LAN that are asked without TLS."""
    ethernet: Ethernet | None = None
    wifi: tuple[Wifi, ...] = ()


def parse(text: str) -> NetworkFile:
    """Return what the file says.

    Raises:
        ConfigError: it is too long, no TOML, or a field is unknown or cannot be used;
            names the field and what it may be.
    """
    if len(text.encode(errors="replace")) > FILE_MAX:
        raise _unusable("file", f"larger than {FILE_MAX} bytes")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unusable("file", f"damaged ({error})") from error
    _known(table, "", "hostname", "ntp", "insecure_registries", "ethernet", "wifi")
    return NetworkFile(
        hostname=_hostname(table),
        ntp=_list(table, "ntp", _is_server, "servers: names or addresses"),
        insecure_registries=_list(
            table, "insecure_registries", _is_registry, "registries: host:port"
        ),
        ethernet=_ethernet(table["ethernet"]) if "ethernet" in table else None,
        wifi=_wifis(table.get("wifi", [])),
    )


def _hostname(table: Mapping[str, Any]) -> str:
    value = table.get("hostname", "")
    if value != "" and not (isinstance(value, str) and names.is_name(value)):
        raise _unusable("hostname", f"{value!r}; a name is {names.NAME_RULE}")
    return str(value)


def _ethernet(value: object) -> Ethernet:
    table = _table(value, "ethernet")
    _known(table, "ethernet.", "address", "gateway", "dns", "interface")
    address = table.get("address")
    if not _is_interface(address):
        raise _unusable("ethernet.address", f"{address!r}; write 192.168.1.20/24")
    gateway = table.get("gateway", "")
    if gateway != "" and not _is_address(gateway):
        raise _unusable("ethernet.gateway", f"{gateway!r}; write an address")
    dns = _list(table, "dns", _is_address, "addresses", place="ethernet.")
    return Ethernet(
        address=str(address),
        gateway=str(gateway),
        dns=dns,
        interface=_interface(table.get("interface", "")),
    )


def _interface(value: object) -> str:
    if value == "" or (isinstance(value, str) and INTERFACE.fullmatch(value)):
        return value
    raise _unusable("ethernet.interface", f"{value!r}; write a card's name: eth0")


def _wifis(value: object) -> tuple[Wifi, ...]:
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise _unusable("wifi", f"write up to {LIST_MAX} tables [[wifi]]")
    return tuple(_wifi(_table(each, "wifi")) for each in value)


def _wifi(table: Mapping[str, Any]) -> Wifi:
    _known(table, "wifi.", "ssid", "password")
    ssid, password = table.get("ssid"), table.get("password", "")
    is_text = isinstance(ssid, str) and ssid.isprintable()
    if not is_text or not 0 < len(str(ssid).encode()) <= SSID_MAX:
        raise _unusable("wifi.ssid", f"{ssid!r}; it has 1 to {SSID_MAX} bytes")
    is_word = isinstance(password, str) and PASSWORD.fullmatch(password)
    if password != "" and not is_word:
        raise _unusable("wifi.password", "it has 8 to 63 ASCII characters")
    return Wifi(ssid=str(ssid), password=str(password))


def _list(
    table: Mapping[str, Any],
    key: str,
    is_good: Callable[[object], bool],
    kind: str,
    *,
    place: str = "",
) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise _unusable(place + key, f"write a list of up to {LIST_MAX} {kind}")
    for each in value:
        if not is_good(each):
            raise _unusable(place + key, f"{each!r}; these are {kind}")
    return tuple(str(each) for each in value)


def _is_server(value: object) -> bool:
    return isinstance(value, str) and (
        HOST.fullmatch(value) is not None or _is_address(value)
    )


def _is_registry(value: object) -> bool:
    found = REGISTRY.fullmatch(value) if isinstance(value, str) else None
    return found is not None and 0 < int(found["port"] or 1) <= PORT_MAX


def _is_address(value: object) -> bool:
    return isinstance(value, str) and _can(ip_address, value)


def _is_interface(value: object) -> bool:
    is_long = isinstance(value, str) and PREFIX.fullmatch(value) is not None
    return is_long and _can(ip_interface, str(value))


def _can(read: Callable[[str], object], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return SCOPE not in value


def _table(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unusable(place, "write a table")
    return value


def _known(table: Mapping[str, Any], place: str, *fields: str) -> None:
    if unknown := sorted(table.keys() - set(fields)):
        known = ", ".join(fields)
        raise _unusable(f"{place}{unknown[0]}", f"unknown field; known are {known}")


def _unusable(place: str, problem: str) -> ConfigError:
    return ConfigError(f"cannot use network.toml: {place}: {problem}")
