"""The two things reconciling compares: a replica that should run, a container that is.

`Container` is rebuilt from what Podman shows, labels included, at every look; nothing
about a container is remembered elsewhere. Its *life* names one run of its process:
another process id or another start is another life, whoever started it.
"""

from dataclasses import dataclass
from typing import Literal

from edge.model import Port, Workload
from edge.names import DeploymentName, Slot, WorkloadName

Verdict = Literal["starting", "healthy", "unhealthy"]

STARTABLE = frozenset({"created", "configured", "initialized", "exited", "stopped"})
ELDER = " elder"
"""Behind a slot: names the older one of its two copies."""
PASSING = frozenset({"stopping", "removing"})
"""States Podman leaves by itself, unless its container monitor died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica this node should run, as signed and assigned."""

    slot: Slot
    deployment: DeploymentName
    version: int
    workload: Workload
    term: int = 1
    secrets: str = ""
    """Digest of the names and versions of its secrets, "" when it has none."""
    waits_for: str = ""
    """Why it must not be started yet, as a sentence; "" when it may."""
    starts_first: bool = False
    """Whether it may run beside the one it replaces until it is healthy."""
    is_proved: bool = False
    """Whether this version has proved itself here, as its rollout asks."""
    is_elder: bool = False
    """Whether it runs on beside the newer copy of its slot, until that is promoted."""

    @property
    def key(self) -> str:
        """Return what names it among all that this device runs."""
        return f"{self.slot}{ELDER}" if self.is_elder else self.slot

    @property
    def is_strict(self) -> bool:
        """Return whether it must never run twice, not even by Podman's own doing."""
        return self.workload.failover == "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of ours, as Podman and the kernel show it at one moment."""

    id: str
    name: str
    slot: Slot
    deployment: DeploymentName
    workload: WorkloadName
    version: int
    """The revision that created it; a later one with the same `spec` keeps it."""
    term: int
    spec: str
    image_id: str
    state: str
    """Podman's own word: created, running, exited, stopped, paused, …"""
    pid: int = 0
    is_alive: bool = False
    """Whether the kernel knows the process; Podman may say "running" without it."""
    exit_code: int = 0
    started_at: int = 0
    """Seconds since the epoch by the device's clock: tells runs apart, nothing else."""
    repair_pending: bool = False
    """Whether Podman's own restart policy is about to start it again."""
    ports: tuple[Port, ...] = ()

    @property
    def is_running(self) -> bool:
        """Return whether it runs, by Podman's word and the kernel's."""
        return self.state == "running" and self.is_alive

    @property
    def is_lost(self) -> bool:
        """Return whether Podman believes in a process the kernel does not know."""
        return self.state in {"running", *PASSING} and not self.is_alive

    @property
    def life(self) -> str:
        """Return the name of this run of its process."""
        return f"{self.id[:12]}:{self.pid}:{self.started_at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one look at the runtime showed; ``foreign`` containers are not ours."""

    containers: tuple[Container, ...] = ()
    images: frozenset[str] = frozenset()
    """Of the image IDs that were asked for, those that are here."""
    used: frozenset[str] = frozenset()
    """Image IDs that any container was made from, ours or not."""
    foreign: int = 0
