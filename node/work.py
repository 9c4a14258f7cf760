"""The loop that makes this device match: look, plan, perform, look again.

Level-triggered: whatever happens only sets "look again"; nothing is carried from one
look to the next but the history of failures. Chains of actions run beside each other,
so a slow pull delays no repair, and a newer revision never waits for an older one's.
A look costs a start of Podman's service, so one is only taken when something happened
(a document, an end of a process, a chain that finished) or now and then; a probe's
verdict is planned on the last look.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace

from edge.errors import EdgeError
from edge.model import Health, Port, ReplicaStatus
from edge.names import Slot
from node import container_spec, failures, health, orphans, perform, reconcile, trial
from node.actions import Action, Provide, Pull, Start
from node.agent import Agent
from node.bell import Bell
from node.collection import KEY, Collection
from node.container_spec import Host
from node.health import Pulse
from node.images import Ripe
from node.inflight import InFlight
from node.preflight import Room
from node.probes import Prober
from node.processes import Watch
from node.reconcile import Chain, History, Observed, Plan
from node.replica import Container, Replica, Sighting
from node.runtime import Runtime
from node.trial import Look
from node.vault import Vault

Clock = Callable[[], float]
Admit = Callable[[Slot, str], Awaitable[None]]
PODMAN_AGAIN = 2.0
"""Seconds until Podman is asked again after it could not be reached."""
LOG_WITHIN = 3.0
"""Seconds to read why a version failed before it is given up without."""
WINDOW_AGAIN = 30.0
"""Seconds until the clock is asked again whether a window has opened."""


@dataclass(slots=True, kw_only=True)
class Work:
    """Everything the loop holds; ``clock`` never jumps (CLOCK_BOOTTIME)."""

    agent: Agent
    runtime: Runtime
    vault: Vault
    watch: Watch
    prober: Prober
    collection: Collection
    host: Host
    room: Callable[[], Room]
    clock: Clock
    resync_every: float
    bell: Bell
    told: asyncio.Event
    """Set when there is something new to report."""
    admit: Admit | None = None
    """Asked before each start: a ``strict`` replica needs its lease and its guard."""
    seen: Callable[[], None] = lambda: None
    """Called after each turn: what runs here may have changed."""
    statuses: tuple[ReplicaStatus, ...] = ()
    _history: History = field(default_factory=dict)
    _flight: InFlight = field(default_factory=InFlight)
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    _probing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _checks: dict[str, Health] = field(default_factory=dict)
    """What each life is probed by: a version may change that and nothing else."""
    _sighting: Sighting = field(default_factory=Sighting)
    _condemning: set[str] = field(default_factory=set)
    """Slots whose version failed, and whose log is being read."""

    @property
    def ports(self) -> tuple[Port, ...]:
        """Return the host ports that are ours: Podman listens on them as well."""
        held = [each.ports for each in self._sighting.containers]
        replicas = (*self.agent.replicas(), *self.agent.older())
        wanted = [each.workload.ports for each in replicas]
        return tuple(port for ports in (*held, *wanted) for port in ports)

    @property
    def containers(self) -> tuple[Container, ...]:
        """Return what was seen last."""
        return self._sighting.containers

    def is_busy(self, slot: str) -> bool:
        """Return whether a chain of this slot is in flight, or nobody looked since."""
        return self._flight.is_busy(slot)

    def is_healthy(self, slot: str) -> bool:
        """Return whether the slot's replica was healthy at the last plan."""
        return any(each.slot == slot and each.healthy for each in self.statuses)

    def is_prepared(self, slot: str) -> bool:
        """Return whether a replica of ours has its image here and could be started."""
        replica = self.agent.replica(slot)
        if replica is None:
            return False
        image = container_spec.image_id(replica, self.host.architecture)
        return image in self._sighting.images

    def serves(self, slot: str) -> int:
        """Return the version in which the slot was healthy at the last plan, or 0."""
        healthy = (e.version for e in self.statuses if e.slot == slot and e.healthy)
        return next(healthy, 0)

    def is_ready(self, slot: str, version: int) -> bool:
        """Return whether what a slot changes to has its image and its secrets here."""
        for each in self.agent.standbys():
            if (each.slot, each.version) == (slot, version):
                image = container_spec.image_id(each, self.host.architecture)
                return image in self._sighting.images and not each.waits_for
        return True

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.bell.answer()
                wake_at = await self._turn(group)
                await self.bell.wait(wake_at - self.clock())

    async def _turn(self, group: asyncio.TaskGroup) -> float:
        """Look, plan and begin what is due; return when to come back at the latest."""
        self.agent.change_in_time()
        self.agent.staged.count(self.clock())
        newer, standbys = self.agent.replicas(), self.agent.standbys()
        # Where both copies ask for one container, the newer one's check is the last.
        replicas = (*self.agent.older(), *newer)
        try:
            await self._look((*replicas, *standbys))
        except EdgeError as error:
            self.agent.tell("failed", "podman", str(error))
            return self.clock() + PODMAN_AGAIN
        now = self.clock()
        self._probe(group, replicas)  # nobody is judged by another version's check
        observed = self._observed(standbys)
        plan = reconcile.plan(replicas, observed, self._history, self.host, now)
        self._history = plan.history
        failing = self._judge(group, plan, newer, now)
        for chain in plan.chains:
            if chain.key not in failing:  # no repair of what is given up
                self._begin(group, chain)
        self._tell(plan)
        self.seen()
        collect_at = self._collect(group, (*replicas, *standbys), observed, now)
        return min(*self._wakes(plan, now), collect_at)

    def _wakes(self, plan: Plan, now: float) -> Iterable[float]:
        """Yield the times at which something is due though nothing happens."""
        yield now + self.resync_every
        if plan.wake_at is not None:
            yield plan.wake_at
        verdict_at = self.agent.staged.trials.wake_at()
        if verdict_at is not None and verdict_at > now:  # else its log is being read
            yield verdict_at
        leaves_at = self.agent.staged.leaves_at()
        if leaves_at is not None:
            yield leaves_at
        if self.agent.later:
            yield now + WINDOW_AGAIN

    def _collect(
        self,
        group: asyncio.TaskGroup,
        replicas: Iterable[Replica],
        observed: Observed,
        now: float,
    ) -> float:
        """Remove one image that nothing needs, when nothing else is to do.

        Returns when to look at them again.
        """
        used, room = self._sighting.used, observed.room or self.room()
        ripe = self.collection.ripe(replicas, used, room, now)
        if ripe.image and not self._flight.busy:  # else what ends brings us back
            self._flight.begin(f"{KEY}{ripe.image}")
            group.create_task(self._remove(ripe))
        return ripe.wake_at if ripe.wake_at is not None else float("inf")

    async def _remove(self, ripe: Ripe) -> None:
        try:
            await self.collection.remove(ripe, self.clock())
        except EdgeError as error:
            self.agent.tell("failed", f"{KEY}{ripe.image}", str(error))
        finally:
            self._flight.end(f"{KEY}{ripe.image}")
            self.bell.look()

    def _judge(
        self,
        group: asyncio.TaskGroup,
        plan: Plan,
        replicas: Iterable[Replica],
        now: float,
    ) -> AbstractSet[str]:
        """Look at what is on trial; return the slots whose version has failed."""
        watched = self.agent.staged.trials.book.watched
        if not watched:
            return frozenset()
        on_trial = [each for each in plan.statuses if each.slot in watched]
        looks = [self._look_at(each, plan) for each in on_trial]
        found = self.agent.watch(looks, now)
        if found.proved:
            self.bell.plan()
        for each in replicas:
            if each.slot in found.failing and each.slot not in self._condemning:
                self._condemning.add(each.slot)
                group.create_task(self._condemn(each, found.failing[each.slot]))
        return found.failing.keys()

    def _look_at(self, status: ReplicaStatus, plan: Plan) -> Look:
        trail = plan.history[status.slot]
        return trial.look_at(status, trail, self._pulses.get(trail.life))

    async def _condemn(self, replica: Replica, reason: str) -> None:
        """Read why a version failed, while its container is there; then give it up."""
        try:
            log = await self._last_lines(replica)
            self.agent.condemn(replica.slot, reason, log, replica.version)
        finally:
            self._condemning.discard(replica.slot)
        self.bell.look()
        self.told.set()

    async def _last_lines(self, replica: Replica) -> str:
        spec = container_spec.digest(replica, self.host)
        for each in self._sighting.containers:
            if each.slot == replica.slot and each.spec == spec:
                with suppress(EdgeError, TimeoutError):  # its reason must do
                    async with asyncio.timeout(LOG_WITHIN):
                        log = await self.runtime.log(each.id, lines=failures.LINES_MAX)
                        return failures.last_lines(log)
        return ""

    async def _look(self, replicas: Iterable[Replica]) -> None:
        if not self.bell.wants_look:
            return
        self.bell.wants_look = False  # what happens from here on is for the next look
        shown = self._flight.look()
        images = {
            container_spec.image_id(each, self.host.architecture) for each in replicas
        }
        try:
            sighting = await self.runtime.observe(images - {""})
        except EdgeError:
            self.bell.wants_look = True
            raise
        kept, agent = self.agent.untouchable(), self.agent
        lost = agent.staged.lost(agent.places, agent.revisions)
        known = (
            each
            for each in sighting.containers
            if each.slot not in kept and (each.slot, each.version) not in lost
        )
        self._sighting = replace(sighting, containers=tuple(known))
        self._flight.looked(shown)
        self.watch.only({each.pid for each in sighting.containers if each.is_running})

    def _observed(self, standbys: tuple[Replica, ...]) -> Observed:
        return Observed(
            standbys=standbys,
            sighting=self._sighting,
            provided=self.vault.provided(),
            verdicts={life: pulse.verdict for life, pulse in self._pulses.items()},
            busy=frozenset(self._flight.busy),
            room=self.room(),
            # Without a clock of its own a device still knows what has passed for sure.
            clock=max(self.agent.device.clock(), self.agent.ledger.floor),
        )

    def _begin(self, group: asyncio.TaskGroup, chain: Chain) -> None:
        self._flight.begin(chain.key)
        group.create_task(self._perform(chain))

    async def _perform(self, chain: Chain) -> None:
        """Perform a chain; its failure is remembered for the back-off and told."""
        try:
            values = self._values(chain)
            for action in chain.actions:
                self.agent.tell("action", chain.key, action.describe())
                for remark in await self._act(action, values):
                    self.agent.tell("remark", chain.key, remark)
        except (EdgeError, OSError) as error:
            self._history = reconcile.failed(
                self._history, chain, str(error), self.clock()
            )
            self.agent.tell("failed", chain.key, str(error))
            await self._end_orphans()
        else:
            self._history = reconcile.performed(self._history, chain, self.clock())
        finally:
            self._flight.end(chain.key)
            self.bell.look()

    async def _act(self, action: Action, values: perform.Values) -> tuple[str, ...]:
        """Perform an action with what has to be done before it."""
        if isinstance(action, Start):
            await self._admit(action)
        if not isinstance(action, Pull):
            return await perform.perform(action, self.runtime, self.vault, values)
        await self.collection.expect(action)
        try:
            return await perform.perform(action, self.runtime, self.vault, values)
        except EdgeError:
            await self.collection.missed(action)
            raise

    async def _admit(self, start: Start) -> None:
        """Wait for who has a say before a start, and remember it."""
        if self.admit is not None:
            await self.admit(start.slot, start.container)
        self.agent.staged.begin(start.slot, start.version)

    async def _end_orphans(self) -> None:
        """Make room where a container that Podman forgot may be in the way."""
        running = orphans.monitors(f"{container_spec.PREFIX}-")
        try:
            sighting = await self.runtime.observe(())
        except EdgeError:
            return
        known = (each.id for each in sighting.containers)
        for orphan in orphans.unknown(running, known):
            self.agent.tell("orphan", orphan.name, "Podman forgot it: it is ended")
            orphans.end(orphan)

    def _values(self, chain: Chain) -> Mapping[Slot, Mapping[str, bytes]]:
        """Open the secrets a chain provides, at the last moment."""
        return {
            action.replica.slot: self.agent.open_secrets(action.replica)
            for action in chain.actions
            if isinstance(action, Provide)
        }

    def _probe(self, group: asyncio.TaskGroup, replicas: Iterable[Replica]) -> None:
        """Keep one probing task for each running container that has a health check."""
        wanted = {
            container.life: (container, replica)
            for replica in replicas
            for container in self._sighting.containers
            if replica.workload.health is not None
            and container.is_running
            and container.slot == replica.slot
            and container.spec == container_spec.digest(replica, self.host)
        }
        checks = {life: each.workload.health for life, (_, each) in wanted.items()}
        for life in [k for k in self._probing if self._checks[k] != checks.get(k)]:
            self._probing.pop(life).cancel()
            self._pulses.pop(life, None)
        self._checks = {life: each for life, each in checks.items() if each is not None}
        for life in sorted(wanted.keys() - self._probing.keys()):
            task = group.create_task(self._keep_probing(*wanted[life]))
            self._probing[life] = task

    async def _keep_probing(self, container: Container, replica: Replica) -> None:
        """Probe one life of a container until it is over."""
        check = replica.workload.health
        if check is None:
            return
        pulse = health.begin(self.clock(), check)
        while True:
            self._pulses[container.life] = pulse
            await asyncio.sleep(max(0.0, pulse.next_at - self.clock()))
            problem = await self.prober.probe(container, replica.workload)
            before, pulse = pulse, health.record(pulse, check, self.clock(), problem)
            if pulse.verdict != before.verdict:
                self._pulses[container.life] = pulse
                if problem:
                    self.agent.tell("unhealthy", container.slot, problem)
                self.bell.plan()

    def _tell(self, plan: Plan) -> None:
        before = {each.slot: each.restarts for each in self.statuses}
        for each in plan.statuses:
            if each.restarts > before.get(each.slot, each.restarts):
                self.agent.tell("restarted", each.slot, f"restart {each.restarts}")
        if plan.statuses != self.statuses:
            self.statuses = plan.statuses
            self.told.set()
