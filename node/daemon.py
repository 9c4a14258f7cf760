"""``edge-node run``: the composition root, one loop of thin hands around pure brains.

Nothing here decides. Tasks: the link to the broker, the work on containers, the site,
reports, telemetry, certificate renewal. Containers are conmon's children: they go on
when this process ends, restarts or is upgraded.
"""

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from edge.errors import EdgeError, StoreError
from node import facts, journal, status, supervisor, telemetry
from node.agent import Agent
from node.bell import Bell
from node.collection import Collection
from node.container_spec import Host
from node.device import Device
from node.link import Link
from node.neighbourhood import Neighbourhood
from node.podman_runtime import PodmanRuntime
from node.probes import Prober
from node.processes import Watch
from node.renewal import Renewal
from node.settings import Settings
from node.stock import Stock
from node.vault import Vault
from node.wallclock import WallClock
from node.work import Work

COALESCE = 0.02
"""Seconds a report waits for more to say; a start changes several things at once."""
REPORT_AGAIN = 5.0
LINK_LOOK_EVERY = 10.0
"""Seconds; also how long a disk that was full gets before we ask again."""
IMAGES_AGAIN = 10.0
"""Seconds until Podman is asked again where it keeps images."""


def run(device: Device, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    asyncio.run(_Daemon(device, settings).serve())
    return 0


def boot_time() -> float:
    """Return seconds since boot, sleep included; never jumps with the wall clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True, kw_only=True)
class _Counters:
    """What numbers this start's reports; ``boot`` 0: the disk did not take it yet."""

    boot: int = 0
    seq: int = 0
    instance: str = field(default_factory=lambda: os.urandom(8).hex())

    def next(self) -> int:
        self.seq += 1
        return self.seq


class _Daemon:
    """One start of the daemon: its parts, wired together."""

    def __init__(self, device: Device, settings: Settings) -> None:
        self.device = device
        self.settings = settings
        self.bell, self.told, self.unsent = Bell(), asyncio.Event(), asyncio.Event()
        self.learned = asyncio.Event()
        self.counters = _Counters()
        log = journal.load(settings.state / status.JOURNAL)
        settings.run.mkdir(mode=0o711, parents=True, exist_ok=True)
        clock = WallClock(device.clock() - boot_time())
        self.agent = Agent(
            device=device,
            journal=log,
            facts=facts.read(settings.state),
            clock_set_by=lambda: clock.set_by(device.clock(), boot_time()),
        )
        self.link = Link(
            agent=self.agent,
            pace=settings.pace,
            bell=self.bell,
            told=self.told,
            rng=Random(),  # noqa: S311 - spreads load, guards nothing
        )
        self.images = settings.state
        """Where images are kept; until Podman said so, where everything else is."""
        self.work = self._work()
        self.neighbourhood = Neighbourhood(
            agent=self.agent,
            link=self.link,
            work=self.work,
            runtime=self.runtime,
            settings=settings,
            bell=self.bell,
            told=self.told,
            learned=self.learned,
        )
        self.renewal = Renewal(agent=self.agent, link=self.link, settings=settings)

    async def serve(self) -> None:
        """Run all tasks until a signal ends them."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        self.neighbourhood.open()
        loop.add_signal_handler(signal.SIGUSR1, self.neighbourhood.leave)
        await self.runtime.load()  # or the first deploy pays for the imports
        self._count_start()
        self.agent.tell("started", self.device.name, f"start {self.counters.boot}")
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(each)
                for each in (
                    self.link.run(),
                    self.work.run(),
                    self.neighbourhood.run(),
                    self._find_images(),
                    self._show(),
                    self._report(),
                    self._measure(),
                    self.renewal.run(),
                    self._catch_up(),
                    _stay_alive(),
                )
            ]
            await stopped.wait()
            await self.link.leave()
            for task in tasks:
                task.cancel()
        self.neighbourhood.close()
        with suppress(StoreError):  # then the hub is told once more
            self.agent.journal.save_sent()

    def _count_start(self) -> bool:
        """Number this start, once; a disk that refuses delays reports, not the work."""
        if not self.counters.boot:
            try:
                self.counters.boot = self.device.store.next_boot()
            except StoreError as error:
                self.agent.tell("failed", "store", str(error))
        return self.counters.boot > 0

    async def _find_images(self) -> None:
        """Ask Podman which disk fills when an image is fetched."""
        while True:
            try:
                found = await self.runtime.store()
            except EdgeError:
                await asyncio.sleep(IMAGES_AGAIN)
            else:
                if found.is_dir():  # a Podman elsewhere has a disk nobody sees here
                    self.images = found
                    self.bell.plan()
                return

    async def _show(self) -> None:
        """Leave the status for people: a hub that does not answer holds up nothing."""
        while True:
            await _either(self.told, self.learned, self.settings.pace.report_every)
            await asyncio.sleep(COALESCE)
            is_for_hub = self.told.is_set() or not self.learned.is_set()
            self.told.clear()
            self.learned.clear()
            self._leave_status()
            if is_for_hub:
                self.unsent.set()

    async def _report(self) -> None:
        """Tell the hub what is true whenever it changes, and now and then."""
        while True:
            await _either(self.unsent, self.link.fresh, self.settings.pace.report_every)
            self.unsent.clear()
            if self.link.fresh.is_set():
                self.link.fresh.clear()
                await self.link.greet()
            if self.link.is_connected and not await self._send_report():
                await asyncio.sleep(REPORT_AGAIN)
                self.unsent.set()
            await self.link.hand_in()
            await self.link.send_events()

    async def _send_report(self) -> bool:
        if not self._count_start():
            return False
        with suppress(EdgeError):  # then what was true before
            found = facts.read(self.images, self.work.ports)
            self.agent.facts = facts.settled(self.agent.facts, found)
        report = self.agent.report(
            counter=(self.counters.boot, self.counters.next()),
            instance=self.counters.instance,
            address=self.link.address,
            replicas=self.work.statuses,
            neighbours=self.neighbourhood.site.neighbours(),
        )
        return await self.link.send_report(report)

    async def _measure(self) -> None:
        before = None
        while True:
            reading = telemetry.read(before, self.settings.state)
            before = reading.cpu
            await self.link.send_telemetry(reading.values)
            await asyncio.sleep(self.settings.pace.telemetry_every)

    async def _catch_up(self) -> None:
        """Connect anew where the newest trust says, or to hear again what was lost.

        A clock that was set may have judged wrongly before.
        """
        while True:
            await asyncio.sleep(LINK_LOOK_EVERY)
            self.agent.look_at_clock()
            can_catch_up = self.agent.can_catch_up()
            if can_catch_up:
                self.bell.look()
            if can_catch_up or self.link.is_outdated:
                await self.link.reload()

    def _work(self) -> Work:
        settings = self.settings
        host = Host(
            fleet=self.device.ledger.fleet,
            node=self.device.name,
            architecture=self.agent.facts.architecture,
            secrets=str(settings.run / "secrets"),
        )
        self.runtime = PodmanRuntime(settings.podman, host)
        vault = Vault(settings.run / "secrets")
        weakness = vault.open()
        if weakness:
            self.agent.tell("weak", "vault", weakness)
        return Work(
            agent=self.agent,
            runtime=self.runtime,
            vault=vault,
            watch=Watch(self.bell.look),
            prober=Prober(self.runtime),
            collection=self._collection(),
            host=host,
            room=lambda: facts.room(self.images),
            clock=boot_time,
            resync_every=settings.resync_every,
            bell=self.bell,
            told=self.told,
        )

    def _collection(self) -> Collection:
        collection = Collection(
            agent=self.agent,
            runtime=self.runtime,
            stock=Stock(self.settings.state),
            architecture=self.agent.facts.architecture,
        )
        collection.load()
        return collection

    def _leave_status(self) -> None:
        now = status.of(self.agent, self.link.state, self.work.statuses)
        now |= {"pid": os.getpid(), "site_view": self.neighbourhood.shown()}
        with suppress(OSError):  # its folder is full: secrets and work come first
            status.write(self.settings.run, now)


async def _stay_alive() -> None:
    """Give a supervisor signs of life; a loop that hangs gives none."""
    while every := supervisor.alive_every():
        supervisor.tell("WATCHDOG=1")
        await asyncio.sleep(every)


async def _either(
    one: asyncio.Event, other: asyncio.Event | None, within: float
) -> None:
    """Return when an event is set, or after ``within`` seconds."""
    waiting = [asyncio.ensure_future(one.wait())]
    if other is not None:
        waiting.append(asyncio.ensure_future(other.wait()))
    try:
        await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
