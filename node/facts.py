"""What this device is, as it says itself: labels under ``fact.``, and room for images.

Read from /proc, /sys and statvfs; what the hardware does not tell is left out. Nothing
here is proof of anything: facts never select secrets.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from edge.errors import RuntimeFailure
from edge.model import Facts, Port, Protocol
from node import hardware, listeners
from node.preflight import Room

ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv8l": "arm/v7",
    "armv7l": "arm/v7",
    "armv6l": "arm/v6",
    "i686": "386",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}
"""What uname(2) calls a machine → what OCI images call it, with the variant where one
cannot run the other's programs (as `edge.ctl.registry` signs it)."""
KIB = 1024
HERE = Path("/")
DEVICES_MAX = 256  # what a document carries; a device with more has a driver at fault
LISTEN, UDP_BOUND = "0A", "07"  # states in /proc/net/tcp and udp (net/tcp_states.h)
SOCKET_TABLES: tuple[tuple[str, Protocol, str], ...] = (
    ("tcp", "tcp", LISTEN),
    ("tcp6", "tcp", LISTEN),
    ("udp", "udp", UDP_BOUND),
    ("udp6", "udp", UDP_BOUND),
)
PORTS_MAX = 1024
DISK_NEWS = 0.1
"""Part of the free disk that has to come or go before it is told."""
LOOPBACK = ("0100007F", "00000000000000000000000001000000")  # as /proc/net writes them
FIRST_EPHEMERAL = 32_768  # udp sockets above it belong to clients (ip(7))


def architecture(machine: str | None = None) -> str:
    """Return this machine's architecture as OCI spells it: ``arm64``."""
    word = machine or os.uname().machine
    return ARCHITECTURES.get(word, word)


def read(store: Path, ours: Iterable[Port] = ()) -> Facts:
    """Return the facts of this device; ``ours`` are host ports of our own containers.

    ``store`` is where images are kept. Raises `RuntimeFailure` if that is unreadable.
    """
    space = room(store)
    return Facts(
        architecture=architecture(),
        memory=space.memory_total,
        cpus=len(os.sched_getaffinity(0)),
        disk=space.disk_free,
        model=hardware.model(HERE),
        serial=hardware.serial(HERE),
        cameras=hardware.cameras(HERE),
        disk_total=space.disk_total,
        devices=hardware.devices(HERE)[:DEVICES_MAX],
        ports=taken_ports(Path("/proc/net"), ours, listeners.tcp()),
    )


def settled(before: Facts, now: Facts) -> Facts:
    """Return ``now`` without what changes all the time and tells nothing.

    The hub thinks anew when facts changed; some bytes of log are no reason.
    """
    is_much = abs(now.disk - before.disk) > DISK_NEWS * before.disk
    return now if is_much else msgspec.structs.replace(now, disk=before.disk)


def room(store: Path) -> Room:
    """Return what is left of disk and memory; raise `RuntimeFailure` if unreadable."""
    try:
        disk = os.statvfs(store)
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError as error:
        problem = f"cannot see what space is left in {store}: {error.strerror}"
        raise RuntimeFailure(problem) from error
    memory = parse_meminfo(meminfo)
    return Room(
        disk_free=disk.f_bavail * disk.f_frsize,
        disk_total=disk.f_blocks * disk.f_frsize,
        memory_total=memory["MemTotal"],
        memory_available=memory["MemAvailable"],
    )


def parse_meminfo(text: str) -> dict[str, int]:
    """Return the figures of /proc/meminfo in bytes."""
    lines = [line.split() for line in text.splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * KIB for words in lines if words}


def parse_sockets(text: str, state: str) -> set[int]:
    """Return the ports others can reach in a table such as /proc/net/tcp.

    A socket on the loopback address does not keep a container from its port.
    """
    found = set()
    for line in text.splitlines()[1:]:
        words = line.split()
        address, _, port = words[1].rpartition(":")
        number = int(port, 16)
        is_client = state == UDP_BOUND and number >= FIRST_EPHEMERAL
        if words[3] == state and address not in LOOPBACK and not is_client:
            found.add(number)
    return found


def taken_ports(
    tables: Path, ours: Iterable[Port], tcp: set[int] | None = None
) -> tuple[Port, ...]:
    """Return the ports others listen on, from a folder such as /proc/net.

    Where those of ``tcp`` are known, its tables are not read.
    """
    mine = {(port.host, port.protocol) for port in ours}
    taken: set[tuple[int, Protocol]] = {(number, "tcp") for number in tcp or ()}
    for name, protocol, state in SOCKET_TABLES:
        if protocol == "tcp" and tcp is not None:
            continue
        text = _text(tables / name)
        taken |= {(number, protocol) for number in parse_sockets(text, state)}
    left = sorted(taken - mine)[:PORTS_MAX]
    return tuple(
        Port(host=number, container=number, protocol=protocol)
        for number, protocol in left
        if number
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
