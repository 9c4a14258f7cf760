"""The loop that makes this device match: look, plan, perform, look again.

Level-triggered: whatever happens only sets "look again"; nothing is carried from one
look to the next but the history of failures. Chains of actions run beside each other,
so a slow pull delays no repair, and a newer revision never waits for an older one's.
A look costs a start of Podman's service, so one is only taken when something happened
(a document, an end of a process, a chain that finished) or now and then; a probe's
verdict is planned on the last look.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edge.errors import EdgeError
from edge.model import Port, ReplicaStatus
from edge.names import Slot
from node import container_spec, health, orphans, perform, reconcile
from node.actions import Provide
from node.agent import Agent
from node.bell import Bell
from node.container_spec import Host
from node.health import Pulse
from node.preflight import Room
from node.probes import Prober
from node.processes import Watch
from node.reconcile import Chain, History, Observed, Plan
from node.replica import Container, Replica, Sighting
from node.runtime import Runtime
from node.vault import Vault

Clock = Callable[[], float]
PODMAN_AGAIN = 2.0
"""Seconds until Podman is asked again after it could not be reached."""


@dataclass(slots=True, kw_only=True)
class Work:
    """Everything the loop holds; ``clock`` never jumps (CLOCK_BOOTTIME)."""

    agent: Agent
    runtime: Runtime
    vault: Vault
    watch: Watch
    prober: Prober
    host: Host
    room: Callable[[], Room]
    clock: Clock
    resync_every: float
    bell: Bell
    told: asyncio.Event
    """Set when there is something new to report."""
    statuses: tuple[ReplicaStatus, ...] = ()
    _history: History = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    _probing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _sighting: Sighting = field(default_factory=Sighting)

    @property
    def ports(self) -> tuple[Port, ...]:
        """Return the host ports that are ours: Podman listens on them as well."""
        held = [each.ports for each in self._sighting.containers]
        wanted = [each.workload.ports for each in self.agent.replicas()]
        return tuple(port for ports in (*held, *wanted) for port in ports)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.bell.answer()
                wake_at = await self._turn(group)
                await self.bell.wait(wake_at - self.clock())

    async def _turn(self, group: asyncio.TaskGroup) -> float:
        """Look, plan and begin what is due; return when to come back at the latest."""
        replicas = self.agent.replicas()
        try:
            await self._look(replicas)
        except EdgeError as error:
            self.agent.tell("failed", "podman", str(error))
            return self.clock() + PODMAN_AGAIN
        now = self.clock()
        plan = reconcile.plan(replicas, self._observed(), self._history, self.host, now)
        self._history = plan.history
        for chain in plan.chains:
            self._begin(group, chain)
        self._probe(group, replicas)
        self._tell(plan)
        resync_at = now + self.resync_every
        return min(resync_at, plan.wake_at) if plan.wake_at is not None else resync_at

    async def _look(self, replicas: Iterable[Replica]) -> None:
        if not self.bell.wants_look:
            return
        self.bell.wants_look = False  # what happens from here on is for the next look
        images = {
            container_spec.image_id(each, self.host.architecture) for each in replicas
        }
        try:
            sighting = await self.runtime.observe(images - {""})
        except EdgeError:
            self.bell.wants_look = True
            raise
        kept = self.agent.untouchable()
        known = (each for each in sighting.containers if each.slot not in kept)
        self._sighting = Sighting(
            containers=tuple(known), images=sighting.images, foreign=sighting.foreign
        )
        self.watch.only({each.pid for each in sighting.containers if each.is_running})

    def _observed(self) -> Observed:
        return Observed(
            sighting=self._sighting,
            provided=self.vault.provided(),
            verdicts={life: pulse.verdict for life, pulse in self._pulses.items()},
            busy=frozenset(self._busy),
            room=self.room(),
            # Without a clock of its own a device still knows what has passed for sure.
            clock=max(self.agent.device.clock(), self.agent.ledger.floor),
        )

    def _begin(self, group: asyncio.TaskGroup, chain: Chain) -> None:
        self._busy.add(chain.key)
        group.create_task(self._perform(chain))

    async def _perform(self, chain: Chain) -> None:
        """Perform a chain; its failure is remembered for the back-off and told."""
        try:
            values = self._values(chain)
            for action in chain.actions:
                self.agent.tell("action", chain.key, action.describe())
                for remark in await perform.perform(
                    action, self.runtime, self.vault, values
                ):
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
            self._busy.discard(chain.key)
            self.bell.look()

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
        for life in self._probing.keys() - wanted.keys():
            self._probing.pop(life).cancel()
            self._pulses.pop(life, None)
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
