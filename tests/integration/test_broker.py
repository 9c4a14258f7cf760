"""A client's life at a real broker: lost, found, renewed, overrun."""

import asyncio
import os
import signal
import socket
import time
from dataclasses import replace
from random import Random

import pytest

from edge import tls
from edge.broker import (
    Broker,
    Connected,
    Delivery,
    Disconnected,
    Message,
    Settings,
    Will,
)
from edge.errors import TrustError, WireError
from tests.support.broker_site import (
    HOST,
    PATIENCE,
    ROOT,
    BrokerSite,
    eventually,
    free_port,
    messages,
    online,
    running,
    silence,
    until,
)

DESIRED = f"{ROOT}/nodes/n1/desired"
STATUS = f"{ROOT}/nodes/n1/status"


@pytest.fixture
def site(tmp_path) -> BrokerSite:
    """A fleet with a CA."""
    return BrokerSite(tmp_path)


def restart(mosquitto) -> None:
    """Kill the broker; its supervisor starts it again."""
    assert mosquitto.pid is not None
    os.kill(mosquitto.pid, signal.SIGKILL)


async def test_a_client_waits_for_a_broker_that_is_not_there_yet(site):
    """One event says so, not one for each attempt."""
    person = site.device("n1")
    async with Broker(site.settings(person), rng=Random(1)) as client:
        await until(client, Disconnected)
        await eventually(lambda: client.counters["failed"] > 2)
        assert await client.publish(STATUS, b"") is Delivery.OFFLINE
        async with running(site.mosquitto()), asyncio.timeout(PATIENCE):
            assert isinstance(await anext(client), Connected)
            assert client.is_connected


async def test_subscriptions_are_renewed_after_a_reconnect(site):
    """The broker forgot them; the client did not."""
    async with (
        running(site.mosquitto()) as mosquitto,
        online(site.settings(site.device("n1")), DESIRED) as n1,
    ):
        restart(mosquitto)
        await until(n1, Disconnected)
        async with online(site.settings(site.hub())) as hub:
            await hub.publish(DESIRED, b"new", retain=True)
            assert await messages(n1, 1) == [(DESIRED, b"new")]


async def test_a_publish_that_the_broker_took_down_with_it_is_not_accepted(site):
    """Only an acknowledged message may leave the outbox."""
    async with (
        running(site.mosquitto()) as mosquitto,
        online(site.settings(site.device("n1"))) as n1,
    ):
        assert mosquitto.pid is not None
        os.kill(mosquitto.pid, signal.SIGSTOP)
        sending = asyncio.create_task(n1.publish(STATUS, b"x"))
        await asyncio.wait({sending}, timeout=0.2)
        assert not sending.done()
        os.kill(mosquitto.pid, signal.SIGKILL)
        assert await sending is Delivery.OFFLINE


async def test_a_slow_consumer_loses_nothing(site):
    """The broker keeps what the receive maximum does not let through."""
    settings = replace(site.settings(site.device("n1")), queue_max=4)
    async with (
        running(site.mosquitto()),
        online(settings, DESIRED) as n1,
        online(site.settings(site.hub())) as hub,
    ):
        sent = [b"%d" % number for number in range(100)]
        for payload in sent:
            assert await hub.publish(DESIRED, payload)
        await asyncio.sleep(0.2)
        assert [payload for _, payload in await messages(n1, 100)] == sent
        assert n1.counters["overflow"] == 0


async def test_qos_0_beyond_the_queue_is_dropped_and_counted(site):
    """Quality of service 0 promises nothing, and takes no memory for it."""
    settings = replace(site.settings(site.device("n1")), queue_max=4)
    async with (
        running(site.mosquitto()),
        online(settings, DESIRED) as n1,
        online(site.settings(site.hub())) as hub,
    ):
        for _ in range(20):
            assert await hub.publish(DESIRED, b"", qos=0)
        await eventually(lambda: n1.counters["overflow"] == 16)
        assert len(await messages(n1, 4)) == 4
        assert await silence(n1)


