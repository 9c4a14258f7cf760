"""The site's part of the daemon: mesh, guard and failover, wired to the rest of it.

Threads meet here. The mesh calls from its own; what it says is handed to the loop.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from edge import topics
from edge.errors import ConfigError
from edge.names import FleetName, NodeName, Slot
from netmesh.cipher import PairCipher
from netmesh.mesh import Ears, Mesh, boot_time
from netmesh.peers import Peers, Schedule
from node.agent import Agent
from node.bell import Bell
from node.guard import Leases
from node.link import Link
from node.memory import Memory
from node.podman_runtime import PodmanRuntime
from node.relay import EVERY
from node.settings import Settings
from node.site import Site
from node.work import Work

REPORTS_PER_RELAY = 40
"""On a metered uplink signs of life of others may cost so many times a report."""
OUTBOX_MAX = 64
"""Datagrams that may wait for the broker: about what one device sends in 5 s."""


@dataclass(slots=True, kw_only=True)
class Neighbourhood:
    """Everything that knows of neighbours."""

    agent: Agent
    link: Link
    work: Work
    runtime: PodmanRuntime
    settings: Settings
    bell: Bell
    told: asyncio.Event
    learned: asyncio.Event
    mesh: Mesh = field(init=False)
    site: Site = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _outbox: asyncio.Queue[tuple[str, bytes]] = field(
        default_factory=lambda: asyncio.Queue(OUTBOX_MAX)
    )

    def open(self) -> None:
        """Begin to listen, and take the first decision before anything else starts.

        Raises `ConfigError` when the mesh's port is taken.
        """
        self._loop = asyncio.get_running_loop()
        self.mesh = self._mesh()
        try:
            self.mesh.start()
        except OSError as error:
            port = self.settings.mesh_port
            problem = f"cannot listen for neighbours on UDP port {port}: {error}"
            raise ConfigError(f"{problem}; set mesh_port on all devices") from error
        run = self.settings.run
        self.site = Site(
            agent=self.agent,
            mesh=self.mesh,
            leases=Leases(run, is_unit=self.settings.guard == "unit"),
            memory=Memory(self.agent.device.store.folder, run),
            port=self.settings.mesh_port,
            clock=boot_time,
            bell=self.bell.plan,
            told=self.told.set,
            learned=self.learned.set,
            running=self.work,
            relay_every=max(EVERY, self.settings.pace.report_every / REPORTS_PER_RELAY),
        )
        self.work.admit = self._admit
        self.work.seen = self.site.woken.set
        self.link.on_mesh = self.mesh.receive_by_broker
        self.link.on_state = self._tell_links
        self._tell_links(is_connected=False)
        self.site.turn()

    def close(self) -> None:
        """End the mesh's thread; what runs here runs on, and stays ours meanwhile."""
        if not self.site.is_leaving:
            self.mesh.restart()
        self.mesh.stop()

    async def run(self) -> None:
        """Take turns, and pass on by the broker, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.site.work())
            group.create_task(self._pass_on())
            group.create_task(self._peers().run())

    def leave(self) -> None:
        """Hand over what can be handed over."""
        self.agent.tell("leaving", self.agent.device.name, "hands over what may move")
        self.site.leave()
        self.told.set()

    def shown(self) -> dict[str, Any]:
        """Return what ``edge-node status`` shows of the site."""
        return self.site.shown()

    async def _admit(self, slot: Slot, container: str) -> None:
        await self.site.admit(slot, container, self.runtime.identify)

    def _mesh(self) -> Mesh:
        identity = self.agent.device.identity
        ears = Ears(
            on_change=lambda: self._call(self.site.woken.set),
            on_message=lambda who, body: self._call(self.site.take_mail, who, body),
            send_by_broker=lambda who, data: self._call(self._publish, who, data),
            on_error=lambda text: self._call(self.agent.tell, "failed", "mesh", text),
        )
        return Mesh(
            device=identity.device,
            cipher=PairCipher(identity.mesh, identity.sign),
            ears=ears,
            address=("0.0.0.0", self.settings.mesh_port),  # noqa: S104 - the LAN
        )

    def _peers(self) -> Peers:
        return Peers(
            fleet=self.agent.ledger.fleet,
            device=self.agent.device.identity.device,
            port=self.settings.mesh_port,
            view=lambda: self.mesh.view,
            hint=self.mesh.hint,
            schedule=Schedule(rng=Random()),  # noqa: S311 - spreads load
        )

    def _call(self, what: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: we are ending
            self._loop.call_soon_threadsafe(what, *arguments)

    def _tell_links(self, *, is_connected: bool) -> None:
        self.mesh.set_links(hub=is_connected, broker=is_connected)

    def _publish(self, device: str, datagram: bytes) -> None:
        """Leave a datagram at the broker; what it cannot take in time is lost."""
        ledger = self.agent.ledger
        member = ledger.members.get(device)
        if member is None or self._outbox.full():
            return
        to, me = NodeName(member.member.name), NodeName(self.agent.device.name)
        topic = topics.mesh(FleetName(ledger.fleet), to, me)
        self._outbox.put_nowait((topic, datagram))

    async def _pass_on(self) -> None:
        while True:
            await self.link.pass_on(*await self._outbox.get())
