"""This device's end of the broker: what arrives goes to the agent, reports go out.

The link holds nothing that matters: a report is made anew from what is true when it can
be sent, events wait in the journal, and everything that arrives is judged before it
counts. A broker that is away only means that the hub learns later.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from edge import connection, documents, tls, topics
from edge.broker import Broker
from edge.documents import Report
from edge.errors import ConfigError, EdgeError
from edge.mqtt import Connected, Disconnected, Message
from edge.names import FleetName, NodeName
from node import recovery
from node.agent import Agent
from node.bell import Bell
from node.settings import Pace

BROKER_PORT = 8883
SETTINGS_AGAIN = 10.0
"""Seconds until the certificate and the hub's address are read again."""
EVENTS_AT_ONCE = 100
"""Events sent after a reconnect before the next report has its turn."""


class StateListener(Protocol):
    """Hears whether the broker can be reached."""

    def __call__(self, *, is_connected: bool) -> None:
        """Take it in."""


@dataclass(slots=True, kw_only=True)
class Link:
    """One device's connection to the fleet's broker."""

    agent: Agent
    pace: Pace
    bell: Bell
    told: asyncio.Event
    """Set when the hub should hear what is held now."""
    rng: Random
    state: str = "not connected yet"
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the broker refuses us: the certificate may have to be renewed."""
    on_mesh: Callable[[bytes], None] = lambda _: None
    """Given the mesh datagrams that neighbours left for us at the broker."""
    on_state: StateListener | None = None
    """Called when the connection came or went."""
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    """Set on every new connection: what was told before may be lost."""
    _renewed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is a certificate for who could not connect without."""
    _asked: tuple[str, ...] = ()
    """Streams the hub lost and asked for."""
    _broker: Broker | None = None
    _trust: int = 0
    """The version of the trust document the connection was made by."""

    @property
    def address(self) -> str:
        """Return this device's own address on the way to the broker, "" for none."""
        trust = self.agent.ledger.trust
        broker = trust.hubs[0].broker if trust and trust.hubs else ""
        host = urlsplit(broker).hostname or ""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((host, BROKER_PORT))  # a look-up: nothing is sent
                return str(probe.getsockname()[0])
            except OSError:
                return ""

    @property
    def is_connected(self) -> bool:
        """Return whether the broker can be reached now."""
        return self._broker is not None and self._broker.is_connected

    async def run(self) -> None:
        """Serve the connection until cancelled; without one, work goes on."""
        while True:
            try:
                settings = self.settings()
            except (EdgeError, OSError) as error:
                self.state = str(error)
                self.agent.tell("failed", "link", str(error))
                self.refused.set()
                await self._try_again()
            else:
                await self._serve(settings)

    async def _try_again(self) -> None:
        """Wait until what was missing may be there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTINGS_AGAIN):
                await self._renewed.wait()
        self._renewed.clear()

    async def _serve(self, settings: connection.Settings) -> None:
        async with Broker(settings, rng=self.rng) as broker:
            self._broker = broker
            await broker.subscribe(*topics.for_node(self._fleet, self._name))
            async for event in broker:
                self._take(event)

    def settings(self) -> connection.Settings:
        """Return how to connect, from the newest trust and certificate."""
        device, trust = self.agent.device, self.agent.ledger.trust
        if trust is None or not trust.hubs:
            raise ConfigError("cannot connect: root named no hub yet")
        self._trust = trust.version
        parts = urlsplit(trust.hubs[0].broker)
        certificate = device.certificate.read_bytes()
        return connection.Settings(
            host=parts.hostname or "",
            port=parts.port or BROKER_PORT,
            client_id=device.name,
            tls=tls.device_context(trust.ca.encode(), certificate, device.identity.tls),
            judge=device.judge_peer,
            will=connection.Will(topic=self._status, payload=_state("offline")),
            keepalive=self.pace.keepalive,
        )

    @property
    def is_outdated(self) -> bool:
        """Return whether root named another hub since we connected."""
        trust = self.agent.ledger.trust
        is_newer = trust is not None and trust.version != self._trust
        return self._broker is not None and is_newer

    async def reload(self) -> None:
        """Connect again, as after the certificate or the hub's address changed.

        Retained messages come again with every new subscription.
        """
        self.refused.clear()
        if self._broker is None:
            self._renewed.set()
            return
        try:
            settings = self.settings()
        except (EdgeError, OSError) as error:
            self.state = str(error)
            self.agent.tell("failed", "link", str(error))
            self.refused.set()
        else:
            await self._broker.reload(settings)

    async def send_report(self, report: Report) -> bool:
        """Sign and publish a report; return whether the broker has it."""
        data = documents.sign(report, self.agent.device.identity.sign)
        return await self._publish(
            topics.report(self._fleet, self._name), data, retain=True
        )

    async def send_telemetry(self, values: dict[str, float]) -> bool:
        """Publish this device's own figures."""
        topic = topics.telemetry_system(self._fleet, self._name)
        return await self._publish(topic, msgspec.json.encode(values), retain=False)

    async def greet(self) -> None:
        """Say that we are here, and what happened while nobody listened."""
        await self._publish(self._status, _state("online"), retain=True)
        await self.send_events()

    async def send_events(self) -> None:
        """Send what the hub was not told yet, oldest first."""
        journal = self.agent.journal
        topic = topics.event(self._fleet, self._name)
        for event in journal.unsent()[:EVENTS_AT_ONCE]:
            told = {
                "at": event.at,
                "kind": event.kind,
                "subject": event.subject,
                "text": event.text,
            }
            if not await self._publish(topic, msgspec.json.encode(told), retain=False):
                return
            journal.mark_sent(event.seq)

    async def hand_in(self) -> None:
        """Give the hub what it asked for; a message that got lost is asked for anew."""
        streams, self._asked = self._asked, ()
        store, heads = self.agent.device.store, self.agent.ledger.heads
        topic = topics.documents(self._fleet, self._name)
        for bundle in recovery.bundles(streams, heads, store.envelopes):
            if not await self._publish(topic, bundle, retain=False):
                self._asked = streams
                return
        if streams:
            text = f"handed in what it lost of {len(streams)} streams"
            self.agent.tell("recovery", "hub", text)

    async def pass_on(self, topic: str, datagram: bytes) -> bool:
        """Publish a mesh datagram: once, and kept for nobody."""
        if self._broker is None or not self._broker.is_connected:
            return False
        return bool(await self._broker.publish(topic, datagram, qos=0))

    async def leave(self) -> None:
        """Say goodbye, so that dashboards need not wait for the last will."""
        await self._publish(self._status, _state("offline"), retain=True)

    def _take(self, event: Connected | Disconnected | Message) -> None:
        match event:
            case Connected():
                self.state = "connected"
                self.refused.clear()
                self.fresh.set()
                self._tell_state(is_connected=True)
            case Disconnected():
                self.state = event.reason
                self.told.set()  # whoever asks this device should hear of it
                self._tell_state(is_connected=False)
                if event.is_refusal:
                    self.refused.set()
            case Message() if "/mesh/" in event.topic:
                self.on_mesh(event.payload)
            case Message() if event.topic == topics.wanted(self._fleet, self._name):
                self._asked = recovery.asked(event.payload)
                self.told.set()
            case Message():
                before = self.agent.journal.newest
                is_news = self.agent.receive(event.payload)
                if is_news:
                    self.bell.look()
                if is_news or self.agent.journal.newest > before:
                    self.told.set()  # a refusal is worth telling as well

    def _tell_state(self, *, is_connected: bool) -> None:
        if self.on_state is not None:
            self.on_state(is_connected=is_connected)

    async def _publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        if self._broker is None or not self._broker.is_connected:
            return False
        return bool(await self._broker.publish(topic, payload, retain=retain))

    @property
    def _fleet(self) -> FleetName:
        return FleetName(self.agent.ledger.fleet)

    @property
    def _name(self) -> NodeName:
        return NodeName(self.agent.device.name)

    @property
    def _status(self) -> str:
        return topics.status(self._fleet, self._name)


def _state(word: str) -> bytes:
    return msgspec.json.encode({"state": word})
