"""What lies on the partition TUTTI: a join file, settings of the network, a read-me.

The join file is a key. It is checked here, before it gets on a thousand cards, with the
same code that the device reads it by.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from edge import joinfile, networkfile
from edge.documents import Voucher
from edge.errors import ConfigError
from edge.networkfile import NetworkFile

JOIN, NETWORK, README = "join.toml", "network.toml", "README.txt"
NO_NETWORK = """\
# Settings of the network; with nothing here, DHCP is asked. A device reads this at
# every start. Take away the marks of the lines you need:
#
# hostname = "till-7"
# ntp = ["192.168.1.1"]
#
# [ethernet]
# address = "192.168.1.20/24"
# gateway = "192.168.1.1"
# dns = ["192.168.1.1"]
#
# [[wifi]]
# ssid = "shop"
# password = "the password of the Wi-Fi"
"""
TEXT = """\
This device belongs to a fleet that Tutti runs.

join.toml     lets the device join the fleet. Whoever holds it can add devices, so treat
              this card like a key. The device removes the file once it has joined.
              To join another fleet, put another join.toml here.
network.toml  settings of the network, read at every start of the device.

Nothing else on this disk is meant to be changed. What the device is doing, and its
fingerprint, is on its screen and its serial console.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Checked contents of the partition; "" for a file that is not there."""

    join: str = ""
    network: str = NO_NETWORK

    @property
    def files(self) -> dict[str, bytes]:
        """The files by name."""
        found = {JOIN: self.join, NETWORK: self.network, README: TEXT}
        return {name: text.encode() for name, text in found.items() if text}

    @property
    def terms(self) -> Voucher | None:
        """What the join file's voucher allows, None without one."""
        return joinfile.voucher(joinfile.parse(self.join)) if self.join else None


def join_text(text: str, hubs: tuple[str, ...], now: float) -> str:
    """Return the text of a join file, with other hubs where some are given.

    Raises:
        ConfigError: a device could not join by it.
    """
    join = joinfile.parse(text)
    closes_at = joinfile.voucher(join).closes_at
    if closes_at <= now:
        until = datetime.fromtimestamp(closes_at, UTC).strftime("%Y-%m-%d %H:%M")
        problem = f"cannot use the join file: its voucher closed at {until} UTC"
        raise ConfigError(f"{problem}; {joinfile.NEW_ONE}")
    return joinfile.render(replace(join, hubs=hubs)) if hubs else text


def network_text(text: str, wifi: str = "") -> str:
    """Return the text of ``network.toml``, with the tables of a Wi-Fi file added.

    Raises:
        ConfigError: a device could not read it.
    """
    network = networkfile.parse(text)
    if not wifi:
        return text
    extra = networkfile.parse(wifi)
    if not extra.wifi or extra != NetworkFile(wifi=extra.wifi):
        problem = "it is not made of [[wifi]] tables alone"
        raise ConfigError(f"cannot use the Wi-Fi file: {problem}")
    if network.wifi:
        problem = "the network file names some already; put all of them there"
        raise ConfigError(f"cannot add the Wi-Fi networks: {problem}")
    both = f"{text.rstrip()}\n\n{wifi.strip()}\n"
    networkfile.parse(both)
    return both
