"""One MQTT connection against a broker that does as it pleases."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.connection import Connection, Received, Settings, Will
from edge.errors import WireError
from edge.mqtt import Delivery, Message

SETTINGS = Settings(
    host="broker", port=1, client_id="n1", packet_max=1000, answer_within=0.05
)
WELCOME = bytes.fromhex("2003000000")  # CONNACK, no session, success, no properties
TOPIC = b"\x00\x01t"


def publish(payload: bytes, qos: int = 1, packet: int = 1) -> bytes:
    """A PUBLISH to topic ``t``, at most 127 bytes long."""
    number = packet.to_bytes(2, "big") if qos else b""
    body = TOPIC + number + b"\x00" + payload
    return bytes([0x30 | qos << 1, len(body)]) + body


@dataclass
class Line:
    """A connection, the other end of its socket, and what came out of it."""

    connection: Connection
    theirs: socket.socket
    received: list[Received] = field(default_factory=list)

    def heard(self) -> bytes:
        """What the broker got so far."""
        try:
            return self.theirs.recv(100_000)
        except BlockingIOError:
            return b""


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A connection that the broker has welcomed."""
    opened = joined(SETTINGS)
    opened.theirs.send(WELCOME)
    assert await opened.connection.greet() is False
    opened.heard()
    yield opened
    opened.connection.end("test is over")
    opened.theirs.close()


def joined(chosen: Settings) -> Line:
    """A connection whose broker is this test."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(0)
    received: list[Received] = []

    def keep(_: Connection, one: Received) -> bool:
        received.append(one)
        return len(received) < 10

    return Line(Connection(chosen, ours, keep), theirs, received)


async def until_ended(line: Line) -> str:
    """Why the connection ended; fails the test if it stands."""
    async with asyncio.timeout(5):
        await asyncio.wait({line.connection.ended})
    return line.connection.ended.result().reason


async def test_the_limits_are_told_in_the_first_packet():
    """CONNECT carries receive maximum, packet size and the last will."""
    will = Will(topic="gone", payload=b"offline")
    line = joined(replace(SETTINGS, will=will, queue_max=7, session_for=9))
    line.theirs.send(WELCOME)
    await line.connection.greet()
    sent = line.heard()
    for part in (b"MQTT\x05", b"\x21\x00\x07", b"\x11\x00\x00\x00\x09", b"gone"):
        assert part in sent
    assert b"\x27" + (1000).to_bytes(4, "big") in sent
    line.connection.end("done")
    line.theirs.close()


@pytest.mark.parametrize(
    ("code", "is_refusal"), [(0x87, True), (0x8A, True), (0x88, False), (0x97, False)]
)
async def test_a_broker_that_says_no_is_told_from_one_that_is_busy(code, is_refusal):
    """A refused certificate needs the operator, an overloaded broker needs time."""
    line = joined(SETTINGS)
    line.theirs.send(bytes([0x20, 3, 0, code, 0]))
    assert await line.connection.greet() is None
    end = line.connection.ended.result()
    assert end.reason.startswith("cannot log in to the broker: ")
    assert end.is_refusal is is_refusal
    line.theirs.close()


async def test_a_broker_that_never_welcomes_is_left():
    """A port that swallows CONNECT must not hold a device for ever."""
    line = joined(SETTINGS)
    assert await line.connection.greet() is None
    assert "no answer in 0.05 s" in await until_ended(line)
    line.theirs.close()


async def test_a_publish_waits_for_its_acknowledgement(line):
    """Only then may the outbox forget it."""
    waiting = asyncio.create_task(line.connection.publish("t", b"x", 1, retain=False))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    line.theirs.send(bytes.fromhex("40020001"))
    assert await waiting is Delivery.ACCEPTED


async def test_a_publish_against_the_rules_is_refused(line):
    """MQTT 5 says so in the acknowledgement: not authorized."""
    line.theirs.send(bytes.fromhex("4003000187"))
    waiting = asyncio.create_task(line.connection.publish("t", b"x", 1, retain=False))
    assert await waiting is Delivery.REFUSED


async def test_a_publish_without_an_answer_ends_the_connection(line):
    """A broker that hangs is as good as gone; the caller keeps the message."""
    verdict = await line.connection.publish("t", b"x", 1, retain=False)
    assert verdict is Delivery.OFFLINE
    assert "no answer" in await until_ended(line)


async def test_a_slow_answer_is_not_a_missing_one(line):
    """As long as bytes move, a large packet on a thin link may take its time."""
    waiting = asyncio.create_task(line.connection.publish("t", b"x", 1, retain=False))
    for _ in range(4):
        await asyncio.sleep(0.03)
        line.theirs.send(bytes.fromhex("d000"))
    line.theirs.send(bytes.fromhex("40020001"))
    assert await waiting is Delivery.ACCEPTED


async def test_an_end_answers_everybody_who_waits(line):
    """No publish hangs because the broker died."""
    sends = (line.connection.publish("t", b"x", 1, retain=False) for _ in range(50))
    waiting = asyncio.gather(*sends)
    await asyncio.sleep(0.01)
    line.theirs.close()
    assert set(await waiting) == {Delivery.OFFLINE}


async def test_only_so_many_publishes_are_in_flight(line):
    """The rest waits in its callers, not in paho's memory."""
    sends = (line.connection.publish("t", b"", 1, retain=False) for _ in range(50))
    waiting = asyncio.gather(*sends)
    await asyncio.sleep(0.01)
    assert line.heard().count(b"\x32") == SETTINGS.in_flight
    line.connection.end("enough")
    await waiting


