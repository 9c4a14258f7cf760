"""What a simulated daemon finds around itself, and what outlives it."""

from collections.abc import Callable
from dataclasses import dataclass

from edge.sim.broker import Broker
from edge.sim.disk import Disk
from edge.sim.fleet import Machine
from edge.sim.kernel import Kernel
from edge.sim.runtime import Containers
from edge.sim.site import Ram
from netmesh.view import Address
from node.journal import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a daemon finds around itself; everything here outlives it."""

    machine: Machine
    kernel: Kernel
    broker: Broker
    disk: Disk
    ram: Ram
    containers: Containers
    booted_at: float
    wall: Callable[[], float]
    address: Callable[[], str]
    told: Callable[[Event], None]
    send: Callable[[bytes, Address], None]
    name_of: Callable[[str], str]
    """Device id → name."""
    names: str
    """What tells this start's random numbers from another's."""
