"""The hub's end of the broker: hears every device, keeps what they read.

Starts when the hub is adopted and runs until the daemon ends. A connection that comes
back may be to a broker that lost everything: all of it is published again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from edge import connection, tls, topics
from edge.broker import Broker
from edge.errors import StoreError
from edge.mqtt import Connected, Disconnected, Message
from edge.names import HUB_IDENTITY, FleetName
from hub import admission, identity, mosquitto, mosquitto_config, registry
from hub.admission import Admission, Door
from hub.desk import Desk
from hub.mosquitto import Mosquitto
from hub.publisher import Publisher
from hub.settings import Settings

BROKER_FOLDER = "broker"
BEACON_EVERY = 600.0
"""Seconds between the hub's words that what it published is fresh."""
KEEPALIVE = 10
"""Seconds; a broker that lost its power says nothing, and this is how long the hub
takes to find out, twice at most. Devices, who pay for each ping, wait longer."""
SESSION_FOR = 3600
"""Seconds the broker keeps what devices say for a hub that is away."""
QUEUE_MAX = 128
"""Messages the broker may send ahead; one takes the hub about 0.3 ms."""
AGAIN_AFTER = 1.0  # seconds, when the database did not take a beacon

Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Link:
    """One hub at one broker, its own child or another's."""

    desk: Desk
    settings: Settings
    rng: Random
    say: Say
    starts: int = 0
    """How often the hub's own broker had been started when we connected last."""

    async def run(self) -> None:
        """Serve until cancelled; raise `ConfigError` if there is no such broker."""
        await self.desk.adopted.wait()
        own = await self._own_broker()
        settings = self._connection()
        door = Door(
            host=settings.host,
            port=settings.port,
            judge=self._judge,
            mosquitto=own,
        )
        gate = Admission(desk=self.desk, door=door, folder=self.settings.state)
        if own is not None:  # a broker that starts with us has no old connections
            gate.evicted.update(registry.revoked_names(self.desk.state.ledger))
        async with asyncio.TaskGroup() as tasks:
            if own is not None:
                tasks.create_task(own.run())
                await own.ready.wait()
            async with Broker(settings, rng=self.rng) as broker:
                publisher = Publisher(self.desk, broker)
                for loop in (gate.run(), publisher.run(), self._beacons()):
                    tasks.create_task(loop)
                await broker.subscribe(*topics.for_hub(self._fleet))
                async for event in broker:
                    self._take(event, publisher, own)

    def _take(
        self,
        event: Connected | Disconnected | Message,
        publisher: Publisher,
        own: Mosquitto | None,
    ) -> None:
        match event:
            case Message():
                self.desk.hear(event)
            case Connected():
                self.say("connected to the broker")
                self.desk.tell("connected", "broker", "publishing everything again")
                if own is not None and own.starts != self.starts:
                    self.starts = own.starts
                    self.desk.state.broker_since = self.desk.clock()
                publisher.start_over()
            case Disconnected():
                self.say(f"not connected to the broker: {event.reason}")
                self.desk.tell("disconnected", "broker", event.reason)

    async def _beacons(self) -> None:
        while True:
            try:
                await self.desk.beacon()
            except StoreError as error:
                self.say(str(error))
                await asyncio.sleep(AGAIN_AFTER)
            else:
                await asyncio.sleep(BEACON_EVERY)

    async def _own_broker(self) -> Mosquitto | None:
        if not self.settings.is_supervising:
            return None
        place = self.settings.own_broker
        config = mosquitto_config.Settings(
            folder=str(self.settings.state / BROKER_FOLDER),
            port=place.port,
            address=place.host,
        )
        told = mosquitto.Settings(
            config=config,
            fleet=self._fleet,
            command=self.settings.mosquitto or (mosquitto.PROGRAM,),
        )
        async with self.desk.settled() as state:
            shown = admission.material(self.desk, state, self.desk.clock())
        return Mosquitto(told, shown, log=lambda line: self.say(f"broker: {line}"))

    def _connection(self) -> connection.Settings:
        place = self.settings.broker_connect
        now = self.desk.clock()
        return connection.Settings(
            host=place.host,
            port=place.port,
            client_id=HUB_IDENTITY,
            tls=identity.broker_context(self.desk.identity, now),
            judge=self._judge,
            clean_start=False,
            session_for=SESSION_FOR,
            keepalive=KEEPALIVE,
            queue_max=QUEUE_MAX,
        )

    def _judge(self, certificate: object) -> None:
        if isinstance(certificate, dict):
            floor = self.desk.state.ledger.floor
            tls.check_validity(certificate, self.desk.clock(), floor)

    @property
    def _fleet(self) -> FleetName:
        return FleetName(self.desk.state.ledger.fleet)
