"""Guests of a lab: virtual machines on its switch, which ask for their addresses.

A guest is a whole computer with firmware and kernel of its own, as `edgectl image run`
boots it. The lab gives it a cable (a tap device in the switch's namespace) and, by
DHCP, the address that its MAC stands for: the answers follow from the lab's subnet
alone, so nothing of them has to be kept. With the switch's namespace everything here
is gone, and so are virtual machines started inside it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from edge import files
from edge.errors import LabError
from edge.lab import network, processes, programs
from edge.lab.layout import (
    FIRST_GUEST_OCTET,
    MOST_GUESTS,
    SWITCH_OCTET,
    LabLayout,
    mac_of,
)
from edge.lab.state import NAMESPACES

LEASE = 3600  # seconds; the answer to the next question is the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """A guest's place on the switch: ``tap`` exists inside of ``namespace``."""

    tap: str
    mac: str
    address: str
    namespace: Path

    @property
    def enter(self) -> tuple[str, ...]:
        """What to put before a command that shall open the tap."""
        return ("nsenter", f"--net={self.namespace}")


def plan(lab: LabLayout, number: int) -> Cable:
    """Return the cable of guest ``number``, from 1 on; it need not be laid.

    Raises:
        LabError: a lab has no room for so many.
    """
    if not 1 <= number <= MOST_GUESTS:
        raise LabError(f"cannot plug in guest {number}: a lab has 1 to {MOST_GUESTS}")
    address = lab.subnet[FIRST_GUEST_OCTET + number - 1]
    return Cable(
        tap=f"g{number}",
        mac=mac_of(address),
        address=str(address),
        namespace=NAMESPACES / lab.lan,
    )


def attach(lab: LabLayout, number: int) -> Cable:
    """Lay the cable of a guest, and have somebody answer its DHCP; again is fine.

    Raises:
        LabError: the lab is not up, or there is no room.
    """
    cable = plan(lab, number)
    if not cable.namespace.exists():
        raise LabError(f"cannot plug in a guest: lab {lab.name} is not up")
    _answer(lab)
    if cable.tap not in network.links(lab):
        network.batch(
            f"tuntap add dev {cable.tap} mode tap",
            f"link set dev {cable.tap} master {network.BRIDGE} up",
            namespace=lab.lan,
        )
    return cable


def detach(lab: LabLayout, number: int) -> None:
    """Take the cable of a guest away; nothing there is fine."""
    cable = plan(lab, number)
    if cable.tap in network.links(lab):
        programs.call("ip", "-n", lab.lan, "link", "delete", "dev", cable.tap)


def set_link(lab: LabLayout, number: int, *, up: bool) -> None:
    """Plug the guest's cable in or out at the switch."""
    state = "up" if up else "down"
    tap = plan(lab, number).tap
    programs.call("ip", "-n", lab.lan, "link", "set", "dev", tap, state)


def configuration(lab: LabLayout, folder: Path) -> str:
    """Return what udhcpd reads: which MAC gets which address, and the lab's gateway."""
    cables = [plan(lab, number) for number in range(1, MOST_GUESTS + 1)]
    lines = (
        f"start {cables[0].address}",
        f"end {cables[-1].address}",
        f"max_leases {MOST_GUESTS}",
        f"interface {network.BRIDGE}",
        f"lease_file {folder / 'dhcp.leases'}",
        f"pidfile {folder / 'dhcp.pid'}",
        f"option subnet {lab.subnet.netmask}",
        f"option router {lab.host_address}",
        f"option lease {LEASE}",
        *(f"static_lease {each.mac} {each.address}" for each in cables),
    )
    return "\n".join(lines) + "\n"


def _answer(lab: LabLayout) -> None:
    """Start the DHCP server unless it runs; it dies with the switch's namespace."""
    record = lab.processes / "dhcp"
    if processes.recall(record) is not None:
        return
    _address_switch(lab, lab.subnet[SWITCH_OCTET])
    config = lab.run / "dhcp.conf"
    files.write(config, configuration(lab, lab.run).encode())
    (lab.run / "dhcp.leases").touch()
    process = processes.start(
        ("busybox", "udhcpd", "-f", "-S", str(config)),
        environ={},
        log=lab.logs / "dhcp.log",
        namespace=NAMESPACES / lab.lan,
    )
    processes.record(record, process)


def _address_switch(lab: LabLayout, address: IPv4Address) -> None:
    """A server needs an address to answer from."""
    network.batch(
        f"address replace {address}/{lab.subnet.prefixlen} dev {network.BRIDGE}",
        namespace=lab.lan,
    )
