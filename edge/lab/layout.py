"""Where everything of a lab is: names, addresses and paths, all derived.

A lab is known by its name, its /24 and its nodes with their sites. Everything else
follows, so a lab whose record is damaged can still be found and removed by name:

- namespaces ``<lab>-lan`` (the switch) and ``<lab>-<machine>``; a lab's name holds no
  hyphen, so no lab's namespaces look like another's;
- ``.1`` is the host and the registry, ``.2`` the hub, ``.3`` the broker, nodes from
  ``.11``, guests (`edge.lab.guests`) from ``.231``; a machine's MAC is its address
  behind a locally administered prefix, the same after every boot;
- a machine's *disk* is ``folder`` (survives power loss), its *memory* is ``run`` (a
  tmpfs, gone with the power). Sockets are in ``run``: their paths must stay short.

Pure: nothing here looks at the machine it runs on. The environment is an argument.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path

from edge import names
from edge.errors import LabError

DEFAULT_NAME = "lab"
DEFAULT_SUBNET = "10.90.0.0/24"
DEFAULT_SITE = "lab"
DEFAULT_NODES = 3
HUB = "hub"
BROKER = "broker"
LAN = "lan"
REGISTRY_PORT = 5000
RUN = Path("/run/tutti")  # not configurable: a Unix socket's path ends at 108 bytes

PREFIX_LENGTH = 24
HOST_OCTET = 1
HUB_OCTET = 2
BROKER_OCTET = 3
SWITCH_OCTET = 4  # only while there are guests: their DHCP comes from it
FIRST_NODE_OCTET = 11
FIRST_GUEST_OCTET = 231
LAST_OCTET = 254  # .255 is the broadcast address
MOST_NODES = FIRST_GUEST_OCTET - FIRST_NODE_OCTET
MOST_GUESTS = LAST_OCTET - FIRST_GUEST_OCTET + 1
# 15 is the kernel's longest interface name; the host's end is called <lab>-lan.
NAME = re.compile(r"[a-z][a-z0-9]{0,10}")
RESERVED_NAMES = frozenset({"netns", "cni"})  # Podman's own namespaces: netns-<uuid>
DELAY = re.compile(r"(?P<least>\d{1,6})(ms)?(-(?P<most>\d{1,6})ms)?")
LONGEST_DELAY = 60.0  # seconds
MILLISECONDS = 1000
NODE_NAME = re.compile(r"n[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node before it has an address: its name and its site."""

    name: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of a lab and every name that follows from it.

    ``site`` is empty for the hub and the broker. ``port`` is the machine's end in the
    switch; inside its namespace the machine sees ``eth0``.
    """

    name: str
    site: str
    address: str
    mac: str
    namespace: str
    folder: Path
    run: Path

    @property
    def port(self) -> str:
        """The interface on the switch's side of the machine's cable."""
        return self.name

    @property
    def has_podman(self) -> bool:
        """Whether the machine runs containers: nodes do, hub and broker do not."""
        return self.name not in (HUB, BROKER)

    @property
    def namespace_path(self) -> Path:
        """The file that ``nsenter --net`` takes."""
        return Path("/run/netns") / self.namespace

    @property
    def state(self) -> Path:
        """The folder on the machine's disk that is free for what runs on it."""
        return self.folder / "state"

    @property
    def etc(self) -> Path:
        """Podman's configuration, and the home folder it looks for more in."""
        return self.folder / "etc"

    @property
    def runtime(self) -> Path:
        """The machine's own OCI runtime command (runc or crun with its own root)."""
        return self.etc / "runtime"

    @property
    def store(self) -> Path:
        """Podman's ``--root``: images and containers."""
        return self.folder / "containers"

    @property
    def networks(self) -> Path:
        """Podman's network definitions."""
        return self.folder / "networks"

    @property
    def runroot(self) -> Path:
        """Podman's ``--runroot``."""
        return self.run / "run"

    @property
    def tmpdir(self) -> Path:
        """Podman's ``--tmpdir``; conmon's exit files are in ``exits`` below it."""
        return self.run / "tmp"

    @property
    def socket(self) -> Path:
        """Where Podman's API answers."""
        return self.run / "podman.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabLayout:
    """One lab: build it with `plan`, which checks the parts."""

    name: str
    subnet: IPv4Network
    places: tuple[Place, ...]
    home: Path

    @property
    def folder(self) -> Path:
        """What survives a reboot of the host: record, disks, registry, logs."""
        return self.home / self.name

    @property
    def run(self) -> Path:
        """What does not: sockets and the machines' memory."""
        return RUN / self.name

    @property
    def record(self) -> Path:
        """The file that says what the lab is."""
        return self.folder / "lab.json"

    @property
    def processes(self) -> Path:
        """One small file for each process the lab started."""
        return self.folder / "processes"

    @property
    def logs(self) -> Path:
        """What the lab's processes printed."""
        return self.folder / "logs"

    @property
    def registry_folder(self) -> Path:
        """The registry's configuration and content."""
        return self.folder / "registry"

    @property
    def lan(self) -> str:
        """The switch's namespace, and the host's interface into it."""
        return f"{self.name}-{LAN}"

    @property
    def host_address(self) -> str:
        """The address of the host inside the lab, gateway of every machine."""
        return str(self.subnet[HOST_OCTET])

    @property
    def host_mac(self) -> str:
        """The MAC of the host's interface into the lab."""
        return mac_of(self.subnet[HOST_OCTET])

    @property
    def registry(self) -> str:
        """The registry as it stands in image references: ``10.90.0.1:5000``."""
        return f"{self.host_address}:{REGISTRY_PORT}"

    @property
    def hub(self) -> Machine:
        """The machine meant for ``edge-hub``."""
        return self._machine(Place(name=HUB, site=""), HUB_OCTET)

    @property
    def broker(self) -> Machine:
        """The machine meant for a broker of its own."""
        return self._machine(Place(name=BROKER, site=""), BROKER_OCTET)

    @property
    def nodes(self) -> tuple[Machine, ...]:
        """The machines that run containers, in the order of their numbers."""
        return tuple(
            self._machine(place, FIRST_NODE_OCTET + int(place.name[1:]) - 1)
            for place in self.places
        )

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines: hub, broker, nodes."""
        return (self.hub, self.broker, *self.nodes)

    def machine(self, name: str) -> Machine:
        """Return the machine called ``name``; raise `LabError` if there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        known = ", ".join(machine.name for machine in self.machines)
        raise LabError(f"cannot find {name} in lab {self.name}: it has {known}")

    def _machine(self, place: Place, octet: int) -> Machine:
        address = self.subnet[octet]
        return Machine(
            name=place.name,
            site=place.site,
            address=str(address),
            mac=mac_of(address),
            namespace=f"{self.name}-{place.name}",
            folder=self.folder / "machines" / place.name,
            run=self.run / place.name,
        )


