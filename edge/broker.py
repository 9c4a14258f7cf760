"""MQTT for daemons: one identity at one broker, connected as long as it can be.

A `Broker` is an async iterator of what happens (`Connected`, `Message`,
`Disconnected`), so that a daemon is one loop. Rules:

- Nothing blocks the event loop and nothing wakes it in vain (`edge.connection`).
- No queue grows without a bound. Outgoing: `publish` waits for the broker's
  acknowledgement and keeps nothing while offline, the caller's outbox does. Incoming:
  the broker may have ``queue_max`` messages out (MQTT 5 receive maximum), and one is
  acknowledged when the consumer asks for the next.
- A lost connection is made again after a jittered pause, with every subscription.
- It raises only our errors; what a hostile broker does ends in `Disconnected`.

Messages may come twice (QoS 1, overlapping subscriptions): handlers are idempotent.
"""

import asyncio
from collections import Counter
from random import Random
from types import TracebackType
from typing import Self

from edge import dial
from edge.connection import Connection, Received, Settings, Will
from edge.errors import EdgeError, TrustError
from edge.mqtt import Connected, Delivery, Disconnected, Event, Message

__all__ = [
    "Broker",
    "Connected",
    "Delivery",
    "Disconnected",
    "Event",
    "Message",
    "Settings",
    "Will",
]

EVENTS_MAX = 64  # connection events kept for a consumer that does not look
# Mosquitto 2.0 goes one over the receive maximum each time the client publishes, so
# the count is no proof of bad faith; the bytes (see `_receive`) are the hard limit.
WAITING_MAX = 1024

_Delivered = tuple[Connection, Received]


class Broker:
    """One client of one broker, connected for as long as the context is open.

    ``counters`` names what happened: ``connected``, ``failed`` (attempts),
    ``refused`` (publishes), ``refused-subscription``, ``overflow`` (messages beyond
    ``queue_max``), ``forgotten`` (connection events nobody took).
    """

    def __init__(self, settings: Settings, *, rng: Random) -> None:
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._rng = rng
        self._topics: list[str] = []
        self._events: asyncio.Queue[Connected | Disconnected | _Delivered | None]
        self._events = asyncio.Queue()
        self._waiting = self._held = 0  # messages among the events, and their bytes
        self._taken: _Delivered | None = None
        self._said = ""  # why the last attempt failed: said once, not at every try
        self._drained = asyncio.Event()
        self._drained.set()
        self._awake = asyncio.Event()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # Owned here and awaited in __aexit__; a TaskGroup would wrap the exceptions
        # of the caller's block into groups.
        self._task = asyncio.create_task(self._run())  # noqa: TID251
        self._task.add_done_callback(lambda _: self._events.put_nowait(None))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            await self._connection.leave(with_will=True)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event, and acknowledge the message returned before."""
        if self._taken is not None:
            connection, received = self._taken
            self._taken = None
            connection.acknowledge(received)
        event = await self._events.get()
        if event is None:
            raise self._over()
        if not isinstance(event, tuple):
            return event
        self._waiting -= 1
        self._held -= len(event[1].message.payload)
        if not self._waiting:
            self._drained.set()
        self._taken = event
        return event[1].message

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and not gone away since."""
        return self._connection is not None

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> Delivery:
        """Publish and return what became of it; keeps nothing back.

        QoS 1 waits for the broker's acknowledgement; with ``in_flight`` of them
        unanswered the next caller waits. Raises `WireError` for a topic or QoS that
        cannot exist.
        """
        if self._connection is None:
            return Delivery.OFFLINE
        verdict = await self._connection.publish(topic, payload, qos, retain=retain)
        if verdict is Delivery.REFUSED:
            self.counters["refused"] += 1
        return verdict

    async def subscribe(self, *topics: str) -> None:
        """Subscribe now, if connected, and after every reconnect (QoS 1).

        Returns when the broker answered, or at once while offline.
        """
        fresh = [topic for topic in topics if topic not in self._topics]
        self._topics += fresh
        if self._connection is not None:
            await self._subscribe(self._connection, fresh)

    async def reload(self, settings: Settings) -> None:
        """Reconnect with other settings, as after a certificate was renewed.

        The last will stays unpublished.
        """
        self._settings = settings
        self._awake.set()
        if self._connection is not None:
            await self._connection.leave(with_will=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = self._settings.retry_first
        while True:
            # What the last connection brought must be taken before more may come.
            await self._drained.wait()
            began = loop.time()
            end = await self._session()
            if end.reason != self._said:
                self._announce(end)
            self._said = end.reason
            if loop.time() - began > self._settings.retry_last:
                pause = self._settings.retry_first
            await self._rest(pause * self._rng.uniform(0.5, 1.0))
            pause = min(pause * 2, self._slowest(end))

    async def _session(self) -> Disconnected:
        """Connect, stay until the end, and say how it ended."""
        settings = self._settings
        try:
            opened = await dial.open_socket(
                settings.host,
                settings.port,
                tls=settings.tls,
                judge=settings.judge,
                within=settings.answer_within,
            )
        except EdgeError as error:
            self.counters["failed"] += 1
            is_refusal = isinstance(error, TrustError)
            return Disconnected(reason=str(error), is_refusal=is_refusal)
        connection = Connection(settings, opened, self._receive)
        try:
            return await self._stay(connection, settings)
        finally:
            self._connection = None
            connection.end("cannot stay connected: we left")

    async def _stay(self, connection: Connection, settings: Settings) -> Disconnected:
        if await connection.greet() is None:
            self.counters["failed"] += 1
        elif settings is self._settings:
            self._welcome(connection)
            await self._subscribe(connection, self._topics)
            await asyncio.wait({connection.ended})
        else:  # reloaded meanwhile: this was yesterday's certificate
            await connection.leave(with_will=False)
        return connection.ended.result()

    def _welcome(self, connection: Connection) -> None:
        """Announce a connection, once, and before the first message it brings."""
        if self._connection is not connection:
            self.counters["connected"] += 1
            self._connection = connection
            self._said = ""
            self._announce(Connected(session_present=connection.session_present))

    async def _subscribe(self, connection: Connection, topics: list[str]) -> None:
        before = connection.refused_subscriptions
        await connection.subscribe(topics)
        refused = connection.refused_subscriptions - before
        if refused:
            self.counters["refused-subscription"] += refused

    def _slowest(self, end: Disconnected) -> float:
        settings = self._settings
        return settings.retry_refused if end.is_refusal else settings.retry_last

    async def _rest(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()

    def _announce(self, event: Connected | Disconnected) -> None:
        if self._events.qsize() - self._waiting < EVENTS_MAX:
            self._events.put_nowait(event)
        else:
            self.counters["forgotten"] += 1

    def _receive(self, connection: Connection, received: Received) -> bool:
        """Queue a message; return whether the broker keeps to what it may send."""
        self._welcome(connection)
        settings, size = self._settings, len(received.message.payload)
        full = self._held + size > settings.packet_max * settings.queue_max
        if full or self._waiting >= (
            WAITING_MAX if received.qos else settings.queue_max
        ):
            self.counters["overflow"] += 1
            return received.qos == 0
        self._waiting += 1
        self._held += size
        self._drained.clear()
        self._events.put_nowait((connection, received))
        return True

    def _over(self) -> StopAsyncIteration:
        self._events.put_nowait(None)  # for whoever asks again
        if self._task is not None and not self._task.cancelled():
            self._task.result()  # a defect of ours must not pass for the end
        return StopAsyncIteration()
