"""The hub's end of the broker: hears every device, keeps what they read.

Starts when the hub is adopted and runs until the daemon ends. A connection that comes
back may be to a broker that lost everything: all of it is published again.
"""

import asyncio
import math
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
BEACON_EVERY = 1800.0
"""Seconds between the hub's words that what it published is fresh. A device stores each
of them, which writes 200 kB to its flash; an idle one writes nothing else."""
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

    def __post_init__(self) -> None:
        """Know that nothing is known yet of who is there."""
        self.desk.state.listens_since = math.inf

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
                    if isinstance(event, Message) and _is_handing_in(event):
                        await self._hand_in(event)
                    else:
                        self._take(event, publisher, own)

    async def _hand_in(self, message: Message) -> None:
        try:
            await self.desk.hand_in(message)
        except StoreError as error:
            self.say(str(error))  # the device is asked again

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
                self._listen(own)
                publisher.start_over()
            case Disconnected():
                self.say(f"not connected to the broker: {event.reason}")
                self.desk.tell("disconnected", "broker", event.reason)

    def _listen(self, own: Mosquitto | None) -> None:
        """Note since when devices are heard; the broker kept what was said meanwhile.

        One that started with us had nobody connected.
        """
        state, now = self.desk.state, self.desk.clock()
        is_other = own is not None and own.starts != self.starts
        if own is not None and is_other:
            self.starts, state.broker_since = own.starts, now
        if is_other or math.isinf(state.listens_since):
            state.listens_since = now
            self.desk.agenda.to_decide.set()

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


def _is_handing_in(message: Message) -> bool:
    return message.topic.endswith("/documents")