def mac_of(address: IPv4Address) -> str:
    """Return the MAC a machine keeps over every boot.

    02 marks a locally administered unicast address, the second byte is ours.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x54, *address.packed))


def plan(name: str, subnet: str, places: tuple[Place, ...], home: Path) -> LabLayout:
    """Return the layout of a lab, or raise `LabError` saying what is not possible."""
    check_name(name)
    if not places:
        raise LabError(f"cannot plan lab {name} without nodes: ask for at least one")
    return LabLayout(name=name, subnet=_network(subnet), places=places, home=home)


def check_name(name: str) -> None:
    """Raise `LabError` unless ``name`` may name a lab."""
    if not NAME.fullmatch(name) or name in RESERVED_NAMES:
        rule = "a letter, then at most 10 letters or digits, all lower-case"
        raise LabError(f"cannot name a lab {name!r}: use {rule}")


def homes(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds the labs of this host, one folder each.

    ``EDGE_LAB_HOME``, or ``tutti/labs`` in ``XDG_STATE_HOME``, or in ``/var/lib``.
    """
    if chosen := environ.get("EDGE_LAB_HOME"):
        home = Path(chosen)
    else:
        home = Path(environ.get("XDG_STATE_HOME") or "/var/lib") / "tutti" / "labs"
    if not home.is_absolute():
        raise LabError(f"cannot keep labs in {home}: EDGE_LAB_HOME must be absolute")
    return home


def parse_places(count: int | None, sites: str | None) -> tuple[Place, ...]:
    """Return the nodes that ``--nodes`` and ``--site a:3,b:2`` ask for.

    Nodes are numbered through all sites: ``n1`` … ``n5``. Given both, they must agree.
    """
    wanted = DEFAULT_NODES if count is None else count
    sizes = _site_sizes(sites) if sites else {DEFAULT_SITE: wanted}
    total = sum(sizes.values())
    if count is not None and count != total:
        problem = f"cannot make {count} nodes: --site {sites} adds up to {total}"
        raise LabError(f"{problem}; leave one of the two out")
    if not 1 <= total <= MOST_NODES:
        raise LabError(f"cannot make {total} nodes: a lab has 1 to {MOST_NODES}")
    homes_of = [site for site, size in sizes.items() for _ in range(size)]
    return tuple(
        Place(name=f"n{number}", site=site)
        for number, site in enumerate(homes_of, start=1)
    )


def parse_percent(text: str) -> float:
    """Return the share that ``20%`` or ``20`` says, in percent from 0 to 100."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:  # noqa: PLR2004 - per cent
        raise LabError(f"cannot lose {text!r} of the packets: say 0% to 100%")
    return percent


def parse_delay(text: str) -> tuple[float, float]:
    """Return the seconds, least and most, that ``50ms-250ms`` or ``100ms`` says."""
    found = DELAY.fullmatch(text)
    if found is None:
        raise LabError(f"cannot delay by {text!r}: say 100ms, 50ms-250ms, or 0")
    least = float(found["least"]) / MILLISECONDS
    most = float(found["most"] or found["least"]) / MILLISECONDS
    if most < least or most > LONGEST_DELAY:
        span = f"at most {LONGEST_DELAY:g} s, the smaller first"
        raise LabError(f"cannot delay by {text!r}: say {span}")
    return least, most


def parse_groups(words: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups that ``n1,n2 n3`` or ``n1,n2 | n3`` says."""
    groups = " ".join(words).replace("|", " ").split()
    return tuple(tuple(filter(None, group.split(","))) for group in groups)


def _site_sizes(sites: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for part in sites.split(","):
        site, _, size = part.strip().partition(":")
        if not names.is_name(site) or not re.fullmatch(r"[1-9][0-9]{0,2}", size):
            example = "write it as name:count, such as a:3,b:2"
            raise LabError(f"cannot read site {part.strip()!r}: {example}")
        if site in sizes:
            raise LabError(f"cannot use site {site!r} twice in --site {sites}")
        sizes[site] = int(size)
    return sizes


def _network(subnet: str) -> IPv4Network:
    try:
        network = IPv4Network(subnet)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise LabError(f"cannot use subnet {subnet!r}: {error}") from error
    if network.prefixlen != PREFIX_LENGTH or not network.is_private:
        problem = f"cannot use subnet {subnet}: a lab needs a private /24"
        raise LabError(f"{problem}, such as {DEFAULT_SUBNET}")
    return network
