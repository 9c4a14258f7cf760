"""One MQTT 5 connection, from its first packet to its end: the only import of paho.

paho speaks the protocol and nothing else here: sockets come from `edge.dial`, and the
event loop calls paho when bytes arrive or can leave. Rules:

- An idle connection wakes the process four times in a keepalive.
- Whatever the broker sends ends, at worst, in `Connection.ended`: parser errors,
  packets over the limit (never read into memory), more messages than it was
  allowed, QoS 2, which nobody here asks for.
- Nothing is kept for later: who waits for an answer when the connection ends is told
  so, and a lost connection is never reused, so no old packet id can be mistaken for
  a new one.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.dial import Judge, LimitedSocket
from edge.errors import WireError
from edge.mqtt import Delivery, Disconnected, Message

READS_AT_ONCE = 32  # packets before other tasks have their turn
TICKS_IN_KEEPALIVE = 4  # a ping leaves at most a quarter late; brokers allow half
GOODBYE_WITHIN = 1.0  # seconds for the DISCONNECT packet to leave
BACKLOG_MAX = 1024  # packets paho may hold for a broker that does not read
PACKET_OVERHEAD = 64  # bytes: fixed header, lengths, packet id, properties
# MQTT 5.0 section 2.4: codes from FAILURE on are failures, REFUSALS mean "not you".
FAILURE, TAKEN_OVER, LEFT_WITH_WILL = 0x80, 0x8E, 0x04
REFUSALS = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C, 0x98})
TLS_ALERT = "ALERT_"  # OpenSSL's words for what the peer said of our certificate

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes when this client is gone."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the broker is, who we are there, and how patient.

    A hostile broker can make one client hold ``packet_max`` × ``queue_max`` bytes.
    """

    host: str
    """Name or address; also what the broker's certificate must say."""
    port: int
    client_id: str
    tls: ssl.SSLContext | None = None
    """From `edge.tls.client_context`; None is plain TCP, for tests."""
    judge: Judge | None = None
    """Sees the broker's certificate (`ssl.SSLSocket.getpeercert`) before a byte is
    sent; raises `edge.errors.TrustError`. `edge.tls.check_validity` belongs here,
    with this machine's clock and floor."""
    will: Will | None = None
    keepalive: int = 60
    """Seconds of silence before a ping (204 bytes with TLS). A hung broker is noticed
    after about twice that, a dead path 30 s after the first byte it swallows."""
    clean_start: bool = True
    session_for: int = 0
    """Seconds the broker keeps our subscriptions and queue after we are gone."""
    packet_max: int = 1024 * 1024
    """Largest packet sent or accepted, in bytes."""
    queue_max: int = 16
    """Messages the broker may have out that the consumer has not taken yet."""
    in_flight: int = 20
    """Publishes without an answer; more callers wait. 20 is Mosquitto's own limit."""
    retry_first: float = 0.2
    retry_last: float = 5.0
    """Seconds before the first and the slowest attempts to connect again, shortened
    at random by up to a half so that a fleet does not return in one second."""
    retry_refused: float = 60.0
    """The slowest instead of ``retry_last`` after a refusal: nothing changes by asking,
    and each handshake costs 3 KB. `Broker.reload` tries at once."""
    answer_within: float = 15.0
    """Seconds without any progress until the broker counts as gone: while
    connecting, and while an answer is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message, and what its acknowledgement must name."""

    message: Message
    packet: int
    qos: int


