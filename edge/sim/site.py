"""`node.site` without files: what it would write goes to the simulated disk and RAM."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.names import Slot
from edge.sim.disk import NOWHERE, Disk
from edge.sim.runtime import Containers
from node.guard import GuardedLease, Leases
from node.lease import Promise
from node.memory import MEMORY, Memory
from node.scene import Own
from node.site import Site

Defer = Callable[[Callable[[], None]], None]


@dataclass(slots=True, kw_only=True)
class Ram:
    """What outlives the daemon and not its machine: a tmpfs."""

    leases: dict[Slot, GuardedLease] = field(default_factory=dict)
    promises: dict[str, Promise] | None = None


class LeaseFiles(Leases):
    """Lease files in RAM, with the guard of `Containers` beside them."""

    def __init__(self, ram: Ram, containers: Containers, booted_at: float) -> None:
        """Speak of deadlines by the machine's own clock."""
        super().__init__(NOWHERE)
        self._ram = ram
        self._containers = containers
        self._booted_at = booted_at

    def write(self, slot: Slot, deadline: float, pidfile: Path, container: str) -> None:
        """Have a slot's container killed at ``deadline``."""
        self._ram.leases[slot] = GuardedLease(
            deadline=deadline, pidfile=pidfile, container=container
        )
        self._containers.lease(slot, deadline + self._booted_at)

    def remove(self, slot: Slot) -> None:
        """Guard a slot no more."""
        self._ram.leases.pop(slot, None)
        self._containers.lease(slot, None)

    def read_all(self) -> Mapping[Slot, GuardedLease]:
        """Return every lease."""
        return dict(self._ram.leases)

    def is_guarded(self, now: float) -> bool:  # noqa: ARG002 - as the real one
        """Return whether the guard is at work: here it always is."""
        return True

    def ensure(self, now: float) -> None:
        """The guard is the machine's own in here."""


class SimMemory(Memory):
    """What is remembered: on the simulated disk, and in RAM."""

    def __init__(self, disk: Disk, ram: Ram) -> None:
        """Remember nothing yet that is not there."""
        super().__init__(NOWHERE, NOWHERE)
        self._simulated = disk
        self._ram = ram

    def promises(self) -> Mapping[str, Promise] | None:
        """Return those of this boot."""
        return self._ram.promises

    def _load(self) -> bytes | None:
        return self._simulated.file(MEMORY)

    def _store(self, content: bytes) -> None:
        self._simulated.save(MEMORY, content)

    def _keep(self, promises: Mapping[str, Promise]) -> None:
        self._ram.promises = dict(promises)


@dataclass(slots=True, kw_only=True)
class SimSite(Site):
    """`Site` on a simulated machine."""

    containers: Containers
    booted_at: float

    def may_start(self, slot: Slot) -> bool:
        """Return whether a container may start, and have it guarded if it must be.

        What `Site.admit` does, without waiting for anything.
        """
        if not self.is_strict(slot):
            return True
        held = self.failover.leasing.held(self.clock()).get(slot)
        if held is None:
            return False
        self.leases.write(slot, held.kill_at, NOWHERE, slot)
        self._guarded[slot] = (NOWHERE, slot, held.kill_at)
        return True

    def _own(self, slot: Slot) -> Own:
        held = self.containers.running.get(slot)
        work = self.running
        now = self.clock() + self.booted_at
        return Own(
            is_running=held is not None or slot in self.containers.jobs,
            is_healthy=held is not None and now >= held.answers_at,
            running_for=now - held.began_at if held else 0.0,
            is_prepared=work is not None and work.is_prepared(slot),
            version=self.agent.version(slot),
        )
