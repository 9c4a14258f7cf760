"""Everything a node may do to its containers, as a closed union that prints itself.

An action says what, to which container, and why; its words are the plan a person reads
and the event that is logged. None carries a secret's value.
Containers are addressed by ID where one is known: Podman takes a name it does not know
for the beginning of an ID.
"""

from dataclasses import dataclass

from edge.model import Image, PlatformImage
from edge.names import Slot, replica_of
from node.replica import Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Fetch an image, then check that it is the signed one."""

    image: Image
    platform: PlatformImage
    reason: str

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        return f"pull {self.image.reference}:{self.image.tag or '-'}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Create the container of a replica; it does not run yet."""

    replica: Replica
    container: str
    """The name it will have."""
    reason: str

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        return _line("create", self.replica.slot, self.container, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provide:
    """Put the current values of a replica's secrets where its container reads them."""

    replica: Replica
    container: str
    reason: str

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        return _line("provide secrets", self.replica.slot, self.container, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a container."""

    slot: Slot
    container: str
    version: int
    reason: str

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        return _line("start", self.slot, self.container, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop a container by its stop signal, or at once by SIGKILL."""

    slot: Slot
    container: str
    reason: str
    is_immediate: bool = False

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        verb = "kill" if self.is_immediate else "stop"
        return _line(verb, self.slot, self.container, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove a container with its writable layer; named volumes stay."""

    slot: Slot
    container: str
    reason: str

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        return _line("remove", self.slot, self.container, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wipe:
    """Remove the secrets that were opened for a container."""

    container: str
    """The container's name."""
    reason: str

    def describe(self) -> str:
        """Return the action as a line of a plan."""
        return f"wipe the secrets of {self.container}: {self.reason}"


Action = Pull | Create | Provide | Start | Stop | Remove | Wipe


def _line(verb: str, slot: Slot, container: str, reason: str) -> str:
    # A name says more than an ID; of an ID, what `podman ps` shows.
    shown = container if container.startswith("tutti-") else container[:12]
    return f"{verb} {replica_of(slot)} ({shown}): {reason}"