async def test_a_consumer_may_publish_while_messages_wait(site):
    """Answers are read although the queue is full: no deadlock."""
    settings = replace(site.settings(site.device("n1")), queue_max=2)
    async with (
        running(site.mosquitto()),
        online(settings, DESIRED) as n1,
        online(site.settings(site.hub())) as hub,
    ):
        for _ in range(30):
            assert await hub.publish(DESIRED, b"")
        for _ in range(30):
            await messages(n1, 1)
            assert await n1.publish(STATUS, b"")


async def test_a_message_over_the_limit_never_arrives(site):
    """The broker keeps it back, because the client said what it takes."""
    settings = replace(site.settings(site.device("n1")), packet_max=10_000)
    async with (
        running(site.mosquitto()),
        online(settings, DESIRED) as n1,
        online(site.settings(site.hub())) as hub,
    ):
        assert await hub.publish(DESIRED, b"x" * 20_000)
        assert await hub.publish(DESIRED, b"small")
        assert await messages(n1, 1) == [(DESIRED, b"small")]
        assert await n1.publish(STATUS, b"x" * 20_000) is Delivery.REFUSED
        assert n1.is_connected


async def test_a_large_message_arrives_whole(site):
    """A megabyte: many TLS records, read ahead of what the descriptor announces."""
    payload = os.urandom(1_000_000)
    async with (
        running(site.mosquitto()),
        online(site.settings(site.device("n1")), DESIRED) as n1,
        online(site.settings(site.hub())) as hub,
    ):
        assert await hub.publish(DESIRED, payload)
        assert await messages(n1, 1) == [(DESIRED, payload)]


async def test_what_was_not_taken_comes_again_with_a_session(site):
    """A message is acknowledged when the consumer asks for the next one."""
    kept = replace(
        site.settings(site.device("n1")), clean_start=False, session_for=3600
    )
    async with running(site.mosquitto()), online(site.settings(site.hub())) as hub:
        async with online(kept, DESIRED) as n1:
            assert await hub.publish(DESIRED, b"once")
            assert await messages(n1, 1) == [(DESIRED, b"once")]
        async with online(kept) as n1:
            assert await messages(n1, 1) == [(DESIRED, b"once")]
            await silence(n1)
        async with online(kept) as n1:
            assert await silence(n1)


async def test_a_connection_is_announced_before_what_it_brings(site):
    """Whoever starts afresh on `Connected` must not lose the first message."""
    kept = replace(
        site.settings(site.device("n1")), clean_start=False, session_for=3600
    )
    async with running(site.mosquitto()), online(site.settings(site.hub())) as hub:
        async with online(kept, DESIRED):
            pass
        assert await hub.publish(DESIRED, b"waiting")
        for _ in range(5):
            async with Broker(kept, rng=Random(1)) as n1, asyncio.timeout(PATIENCE):
                assert await anext(n1) == Connected(session_present=True)
                assert isinstance(await anext(n1), Message)


async def test_who_leaves_is_offline(site):
    """The will is published at a goodbye as at a crash."""
    gone = replace(
        site.settings(site.device("n1")), will=Will(topic=STATUS, payload=b"offline")
    )
    async with (
        running(site.mosquitto()),
        online(site.settings(site.hub()), STATUS) as hub,
    ):
        async with online(gone) as n1:
            assert await n1.publish(STATUS, b"online", retain=True)
        assert await messages(hub, 2) == [(STATUS, b"online"), (STATUS, b"offline")]


async def test_a_renewed_certificate_is_used_without_a_restart(site):
    """Old one revoked, new one in use, no will on the way, same subscriptions."""
    old, new = site.device("n1"), site.device("n1")
    will = Will(topic=STATUS, payload=b"offline")
    async with (
        running(site.mosquitto()) as mosquitto,
        online(site.settings(site.hub()), STATUS) as hub,
        online(site.settings(old, will=will), DESIRED) as n1,
    ):
        await n1.reload(site.settings(new, will=will))
        site.revoked.append(old.serial)
        await mosquitto.reload(site.material())
        await until(n1, Connected)
        restart(mosquitto)
        await until(n1, Disconnected)
        await until(n1, Connected)
        await until(hub, Connected)
        assert await hub.publish(DESIRED, b"1", retain=True)
        assert await messages(n1, 1) == [(DESIRED, b"1")]


