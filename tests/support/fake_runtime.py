"""A runtime that does nothing but write down what it was asked."""

from pathlib import Path

from edge.errors import RuntimeFailure
from node.owner import Owner
from node.replica import Sighting


class FakeRuntime:
    """Implements `node.runtime.Runtime`; answers are attributes, calls are `asked`."""

    def __init__(self) -> None:
        """Answer with one user, the loopback, and success."""
        self.asked: list[tuple[object, ...]] = []
        self.sighting = Sighting()
        self.warnings: tuple[str, ...] = ()
        self.user = Owner(1234, 2345)
        self.ip = "127.0.0.1"
        self.exit_code = 0
        self.images: set[str] = set()
        self.shared: set[str] = set()
        self.wrote = b""

    async def observe(self, images):
        self.asked.append(("observe", images))
        return self.sighting

    async def pull(self, image, platform):
        self.asked.append(("pull", image, platform))

    async def create(self, replica):
        self.asked.append(("create", replica))
        return self.warnings

    async def start(self, container):
        self.asked.append(("start", container))

    async def stop(self, container, *, is_immediate):
        self.asked.append(("stop", container, is_immediate))

    async def remove(self, container):
        self.asked.append(("remove", container))

    async def owner(self, container):
        self.asked.append(("owner", container))
        return self.user

    async def address(self, container):
        self.asked.append(("address", container))
        return self.ip

    async def execute(self, container, command, *, within):
        self.asked.append(("execute", container, command, within))
        if self.exit_code < 0:
            raise RuntimeFailure("cannot run the health command")
        return self.exit_code

    async def log(self, container, *, lines):
        self.asked.append(("log", container, lines))
        return self.wrote

    async def has_image(self, image_id):
        self.asked.append(("has_image", image_id))
        return image_id in self.images

    async def discard(self, image_id, repositories):
        self.asked.append(("discard", image_id, tuple(repositories)))
        if image_id in self.sighting.used:
            raise RuntimeFailure("cannot remove it: a container uses it")
        return image_id not in self.shared

    async def store(self):
        self.asked.append(("store",))
        return Path("/")
