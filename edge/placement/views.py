"""What placement knows of a device: its facts, its state, and what it carries.

`NodeView` is given and frozen. `Load` is placement's own running sum for one device
while it decides; it leaves no trace in the answer.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from edge.model import MIB, Facts, Port, Workload
from edge.names import FACT_PREFIX, NodeName, SiteName, Slot
from edge.placement import ports

Scheduling = Literal["active", "cordoned", "drained"]

GIB = 1024 * MIB
LABEL_VALUE_MAX = 63  # `edge.names.LABEL_VALUE`
SYSTEM_RESERVE = 64 * MIB
"""Bytes never promised to workloads: Tutti itself (45 MiB at rest) and a margin."""

GPIO_CHIP = "/dev/gpiochip"
_NOT_IN_VALUE = re.compile(r"[^A-Za-z0-9._-]+")


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """One member as placement sees it.

    Facts are unknown while ``architecture`` is "": then they filter nothing, because
    the device itself refuses what it can not run.
    """

    name: NodeName
    site: SiteName
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What the operator gave it, and `facts_labels`."""
    scheduling: Scheduling = "active"
    ready: bool = True
    """Whether it may run anything: False until an operator approves it."""
    reporting: bool = True
    """Whether it was heard from lately."""
    architecture: str = ""
    """As in `edge.model.PlatformImage`: ``arm64``."""
    memory: int = 0
    """Bytes in all."""
    cpus: int = 0
    devices: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    """Ports that something other than Tutti listens on."""
    sealed: frozenset[str] = frozenset()
    """Secrets sealed to it, as ``deployment/name``."""

    @property
    def is_known(self) -> bool:
        """Return whether the device ever said what it is."""
        return bool(self.architecture)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Where a slot is now, and as what: the workload it was placed with."""

    node: NodeName
    workload: Workload


@dataclass(slots=True)
class Load:
    """What is promised on one device so far."""

    memory: int = 0
    """Bytes."""
    replicas: int = 0
    ports: dict[tuple[int, str], list[tuple[Port, Slot]]] = field(default_factory=dict)

    def add(self, slot: Slot, workload: Workload) -> None:
        """Promise ``slot`` what its workload needs."""
        self.memory += workload.resources.memory
        self.replicas += 1
        for port in workload.ports:
            self.ports.setdefault((port.host, port.protocol), []).append((port, slot))

    def holder(self, port: Port) -> Slot | None:
        """Return who has a port that clashes with ``port``."""
        for other, slot in self.ports.get((port.host, port.protocol), ()):
            if ports.clash(port, other):
                return slot
        return None


def free_memory(node: NodeView, load: Load) -> int:
    """Return bytes of memory nobody was promised; may be negative."""
    return node.memory - SYSTEM_RESERVE - load.memory


def facts_labels(facts: Facts) -> dict[str, str]:
    """Return what a device says of itself as ``fact.`` labels.

    ``fact.memory_gib`` is rounded to whole GiB: a board sold with 4 GB reports 3.7.
    What a device says nothing of has no label.
    """
    chips = sum(device.startswith(GPIO_CHIP) for device in facts.devices)
    certain = {
        "arch": _label_value([facts.architecture]),
        "cpus": str(facts.cpus),
        "memory_gib": str((facts.memory + GIB // 2) // GIB),
        "model": _label_value(facts.model.split()),
    }
    perhaps = {
        "serial": _label_value(facts.serial.split()),
        "disk_gib": str((facts.disk_total + GIB // 2) // GIB),
        "cameras": str(facts.cameras),
        "gpio_chips": str(chips),
    }
    told = {key: value for key, value in perhaps.items() if value not in {"", "0"}}
    return {f"{FACT_PREFIX}{key}": value for key, value in (certain | told).items()}


def _label_value(words: Iterable[str]) -> str:
    """Return ``words`` in the alphabet of label values: ``Raspberry-Pi-4``."""
    text = _NOT_IN_VALUE.sub("-", "-".join(words))[:LABEL_VALUE_MAX]
    return text.strip("._-")
