"""The lab's wires: a switch, a cable to each machine, and what can happen to them.

The switch is a bridge in a namespace of its own, so the host's firewall does not see
what machines say to each other, whatever ``bridge-nf-call-iptables`` says. The host
has one cable into it, and needs neither forwarding nor NAT. What the switch drops is
in `edge.lab.filters`, what it holds up in `edge.lab.delay`.
"""

import json
import re
from ipaddress import IPv4Network
from pathlib import Path

from edge.errors import LabError
from edge.lab import processes, programs
from edge.lab.layout import LabLayout, Machine
from edge.lab.processes import Network
from edge.lab.state import NAMESPACES

BRIDGE = "lan"
HOST_PORT = "host"
HOST_NETWORK = Path("/proc/self/ns/net")
NARROW = 8  # wider routes are a VPN's catch-alls: ours is more specific and wins
INSIDE = "eth0"  # what a machine calls its cable
RAW = ".raw"  # the name of a cable's end while a relay stands in its place


def lay(lab: LabLayout) -> None:
    """Build the switch and the host's cable; what is there and whole stays.

    Raises:
        LabError: the subnet is in use by another interface of the host.
    """
    if (NAMESPACES / lab.lan).exists() and _host_link(lab) is not None:
        return
    _refuse_overlap(lab)
    remove(lab)
    programs.call("ip", "netns", "add", lab.lan)
    batch(
        f"link add name {lab.lan} address {lab.host_mac} type veth"
        f" peer name {HOST_PORT} netns {lab.lan}",
        f"address add {lab.host_address}/{lab.subnet.prefixlen} dev {lab.lan}",
        f"link set dev {lab.lan} up",
    )
    batch(
        "link set dev lo up",
        f"link add name {BRIDGE} type bridge mcast_snooping 0",
        f"link set dev {BRIDGE} up",
        f"link set dev {HOST_PORT} master {BRIDGE} up",
        namespace=lab.lan,
    )


def remove(lab: LabLayout) -> None:
    """Take the switch away with every cable in it; nothing there is fine."""
    # The cable first: with its namespace it goes only when the kernel comes round.
    if _host_link(lab) is not None:
        programs.call("ip", "link", "delete", "dev", lab.lan)
    inside = processes.network_at(NAMESPACES / lab.lan)
    if inside is not None and inside != processes.network_at(HOST_NETWORK):
        processes.kill_every(processes.is_inside(inside))
    remove_namespace(lab.lan)


def plug(lab: LabLayout, machine: Machine) -> None:
    """Give ``machine`` a namespace and a cable to the switch."""
    programs.call("ip", "netns", "add", machine.namespace)
    batch(
        f"link add name {machine.port} type veth peer name {INSIDE}"
        f" address {machine.mac} netns {machine.namespace}",
        f"link set dev {machine.port} master {BRIDGE} up",
        namespace=lab.lan,
    )
    prefix = lab.subnet.prefixlen
    batch(
        "link set dev lo up",
        f"address add {machine.address}/{prefix} broadcast + dev {INSIDE}",
        f"link set dev {INSIDE} up",
        f"route add default via {lab.host_address}",
        namespace=machine.namespace,
    )


def unplug(lab: LabLayout, machine: Machine) -> None:
    """Remove the machine's cable and namespace; nothing there is fine."""
    for name in links(lab).keys() & {machine.port, raw_of(machine)}:
        programs.call("ip", "-n", lab.lan, "link", "delete", "dev", name)
    remove_namespace(machine.namespace)


def set_link(lab: LabLayout, machine: Machine, *, up: bool) -> None:
    """Plug the cable in or out at the switch: the machine sees its carrier go."""
    state = "up" if up else "down"
    programs.call("ip", "-n", lab.lan, "link", "set", "dev", machine.port, state)
    if (raw := raw_of(machine)) in links(lab):
        programs.call("ip", "-n", lab.lan, "link", "set", "dev", raw, state)


def ports(lab: LabLayout) -> dict[str, bool]:
    """Return the cables in the switch, and whether each is plugged in."""
    skip = ("lo", BRIDGE, HOST_PORT)
    return {
        name: is_up
        for name, is_up in links(lab).items()
        if name not in skip and "." not in name
    }


def links(lab: LabLayout) -> dict[str, bool]:
    """Return every interface in the switch, and whether it is up."""
    if not (NAMESPACES / lab.lan).exists():
        return {}
    shown = json.loads(programs.call("ip", "-n", lab.lan, "-json", "link", "show"))
    return {link["ifname"]: "UP" in link["flags"] for link in shown}


def raw_of(machine: Machine) -> str:
    """Return what the machine's end is called while a relay stands in its place."""
    return f"{machine.port}{RAW}"


def batch(*lines: str, namespace: str | None = None) -> None:
    """Run lines of ``ip`` in one go, in a namespace if one is given."""
    inside = ("-n", namespace) if namespace else ()
    programs.call("ip", *inside, "-batch", "-", text="\n".join(lines) + "\n")


def container_namespaces(machine: Machine) -> frozenset[str]:
    """Return the names of the network namespaces that hang on the machine's bridges.

    Podman makes one for each container with a network of its own and names it
    ``netns-<uuid>``; the cable between the two is the only trace of whose it is.
    """
    if not machine.namespace_path.exists():
        return frozenset()
    links = programs.call("ip", "-n", machine.namespace, "link", "show", "type", "veth")
    return frozenset(re.findall(r"link-netns (netns-\S+)", links))


def named_after_containers(networks: frozenset[Network]) -> frozenset[str]:
    """Return the names of those namespaces that Podman made for containers.

    For one that hangs on nothing yet: power may go while Podman is at it.
    """
    return frozenset(
        path.name
        for path in NAMESPACES.glob("netns-*")
        if processes.network_at(path) in networks
    )


def remove_namespace(name: str) -> None:
    """Remove a namespace by name; nothing there is fine."""
    if (NAMESPACES / name).exists():
        programs.call("ip", "netns", "delete", name)


def _refuse_overlap(lab: LabLayout) -> None:
    """Two interfaces with one subnet would send each other's packets astray."""
    routes = json.loads(
        programs.call("ip", "-json", "-4", "route", "show", "to", "root", "0/0")
    )
    for route in routes:
        target, device = route["dst"], route.get("dev", "")
        if device != lab.lan and _overlaps(lab, target):
            problem = f"cannot use {lab.subnet} for lab {lab.name}: {device} has it"
            raise LabError(f"{problem}; choose another one with --subnet")


def _overlaps(lab: LabLayout, target: str) -> bool:
    if target == "default":
        return False
    network = IPv4Network(target)
    return network.prefixlen >= NARROW and network.overlaps(lab.subnet)


def _host_link(lab: LabLayout) -> str | None:
    links = json.loads(programs.call("ip", "-json", "link", "show", "type", "veth"))
    return next((link["ifname"] for link in links if link["ifname"] == lab.lan), None)
