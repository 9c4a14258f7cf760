"""Keep the broker's retained messages as they should be.

The broker is a lossy cache. What it took is remembered while the connection lasts and
forgotten with it: on every new connection all of it is published again, so a broker
whose database was deleted is whole again as soon as it is reachable.
"""

import asyncio
from typing import Protocol

from edge import topics
from edge.mqtt import Delivery
from edge.names import FleetName, NodeName
from hub import briefing, fleet, messages, proofs, publication, recovery
from hub.agenda import Due
from hub.briefing import Library
from hub.desk import Desk
from hub.fleet import Standing
from hub.publication import Action, Clear, Publish, Wanted
from hub.state import State


class Outlet(Protocol):
    """Where messages go: `edge.broker.Broker` is one."""

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> Delivery:
        """Publish and return what became of it."""


class Publisher:
    """The loop that publishes what `hub.agenda` says is due."""

    def __init__(self, desk: Desk, outlet: Outlet) -> None:
        self.published: dict[str, tuple[str, ...]] = {}
        """Topic → digests of what the broker holds there; absent is unknown."""
        self._desk = desk
        self._outlet = outlet

    def start_over(self) -> None:
        """Publish everything again: the broker may have lost it all."""
        self.published.clear()
        self._desk.agenda.publish(*self._desk.state.ledger.names)
        self._desk.agenda.publish_fleet()

    async def run(self) -> None:
        """Publish what is due until cancelled."""
        while True:
            await self._desk.agenda.to_publish.wait()
            await self.publish_due()

    async def publish_due(self) -> None:
        """Publish what is due now, all of it at once."""
        due = self._desk.agenda.take()
        async with self._desk.settled() as state:
            self._forget(FleetName(state.ledger.fleet), due)
            wanted = wishes(state, due, self._desk.clock())
            actions = publication.plan(wanted, self.published)
        await asyncio.gather(*(self._perform(action) for action in actions))

    def _forget(self, name: FleetName, due: Due) -> None:
        for node in due.unsure:
            root = topics.report(name, NodeName(node)).removesuffix("report")
            for topic in [each for each in self.published if each.startswith(root)]:
                del self.published[topic]

    async def _perform(self, action: Action) -> None:
        match action:
            case Publish():
                payload = action.payload
            case Clear():
                payload = b""
        delivery = await self._outlet.publish(action.topic, payload, retain=True)
        if delivery is Delivery.OFFLINE:
            self.published.pop(action.topic, None)
            return
        self.published[action.topic] = action.leaves
        if delivery is Delivery.REFUSED:
            # Trying again changes nothing; the next connection does.
            problem = f"cannot publish {len(payload)} bytes: the broker refuses them"
            self._desk.tell("unpublished", action.topic, problem)


def wishes(state: State, due: Due, now: float) -> tuple[Wanted, ...]:
    """Return what the topics that are due should hold."""
    name = FleetName(state.ledger.fleet)
    found = list(messages.for_fleet(name, state.shelf)) if due.is_fleet_due else []
    library = Library(
        fleet=name, ledger=state.ledger, shelf=state.shelf, bases=state.bases
    )
    sources = state.proofs
    for node in due.nodes:
        standing = fleet.standing_of(state.ledger, state.signals, node, now)
        if standing is None and state.recovery.strangers.has_met(node):
            found.append(_introduction(state, NodeName(node)))
        if standing is not None:
            assignment = state.assignments.get(standing.device)
            brought = proofs.brought(sources, standing, assignment)
            found += messages.for_node(name, state.shelf, standing, assignment, brought)
        if standing is not None and not standing.is_revoked:
            plan = state.ledger.plans.get(standing.site)
            found.append(briefing.wanted(library, standing, plan))
            found.append(_question(state, standing))
    return tuple(found)


def _question(state: State, standing: Standing) -> Wanted:
    """Return what a device is asked to hand in: what this hub lost."""
    topic = topics.wanted(FleetName(state.ledger.fleet), standing.name)
    asked = state.recovery.asked(standing.device)
    return Wanted(topic=topic, text=recovery.question(asked), rank=messages.FIRST)


def _introduction(state: State, node: NodeName) -> Wanted:
    """Return what a device that this hub forgot is asked for: who it is."""
    topic = topics.wanted(FleetName(state.ledger.fleet), node)
    asked = state.recovery.strangers.asked(node)
    return Wanted(topic=topic, text=recovery.question(asked), rank=messages.FIRST)
