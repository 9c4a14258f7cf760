"""A machine behind a slow line: a relay is spliced into its cable, in the switch.

The cable's end in the switch becomes ``n1.raw``; in its old place, under its old name,
stands one end of a new cable, and `edge.lab.relay` carries frames from ``n1.raw`` to
the other end, ``n1.relay``. So every rule that names ``n1`` still holds. The delay goes
with the machine's power: a cable that is plugged in anew has none.
"""

import sys
from pathlib import Path

from edge import files
from edge.lab import network, processes
from edge.lab.layout import LabLayout, Machine
from edge.lab.network import BRIDGE
from edge.lab.state import NAMESPACES

MODULE = "edge.lab.relay"
ENDS_WITHIN = 1.0


def put(lab: LabLayout, machine: Machine, least: float, most: float) -> None:
    """Hold up every frame, each way, for ``least`` to ``most`` seconds."""
    is_spliced = network.raw_of(machine) in network.links(lab)
    if is_spliced:
        _end(lab, machine)
    else:
        _splice(lab, machine)
    process = processes.start(
        (sys.executable, "-m", MODULE, *_ends(machine), str(least), str(most)),
        environ={"PYTHONPATH": str(Path(__file__).parents[2]), "LANG": "C.UTF-8"},
        log=lab.logs / f"{machine.name}.relay.log",
        namespace=NAMESPACES / lab.lan,
    )
    processes.record(_record(lab, machine), process)


def take_away(lab: LabLayout, machine: Machine) -> None:
    """Give the machine its plain cable back; one that has it is left alone."""
    _end(lab, machine)
    raw = network.raw_of(machine)
    if raw not in network.links(lab):
        return
    state = _state(lab, machine)
    network.batch(
        f"link delete dev {machine.port}",
        f"link set dev {raw} down",
        f"link set dev {raw} name {machine.port}",
        f"link set dev {machine.port} master {BRIDGE} {state}",
        namespace=lab.lan,
    )


def of(lab: LabLayout, machine: Machine) -> tuple[float, float] | None:
    """Return the delay in seconds, least and most; None where there is none."""
    process = processes.recall(_record(lab, machine))
    if process is None:
        return None
    words = processes.command_line(process.pid)
    return float(words[-2]), float(words[-1])


def _splice(lab: LabLayout, machine: Machine) -> None:
    port, state = machine.port, _state(lab, machine)
    raw, relay = _ends(machine)
    network.batch(
        # Only an interface that is down can be renamed, before Linux 6.2.
        f"link set dev {port} down",
        f"link set dev {port} nomaster",
        f"link set dev {port} name {raw}",
        f"link add name {port} type veth peer name {relay}",
        f"link set dev {port} master {BRIDGE} {state}",
        f"link set dev {relay} up",
        f"link set dev {raw} {state}",
        namespace=lab.lan,
    )


def _state(lab: LabLayout, machine: Machine) -> str:
    """A cable that was pulled stays pulled."""
    return "up" if network.ports(lab).get(machine.port) else "down"


def _end(lab: LabLayout, machine: Machine) -> None:
    process = processes.recall(_record(lab, machine))
    if process is not None:
        processes.end(process, within=ENDS_WITHIN)
    files.remove(_record(lab, machine))


def _ends(machine: Machine) -> tuple[str, str]:
    return network.raw_of(machine), f"{machine.port}.relay"


def _record(lab: LabLayout, machine: Machine) -> Path:
    return lab.processes / f"{machine.name}.relay"