class Connection:
    """A client on a connected socket, which it owns from now on.

    ``receive`` gets every message and returns False when there is no room for one
    that the broker had no right to send. ``ended`` is set exactly once; after that
    no callback of paho's does anything.
    """

    def __init__(
        self,
        settings: Settings,
        opened: socket.socket,
        receive: "Callable[[Connection, Received], bool]",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Disconnected] = self._loop.create_future()
        self.refused_subscriptions = 0
        self.session_present = False
        self._settings = settings
        self._receive = receive
        self._greeted: asyncio.Future[bool | None] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[int | None]] = {}
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._packet_max = settings.packet_max
        self._timer: asyncio.TimerHandle | None = None
        self._socket = LimitedSocket(opened, read_max=settings.packet_max)
        self._descriptor = opened.fileno()
        self._client = _Client(settings, self._socket)
        self._listen()

    async def greet(self) -> bool | None:
        """Log in; return whether the broker kept our session, None if it ended."""
        settings = self._settings
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = settings.session_for
        properties.ReceiveMaximum = settings.queue_max
        properties.MaximumPacketSize = settings.packet_max
        self._client.connect(
            settings.host,
            settings.port,
            settings.keepalive,
            clean_start=settings.clean_start,
            properties=properties,
        )
        return await self._patient(self._greeted)

    async def publish(
        self, topic: str, payload: bytes, qos: int, *, retain: bool
    ) -> Delivery:
        """Publish and wait for the answer, with at most ``in_flight`` at a time."""
        size = len(topic.encode()) + len(payload) + PACKET_OVERHEAD
        if size > self._packet_max:
            return Delivery.REFUSED
        async with self._slots:
            if self.ended.done():
                return Delivery.OFFLINE
            try:
                sent = self._client.publish(topic, payload, qos, retain)
            except ValueError as error:
                raise WireError(f"cannot publish to {topic!r}: {error}") from error
            code = await self._answer(sent.rc, sent.mid)
        if code is None:
            return Delivery.OFFLINE
        return Delivery.REFUSED if code >= FAILURE else Delivery.ACCEPTED

    async def subscribe(self, topics: list[str]) -> None:
        """Subscribe at QoS 1 and wait until the broker answered."""
        if topics and not self.ended.done():
            wishes = [(topic, SubscribeOptions(qos=1)) for topic in topics]
            try:
                code, packet = self._client.subscribe(wishes)
            except ValueError as error:
                raise WireError(f"cannot subscribe to {topics}: {error}") from error
            await self._answer(code, packet or 0)

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that the consumer is done with a message."""
        if received.qos and not self.ended.done():
            self._perform(lambda: self._client.ack(received.packet, received.qos))

    async def leave(self, *, with_will: bool) -> None:
        """Say goodbye, have the last will published or dropped, and close."""
        if self.ended.done():
            return
        code = LEFT_WITH_WILL if with_will and self._settings.will else 0
        goodbye = ReasonCode(PacketTypes.DISCONNECT, identifier=code)
        self._perform(lambda: self._client.disconnect(goodbye))
        await asyncio.wait({self.ended}, timeout=GOODBYE_WITHIN)
        self.end("cannot stay connected: we left")

    def end(self, reason: str, code: int = 0) -> None:
        """Close the socket and tell everybody who waits; only the first call counts."""
        if self.ended.done():
            return
        is_refusal = code in REFUSALS or TLS_ALERT in reason
        is_takeover = code == TAKEN_OVER
        self.ended.set_result(
            Disconnected(reason=reason, is_refusal=is_refusal, is_takeover=is_takeover)
        )
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()
        if not self._greeted.done():
            self._greeted.set_result(None)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(None)

    def _listen(self) -> None:
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_wrote
        self._loop.add_reader(self._descriptor, self._on_readable)

    async def _answer(self, sent: MQTTErrorCode, packet: int) -> int | None:
        """Return the reason code for a packet, None when there will be none."""
        if sent is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        answer = self._answers[packet] = self._loop.create_future()
        try:
            return await self._patient(answer)
        finally:
            self._answers.pop(packet, None)

    async def _patient(self, answer: "asyncio.Future[Answer | None]") -> Answer | None:
        """Wait as long as bytes move; a large packet on a slow link takes minutes."""
        while not answer.done():
            moved = self._socket.moved
            await asyncio.wait({answer}, timeout=self._settings.answer_within)
            if not answer.done() and moved == self._socket.moved:
                seconds = f"{self._settings.answer_within:g} s"
                self.end(f"cannot reach the broker: no answer in {seconds}")
        return answer.result()

    def _perform(self, step: Callable[[], object]) -> bool:
        """Let paho do something; return whether the connection is still there."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - hostile bytes: paho raises anything
            self.end(f"cannot understand the broker: {error!r}")
        if self._client.is_abused():
            self.end("cannot serve the broker: it sends what nobody asked for")
        return not self.ended.done()

    def _on_readable(self) -> None:
        for _ in range(READS_AT_ONCE):
            if not self._perform(self._client.loop_read) or not self._socket.pending():
                return
        # TLS holds more that the descriptor will not announce again.
        self._loop.call_soon(self._on_readable)

    def _on_tick(self) -> None:
        if self._perform(self._client.loop_misc):
            pause = self._client.keepalive / TICKS_IN_KEEPALIVE
            self._timer = self._loop.call_later(pause, self._on_tick)

    def _on_connect(
        self,
        _: mqtt.Client,
        __: object,
        flags: mqtt.ConnectFlags,
        code: ReasonCode,
        properties: object,
    ) -> None:
        if code.is_failure or self._greeted.done():
            self.end(f"cannot log in to the broker: {code}", code.value)
            return
        theirs = getattr(properties, "MaximumPacketSize", self._packet_max)
        self._packet_max = min(self._packet_max, theirs)
        self.session_present = bool(flags.session_present)
        self._greeted.set_result(self.session_present)
        if self._client.keepalive:
            self._on_tick()

    def _on_disconnect(
        self,
        _: mqtt.Client,
        __: object,
        flags: mqtt.DisconnectFlags,
        code: ReasonCode,
        ___: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            said = f"the broker says {str(code).lower()}"
        elif not code.value:
            said = "we left"
        else:
            said = self._socket.failure or "the broker closed the connection"
        self.end(f"cannot stay connected: {said}", code.value)

    def _on_message(
        self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage
    ) -> None:
        payload, retain = bytes(message.payload), bool(message.retain)
        received = Received(
            message=Message(topic=message.topic, payload=payload, retain=retain),
            packet=message.mid,
            qos=message.qos,
        )
        if not self._greeted.done() or not self._receive(self, received):
            self.end("cannot serve the broker: it sends more than it may")

    def _on_publish(
        self, _: mqtt.Client, __: object, packet: int, code: ReasonCode, ___: object
    ) -> None:
        self._tell(packet, code.value)

    def _on_subscribe(
        self,
        _: mqtt.Client,
        __: object,
        packet: int,
        codes: list[ReasonCode],
        ___: object,
    ) -> None:
        self.refused_subscriptions += sum(code.is_failure for code in codes)
        self._tell(packet, max((code.value for code in codes), default=0))

    def _tell(self, packet: int, code: int) -> None:
        waiting = self._answers.get(packet)
        if waiting is not None and not waiting.done():
            waiting.set_result(code)

    def _on_socket_close(self, _: mqtt.Client, __: object, ___: object) -> None:
        if not self.ended.done():  # later, the number may be another socket's
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)

    def _on_want_write(self, _: mqtt.Client, __: object, ___: object) -> None:
        if not self.ended.done():
            self._loop.add_writer(
                self._descriptor, self._perform, self._client.loop_write
            )

    def _on_wrote(self, _: mqtt.Client, __: object, ___: object) -> None:
        if not self.ended.done():
            self._loop.remove_writer(self._descriptor)


class _Client(mqtt.Client):
    """paho on a socket that asyncio opened: opening it here would block the loop."""

    def __init__(self, settings: Settings, opened: LimitedSocket) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._opened = opened
        self.max_inflight_messages_set(settings.in_flight)
        self.max_queued_messages_set(2 * settings.in_flight)
        if settings.will is not None:
            will = settings.will
            self.will_set(will.topic, will.payload, qos=1, retain=will.retain)

    def is_abused(self) -> bool:
        """Whether the broker makes paho hoard: halves of QoS 2, answers it ignores."""
        return bool(self._in_messages) or len(self._out_packet) > BACKLOG_MAX

    def _create_socket(self) -> LimitedSocket:
        return self._opened
