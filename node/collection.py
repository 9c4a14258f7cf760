"""Removes images of ours that nothing needs; notes what is fetched, to know them.

`node.images` decides which one may go. Podman removes none that a container uses or
that carries another name: it is never forced.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.errors import StoreError
from node import images
from node.actions import Pull
from node.agent import Agent
from node.images import Held, Ripe
from node.preflight import Room
from node.replica import Replica
from node.runtime import Runtime
from node.stock import FILE, Stock

KEY = "collect "
"""Before an image ID: names its removal among what is in flight."""


@dataclass(slots=True, kw_only=True)
class Collection:
    """The images of one device, as far as they are its own."""

    agent: Agent
    runtime: Runtime
    stock: Stock
    architecture: str
    _idle: Mapping[str, float] = field(default_factory=dict)

    def load(self) -> None:
        """Take up what was fetched before; what is not known is not removed."""
        try:
            self.stock.load()
        except StoreError as error:
            self.agent.tell("damaged", FILE, f"{error}; images fetched before stay")

    async def expect(self, pull: Pull) -> None:
        """Note an image that is about to be fetched, unless somebody brought it."""
        image = pull.platform.image_id
        if await self.runtime.has_image(image):
            return
        try:
            self.stock.add(image, pull.image.reference)
        except StoreError as error:  # fetching it matters more than removing it
            self.agent.tell("failed", FILE, str(error))

    async def missed(self, pull: Pull) -> None:
        """Forget an image that did not come: whoever brings it next, it is theirs."""
        if not await self.runtime.has_image(pull.platform.image_id):
            self._drop(pull.platform.image_id)

    def ripe(
        self, replicas: Iterable[Replica], used: Iterable[str], room: Room, now: float
    ) -> Ripe:
        """Return what may go; ``replicas`` are those that run, or may have to."""
        agent = self.agent
        trials = agent.staged
        held = Held(
            replicas=tuple(replicas),
            places=(*agent.places.values(), *trials.kept(agent.places)),
            deployments=agent.ledger.deployments,
            revisions=agent.revisions,
            proved=trials.trials.book.proved,
        )
        need = images.need(held, self.architecture, used)
        found = images.ripe(self.stock.images, need, self._idle, room, now)
        self._idle = found.idle
        return found

    async def remove(self, ripe: Ripe, now: float) -> None:
        """Remove an image; one that is not ours alone is left, and forgotten.

        Raises what `Runtime` raises; then it is tried again much later.
        """
        self._idle = {**self._idle, ripe.image: now}
        names = self.stock.images.get(ripe.image, ())
        is_gone = await self.runtime.discard(ripe.image, names)
        said = "removed" if is_gone else "left: it has names that are not ours"
        self.agent.tell("image", ripe.image, f"{said}; {ripe.reason}")
        self._drop(ripe.image)

    def _drop(self, image: str) -> None:
        try:
            self.stock.drop(image)
        except StoreError as error:
            self.agent.tell("failed", FILE, str(error))