async def test_a_reload_ends_the_pause(site):
    """A corrected address is tried at once, not after the back-off."""
    wrong = replace(
        site.settings(site.device("n1")),
        port=free_port(),
        retry_first=60,
        retry_last=60,
    )
    async with (
        running(site.mosquitto()),
        Broker(wrong, rng=Random(1)) as n1,
    ):
        await until(n1, Disconnected)
        await n1.reload(replace(wrong, port=site.port))
        await until(n1, Connected)


async def test_a_certificate_out_of_its_time_is_refused_by_the_clients_floor(site):
    """The clock says 1970, a signed document proved that 2096 has passed."""
    late = replace(
        site.settings(site.device("n1")),
        judge=lambda peer: tls.check_validity(
            peer, 0.0, time.time() + 70 * 365 * 86400
        ),
    )
    async with running(site.mosquitto()), Broker(late, rng=Random(1)) as n1:
        end = await until(n1, Disconnected)
        assert isinstance(end, Disconnected)
        assert end.is_refusal
        assert "its certificate ended" in end.reason


async def test_whoever_is_refused_asks_less_and_less(site):
    """Each handshake costs bytes on a metered link, and changes nothing."""

    def refuse(_) -> None:
        raise TrustError("certificate-late", "cannot trust the server: a test")

    settings = replace(
        site.settings(site.device("n1")),
        judge=refuse,
        retry_first=0.02,
        retry_last=0.02,
        retry_refused=60,
    )
    async with running(site.mosquitto()), Broker(settings, rng=Random(1)) as n1:
        await asyncio.sleep(1)
        assert 3 < n1.counters["failed"] < 12  # 0.02 s, doubled each time; 50 otherwise


async def test_nothing_waits_while_a_client_connects(site):
    """A peer that swallows everything must not stop the daemon's other tasks."""
    with socket.create_server((HOST, 0)) as silent:
        settings = replace(
            site.settings(site.device("n1")), port=silent.getsockname()[1]
        )
        async with Broker(settings, rng=Random(1)):
            worst = 0.0
            for _ in range(20):
                began = time.monotonic()
                await asyncio.sleep(0.01)
                worst = max(worst, time.monotonic() - began)
    assert worst < 0.5


async def test_leaving_while_connecting_is_quick(site):
    """A daemon that stops does not wait for a dead hub."""
    with socket.create_server((HOST, 0)) as silent:
        settings = Settings(host=HOST, port=silent.getsockname()[1], client_id="n1")
        began = time.monotonic()
        async with Broker(settings, rng=Random(1)) as n1:
            await asyncio.sleep(0.05)
        assert time.monotonic() - began < 1
        assert [event async for event in n1] == []


async def test_a_topic_nobody_may_publish_to_is_a_wire_error(site):
    """A wildcard in a publish is a mistake of ours."""
    async with (
        running(site.mosquitto()),
        online(site.settings(site.device("n1"))) as n1,
    ):
        with pytest.raises(WireError):
            await n1.publish(f"{ROOT}/#", b"")
        assert n1.is_connected


@pytest.mark.parametrize(("size", "taken"), [(10, 1024), (100_000, 16)])
async def test_a_flood_ends_the_connection_at_a_bound(size, taken):
    """A broker that ignores what it may send fills neither queue nor memory."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex("2003000000"))
        for number in range(1, 2000):
            body = b"\x00\x01t" + number.to_bytes(2, "big") + b"\x00" + b"x" * size
            length = bytes((len(body) & 127 | 128, len(body) >> 7 & 127 | 128))
            writer.write(b"\x32" + length + bytes((len(body) >> 14,)) + body)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(flood, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    settings = Settings(host=HOST, port=port, client_id="n1", packet_max=110_000)
    async with server, Broker(settings, rng=Random(1)) as client:
        await eventually(lambda: client.counters["overflow"] == 1)
        assert len(await messages(client, taken)) == taken
        end = await until(client, Disconnected)
        assert isinstance(end, Disconnected)
        assert "more than it may" in end.reason
