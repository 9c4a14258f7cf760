"""When two published ports can not be on one device.

The same number and protocol clash when they are the same address or when one of them
is every address. An IPv6 wildcard counts for IPv4 as well: Linux opens both.
"""

from edge.model import Port

EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def clash(one: Port, other: Port) -> bool:
    """Return whether both ask for the same port of a device."""
    if (one.host, one.protocol) != (other.host, other.protocol):
        return False
    wide = EVERY_ADDRESS.intersection((one.address, other.address))
    return bool(wide) or one.address == other.address


def spelled(port: Port) -> str:
    """Return a device's port as people write it: ``8080/tcp``."""
    return f"{port.host}/{port.protocol}"
