"""Build replicas, their containers and a model of Podman that performs actions.

`PodmanModel` keeps the rules the planner relies on: one name once, no start without an
image's container, no start on a port that is taken, no removal by halves.
"""

from dataclasses import replace
from typing import Any

import msgspec

from edge.model import Health, Image, PlatformImage, Port, Workload
from edge.names import DeploymentName, Slot, WorkloadName
from node import container_spec
from node.actions import Action, Create, Provide, Pull, Remove, Start, Stop, Wipe
from node.container_spec import Host
from node.replica import Container, Replica, Sighting

HOST = Host(fleet="shop", node="n1", architecture="amd64", secrets="/run/x/secrets")
HEALTH = Health(tcp=":80", every=1.0)


def image(number: int = 1) -> Image:
    """Return a signed image; its number is all over its digests."""
    text = f"{number:064x}"
    platform = PlatformImage(
        architecture="amd64", manifest=f"sha256:{text}", image_id=image_id(number)
    )
    return Image(
        reference="r.example/web",
        digest=f"sha256:{text}",
        platforms=(platform,),
        tag=str(number),
    )


def image_id(number: int = 1) -> str:
    """Return the ID of `image(number)`."""
    return f"sha256:{number + 0xA000:064x}"


def a_workload(**changes: Any) -> Workload:
    """Return a workload called ``web``."""
    return msgspec.structs.replace(Workload(name="web", image=image()), **changes)


def a_replica(slot: str = "web/web.1", version: int = 1, **changes: Any) -> Replica:
    """Return a replica; ``workload`` and other fields by keyword."""
    deployment = slot.partition("/")[0]
    wanted: dict[str, Any] = {"workload": a_workload(), **changes}
    return Replica(
        slot=Slot(slot),
        deployment=DeploymentName(deployment),
        version=version,
        **wanted,
    )


def a_container(wanted: Replica, number: int = 1, **changes: Any) -> Container:
    """Return the container that ``wanted`` asks for, running; IDs follow numbers."""
    made = Container(
        id=f"{number:064x}",
        name=container_spec.name(wanted),
        slot=wanted.slot,
        deployment=wanted.deployment,
        workload=WorkloadName(wanted.workload.name),
        version=wanted.version,
        term=wanted.term,
        spec=container_spec.digest(wanted, HOST),
        image_id=container_spec.image_id(wanted, HOST.architecture),
        state="running",
        pid=1000 + number,
        is_alive=True,
        started_at=1,
        ports=wanted.workload.ports,
    )
    return replace(made, **changes)


def exited(container: Container, code: int = 1, **changes: Any) -> Container:
    """Return the container after its process ended."""
    return replace(
        container, state="exited", pid=0, is_alive=False, exit_code=code, **changes
    )


class PodmanModel:
    """What Podman and the vault hold, changed by actions."""

    def __init__(self) -> None:
        """Begin empty."""
        self.containers: dict[str, Container] = {}
        self.images: set[str] = set()
        self.provided: dict[str, str] = {}
        self.made = 0

    @property
    def sighting(self) -> Sighting:
        """Return a look at all of it."""
        return Sighting(
            containers=tuple(self.containers.values()), images=frozenset(self.images)
        )

    def running(self, slot: str) -> list[Container]:
        """Return the slot's containers with a process."""
        mine = [each for each in self.containers.values() if each.slot == slot]
        return [each for each in mine if each.is_alive]

    def add(self, container: Container) -> Container:
        """Put a container there as it is."""
        self.made = max(self.made, int(container.id, 16))
        self.containers[container.id] = container
        return container

    def perform(self, action: Action) -> None:
        """Do what Podman would; raise AssertionError for what it would refuse."""
        match action:
            case Pull():
                self.images.add(action.platform.image_id)
            case Create():
                self._create(action.replica)
            case Provide():
                assert self._find(action.container) is not None
                self.provided[action.container] = action.replica.secrets
            case Start():
                self._start(action.container)
            case Stop():
                found = self._find(action.container)
                assert found is not None
                self.add(exited(found, 137))
            case Remove():
                self.containers.pop(action.container)
            case Wipe():
                self.provided.pop(action.container)

    def crash(self, container: Container, code: int = 1) -> None:
        """End a container's process."""
        self.add(exited(container, code))

    def _find(self, container: str) -> Container | None:
        for each in self.containers.values():
            if container in {each.id, each.name}:
                return each
        return None

    def _create(self, wanted: Replica) -> None:
        name = container_spec.name(wanted)
        assert container_spec.image_id(wanted, HOST.architecture) in self.images
        assert self._find(name) is None, "the name is taken"
        made = a_container(wanted, self.made + 1)
        self.add(exited(made, 0))
        self.add(replace(self.containers[made.id], state="created"))
        if wanted.workload.secrets:
            self.provided[name] = ""

    def _start(self, container: str) -> None:
        found = self._find(container)
        assert found is not None
        taken = {port for each in self.running_others(found) for port in each.ports}
        assert taken.isdisjoint(found.ports), "the port is taken"
        self.made += 1
        alive = replace(found, state="running", is_alive=True, pid=1000 + self.made)
        self.add(alive)

    def running_others(self, container: Container) -> list[Container]:
        """Return all other containers with a process."""
        everyone = self.containers.values()
        return [each for each in everyone if each.is_alive and each.id != container.id]


def a_port(number: int) -> Port:
    """Return a published port."""
    return Port(host=number, container=80)
