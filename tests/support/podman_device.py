"""A small daemon on a real Podman, for tests: it looks, plans and performs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from edge.model import Image, PlatformImage, Workload
from node import container_spec, facts, perform, reconcile
from node.container_spec import Host
from node.podman_runtime import PodmanRuntime
from node.reconcile import Observed, Plan
from node.replica import Container, Replica, Sighting
from node.vault import Vault
from tests.support.podman_box import PodmanBox, run
from tests.support.replicas import a_replica

SERVE = ("httpd", "-f", "-p", "80", "-h", "/www")
SLEEP = ("sleep", "1000")
VALUES = {"token": b"hunter2 is not on disk"}


def words(command: tuple[str, ...]) -> str:
    """Return a command the way an image's configuration spells it."""
    return msgspec.json.encode(command).decode()


def signed(image_id: str, **changes: Any) -> Image:
    """Return an image that is already here, pinned by its ID."""
    full = image_id if image_id.startswith("sha256:") else f"sha256:{image_id}"
    platform = PlatformImage(
        architecture=facts.architecture(), manifest=full, image_id=full
    )
    made = Image(reference="localhost/web", digest=full, platforms=(platform,))
    return msgspec.structs.replace(made, **changes)


def replica(image: Image, **changes: Any) -> Replica:
    """Return a replica of a workload called ``web`` on a real image."""
    return a_replica(workload=Workload(name="web", image=image, **changes))


def workload_pid(container: Container) -> int:
    """Return the workload's own process: the child of the container's init."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    return int(children.read_text().split()[0])


async def until(said: Callable[[], bool], within: float) -> float:
    """Return the seconds until ``said`` is true; fail after ``within``."""
    began = time.monotonic()
    while not said():
        assert time.monotonic() - began < within, "it took too long"
        time.sleep(0.005)
    return time.monotonic() - began


class Device:
    """A small daemon: looks, plans, performs, until there is nothing to do."""

    def __init__(self, box: PodmanBox) -> None:
        self.box = box
        self.vault = Vault(box.folder / "secrets")
        self.host = Host(
            fleet="shop",
            node="n1",
            architecture=facts.architecture(),
            secrets=str(self.vault.root),
        )
        self.runtime = PodmanRuntime(box.url, self.host)
        self.history: reconcile.History = {}

    async def look(self, *wanted: Replica) -> Sighting:
        ids = {container_spec.image_id(each, self.host.architecture) for each in wanted}
        return await self.runtime.observe(ids)

    async def plan(self, *wanted: Replica, **observed: Any) -> Plan:
        sighting = await self.look(*wanted)
        provided = self.vault.provided()
        seen = Observed(sighting=sighting, provided=provided, **observed)
        now = time.monotonic()
        plan = reconcile.plan(wanted, seen, self.history, self.host, now)
        self.history = plan.history
        return plan

    async def settle(self, *wanted: Replica, values=VALUES) -> Plan:
        """Do what is planned until nothing is; give Podman time where it needs some."""
        for _ in range(100):
            plan = await self.plan(*wanted)
            if not plan.actions and all(s.state == "running" for s in plan.statuses):
                return plan
            for action in plan.actions:
                slots = {each.slot: values for each in wanted}
                await perform.perform(action, self.runtime, self.vault, slots)
            if not plan.actions:
                time.sleep(0.05)
        raise AssertionError(f"did not settle: {plan.statuses}")

    async def one(self, wanted: Replica) -> Container:
        (found,) = (await self.look(wanted)).containers
        return found

    async def running(self, wanted: Replica) -> Container:
        await self.settle(wanted)
        return await self.one(wanted)

    def conmon(self, container: Container) -> int:
        shown = self.box.podman(
            "inspect", "--format={{.State.ConmonPid}}", container.id
        )
        return int(shown)


@contextmanager
def device_on(box: PodmanBox) -> Iterator[Device]:
    """Yield a node's hands on the box; remove whatever they made."""
    device = Device(box)
    device.vault.open()
    try:
        yield device
    finally:
        box.podman("rm", "--all", "--force", "--time=0")
        run("umount", str(device.vault.root))