async def test_qos_0_is_accepted_when_it_left(line):
    """Nobody acknowledges it, and nothing of it is kept."""
    assert await line.connection.publish("t", b"x", 0, retain=False)
    assert line.heard() == publish(b"x", qos=0)


async def test_a_payload_over_the_limit_is_refused_before_it_is_sent(line):
    """The broker would hang up on it, again and again."""
    assert await line.connection.publish("t", b"x" * 999, 1, retain=False) == (
        Delivery.REFUSED
    )
    assert line.heard() == b""


async def test_the_smaller_of_both_limits_counts():
    """The broker's own limit comes with its welcome."""
    line = joined(SETTINGS)
    line.theirs.send(bytes.fromhex("200800000527000000c8"))
    await line.connection.greet()
    verdict = await line.connection.publish("t", b"x" * 200, 1, retain=False)
    assert verdict is Delivery.REFUSED
    line.connection.end("done")
    line.theirs.close()


@pytest.mark.parametrize(("topic", "qos"), [("a/#", 1), ("a/+", 0), ("a", 3)])
async def test_a_topic_that_cannot_exist_is_a_wire_error(line, topic, qos):
    """Wildcards are for subscriptions; there are two qualities of service here."""
    with pytest.raises(WireError, match="cannot publish to 'a"):
        await line.connection.publish(topic, b"", qos, retain=False)


async def test_a_refused_subscription_is_counted(line):
    """Mosquitto grants everything; other brokers say no."""
    line.theirs.send(bytes.fromhex("90050001008701"))
    await line.connection.subscribe(["a", "b"])
    assert line.connection.refused_subscriptions == 1


async def test_a_message_is_acknowledged_when_the_consumer_says_so(line):
    """Not when it arrives: what is not taken yet would be lost in a crash."""
    line.theirs.send(publish(b"hello", packet=5))
    await asyncio.sleep(0.01)
    assert line.received[0].message == Message(
        topic="t", payload=b"hello", retain=False
    )
    assert line.heard() == b""
    line.connection.acknowledge(line.received[0])
    await asyncio.sleep(0.01)
    assert line.heard() == bytes.fromhex("40020005")


async def test_more_messages_than_allowed_end_the_connection(line):
    """The receive maximum is a promise; who breaks it is not served."""
    line.theirs.send(b"".join(publish(b"", packet=n) for n in range(1, 60)))
    assert "more than it may" in await until_ended(line)
    assert len(line.received) == 10


async def test_a_message_before_the_welcome_ends_the_connection():
    """Nobody subscribed yet."""
    line = joined(SETTINGS)
    line.theirs.send(publish(b"early"))
    assert await line.connection.greet() is None
    assert "more than it may" in await until_ended(line)
    assert line.received == []
    line.theirs.close()


async def test_quality_of_service_2_ends_the_connection(line):
    """Nobody asked for it, and its halves would pile up."""
    line.theirs.send(publish(b"", qos=2))
    assert "nobody asked for" in await until_ended(line)


async def test_a_packet_over_the_limit_ends_the_connection_unread(line):
    """256 MiB announced, not a byte of it read."""
    line.theirs.send(b"\x30\xff\xff\xff\x7f" + b"x" * 100)
    assert "a packet of 268435455 bytes, 1000 are allowed" in await until_ended(line)


async def test_a_second_welcome_ends_the_connection(line):
    """CONNACK comes once."""
    line.theirs.send(WELCOME)
    assert "cannot log in" in await until_ended(line)


async def test_pings_nobody_reads_the_answers_of_end_the_connection(line):
    """A broker that floods and does not read must not fill our memory."""
    for _ in range(400):
        try:
            line.theirs.send(bytes.fromhex("c000") * 1000)
        except BlockingIOError:
            await asyncio.sleep(0)
        if line.connection.ended.done():
            break
    assert "nobody asked for" in await until_ended(line)


async def test_a_takeover_is_named(line):
    """Two machines with one key, or the hub evicting us."""
    line.theirs.send(bytes.fromhex("e0018e"))
    assert "session taken over" in await until_ended(line)
    assert line.connection.ended.result().is_takeover


@pytest.mark.parametrize(
    ("will", "goodbye"),
    [(None, "e00100"), (Will(topic="gone", payload=b""), "e00104")],
)
async def test_leaving_says_what_becomes_of_the_will(will, goodbye):
    """Reason 4 publishes it: whoever leaves is offline, whatever way it leaves."""
    line = joined(replace(SETTINGS, will=will))
    line.theirs.send(WELCOME)
    await line.connection.greet()
    line.heard()
    await line.connection.leave(with_will=True)
    assert line.heard().hex() == goodbye
    assert "we left" in await until_ended(line)
    line.theirs.close()


async def met(script: bytes) -> list[dict[str, object]]:
    """Let a broker say this after its welcome; return what went wrong inside."""
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: problems.append(context)
    )
    line = joined(SETTINGS)
    line.theirs.send(WELCOME + script)
    await line.connection.greet()
    publishing = line.connection.publish("t", b"x", 1, retain=False)
    subscribing = line.connection.subscribe(["t"])
    async with asyncio.timeout(5):
        results = await asyncio.gather(publishing, subscribing)
    assert isinstance(results[0], Delivery)
    line.connection.end("done")
    line.theirs.close()
    await asyncio.sleep(0)
    return problems


PACKETS = st.builds(
    lambda kind, body: bytes([kind, len(body)]) + body,
    st.integers(0, 255),
    st.binary(max_size=100),
)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.lists(PACKETS, max_size=8).map(b"".join)))
@example(b"\x32\x05\x00\x01\xff\x00\x01")  # a topic that is not UTF-8
@example(b"\xf0\x00")  # AUTH, which nobody began
@example(b"\x40\x04\x00\x01\x00\x7f")  # an acknowledgement with broken properties
def test_no_bytes_of_a_broker_do_more_than_end_the_connection(script):
    """Whatever comes, callers get an answer and nothing escapes."""
    assert asyncio.run(met(script)) == []
