"""A real hub: HTTPS, SQLite, its own Mosquitto; power cuts, thieves and forgers."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import pytest

from edge import documents, tls, topics
from edge.broker import Broker
from edge.connection import Settings
from edge.documents import (
    Assignment,
    CertificateRequest,
    Deployment,
    Document,
    Secret,
)
from edge.model import Held
from edge.mqtt import Connected, Disconnected, Message
from edge.names import NodeName
from hub import identity, mosquitto_config
from hub.daemon import DATABASE
from tests.support import builders, real_hub
from tests.support.builders import DAY, OPERATOR, STRANGER, Device, signed
from tests.support.hubs import ROOT
from tests.support.real_hub import FLEET, PATIENCE, RealHub, deployment, probe

N1, N2 = Device("n1"), Device("n2")


@pytest.fixture
def fresh(tmp_path) -> Iterator[RealHub]:
    """A hub that belongs to nobody."""
    with real_hub.real_hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def hub(fresh) -> RealHub:
    """A hub that was adopted, and an operator who is logged in."""
    fresh.adopt()
    return fresh


def reason(posted) -> str:
    """Why the last document was refused."""
    return posted[1][-1]["reason"]


def replicas(hub: RealHub) -> list[tuple[str, str, bool]]:
    """(node, state, healthy) of every replica, as the hub shows it."""
    rows = hub.ask("GET", "/v1/replicas")[1]["replicas"]
    return [(row["node"], row["state"], row["healthy"]) for row in rows]


def test_a_hub_is_adopted_once_and_by_its_code(fresh):
    """Whoever has another code, or comes second, gets nothing."""
    assert fresh.offer("wrong")[0] == 403
    assert fresh.ask("GET", "/v1/hub")[1]["adopted"] is False
    assert fresh.offer(fresh.code)[0] == 200
    assert fresh.ask("GET", "/v1/hub")[1]["adopted"] is True
    thief = documents.sign(
        builders.trusted(root=documents.KeySet(keys=(STRANGER.public,))), STRANGER
    )
    assert fresh.post(thief, Tutti_Adoption=fresh.code)[0] == 403


def test_the_fingerprint_is_of_the_certificate_it_shows(fresh):
    """What `edgectl hub adopt` compares."""
    shown = tls.peer_certificate("127.0.0.1", fresh.site.port, timeout=PATIENCE)
    assert tls.fingerprint(shown) == fresh.fingerprint


async def test_a_deploy_reaches_a_device_and_its_report_comes_back(hub):
    """The whole way: HTTPS, database, MQTT, and back."""
    certificate = hub.enrol(N1)
    async with probe(hub, N1, certificate) as device:
        await device.report()
        hub.until("n1 reports", lambda: nodes(hub) == {"n1": "ready"})
        hub.accept(deployment())
        desired = await device.desired()
        assert [type(each) for each in desired] == [Deployment, Assignment]
        last = desired[-1]
        assert isinstance(last, Assignment)
        assert last.replicas == (builders.place("web/web.1"),)
        assert replicas(hub) == [("n1", "waiting", False)]
        running = builders.status("web/web.1")
        await device.report(replicas=(running,))
        hub.until("web runs", lambda: replicas(hub) == [("n1", "running", True)])


def nodes(hub: RealHub) -> dict[str, str]:
    """The state of every device."""
    rows = hub.ask("GET", "/v1/nodes")[1]["nodes"]
    return {row["name"]: row["state"] for row in rows}


async def test_from_the_answer_to_the_device_takes_milliseconds(hub):
    """Nothing on the way polls; the hub has often published before it answers."""
    certificate = hub.enrol(N1)
    took = []
    async with probe(hub, N1, certificate) as device:
        await device.report()
        hub.until("n1 reports", lambda: nodes(hub) == {"n1": "ready"})
        for version in range(1, 8):
            arrived = asyncio.get_running_loop().create_task(device.desired())
            began = time.monotonic()
            await asyncio.to_thread(hub.accept, deployment(version=version))
            await arrived
            took.append(time.monotonic() - began)
    middle = sorted(took)[len(took) // 2]
    print(f"POST to message, TLS handshake included: {middle * 1000:.0f} ms")
    assert middle < 0.25


async def test_a_secret_reaches_its_device_before_what_needs_it(hub):
    """Sealed; the hub passes it on without being able to read it."""
    certificate = hub.enrol(N1)
    hub.accept(builders.node(N1, issued_at=time.time()))
    secret = documents.Secret(
        **{
            name: getattr(builders.secret("web/token", N1), name)
            for name in ("fleet", "name", "version", "recipient", "box")
        },
        issued_at=time.time(),
    )
    async with probe(hub, N1, certificate) as device:
        await device.report()
        work = builders.workload(secrets={"token": "/run/secrets/token"})
        hub.accept(secret, deployment(workloads=(work,)))
        (arrived,) = await device.secrets()
        assert isinstance(arrived, Secret)
        assert arrived.recipient == N1.id
        assert (await device.assigned()).replicas[0].slot == "web/web.1"


async def test_a_revoked_device_is_cut_off_within_five_seconds(hub):
    """Its connection, its return, its documents; its neighbour notices nothing."""
    first, second = hub.enrol(N1), hub.enrol(N2)
    async with probe(hub, N1, first) as thief, probe(hub, N2, second) as neighbour:
        await thief.report()
        began = time.monotonic()
        revocation = builders.revocation(issued_at=time.time(), devices=(N1.id,))
        await asyncio.to_thread(hub.accept, revocation)
        await thief.until(Disconnected)
        assert time.monotonic() - began < 5
        back = await thief.until(Disconnected)
        assert back.is_refusal
        assert "REVOKED" in back.reason
        assert reason(hub.post(signed(builders.certificate_request(N1)))) == "revoked"
        await neighbour.report()
    hub.until("n1 is revoked", lambda: nodes(hub)["n1"] == "revoked")


async def test_a_revocation_is_in_force_after_a_crash(hub):
    """The list is made from the database whenever the hub starts."""
    certificate = hub.enrol(N1)
    hub.accept(builders.revocation(issued_at=time.time(), devices=(N1.id,)))
    hub.site.process.kill()
    hub.site.process.wait(PATIENCE)
    (hub.state / "crl.pem").unlink(missing_ok=True)
    hub.site.start()
    settings = hub.connection(N1, certificate)
    async with Broker(settings, rng=Random(1)) as broker:
        async with asyncio.timeout(PATIENCE):
            async for event in broker:
                if isinstance(event, Disconnected) and event.is_refusal:
                    break
        assert broker.counters["connected"] == 0


async def test_a_wiped_broker_is_whole_again(hub):
    """Killed, its database deleted: devices and hub come back by themselves."""
    certificate = hub.enrol(N1)
    async with probe(hub, N1, certificate) as device:
        await device.report()
        hub.until("n1 reports", lambda: nodes(hub) == {"n1": "ready"})
        hub.accept(deployment())
        await device.desired()
        began = time.monotonic()
        hub.wipe_broker()
        await device.until(Connected)
        assert (await device.assigned()).seq == 1
        assert time.monotonic() - began < 10


async def test_a_killed_hub_goes_on_where_it_was(hub):
    """Nothing is signed twice, nothing is forgotten, nobody has to do anything."""
    certificate = hub.enrol(N1)
    async with probe(hub, N1, certificate) as device:
        await device.report()
        hub.until("n1 reports", lambda: nodes(hub) == {"n1": "ready"})
        hub.accept(deployment())
        before = await device.assigned()
        hub.site.process.kill()
        hub.site.process.wait(PATIENCE)
        hub.site.start()
        hub.log_in()
        assert await device.assigned() == before
        await device.report()  # as a device does on every new connection
        hub.until("n1 is known", lambda: nodes(hub) == {"n1": "ready"})
        hub.accept(deployment(version=2))
        assert (await device.assigned()).seq == before.seq + 1


async def test_a_hub_of_yesterday_asks_devices_for_what_it_lost(hub, tmp_path):
    """Its database is a backup: nobody deploys again, no number is signed twice."""
    certificate = hub.enrol(N1)
    backup = tmp_path / "backup.db"
    async with probe(hub, N1, certificate) as device:
        await device.report()
        hub.until("n1 reports", lambda: nodes(hub) == {"n1": "ready"})
        hub.accept(deployment())
        first = await device.assigned()
        with closing(sqlite3.connect(hub.state / DATABASE)) as open_one:
            open_one.execute("VACUUM INTO ?", [str(backup)])
        newer = deployment(version=2)
        hub.accept(newer)
        second = await device.assigned()
        go_back_to(hub, backup)
        await device.until(Connected)
        await device.report(held=(held(newer), held(second)))
        hub.until("it asks", lambda: asks_for(hub))
        assert await device.asked() == ["deployment/web", f"assignment/{N1.id}"]
        hubs_own = documents.sign(second, identity.load(hub.state).key)
        await device.hand_in(signed(newer), hubs_own)
        hub.until("it has all of it", lambda: not asks_for(hub))
        hub.accept(deployment(version=3))
        while (third := await device.assigned()).seq <= second.seq:
            pass  # what it had published before
        assert (first.seq, second.seq, third.seq) == (1, 2, 3)
        assert third.replicas == (builders.place("web/web.1", 3),)


def go_back_to(hub: RealHub, backup: Path) -> None:
    """Let the hub start with an older database."""
    hub.site.stop()
    for each in hub.state.glob(f"{DATABASE}*"):
        each.unlink()
    shutil.copy(backup, hub.state / DATABASE)
    hub.site.start()
    hub.log_in()


def asks_for(hub: RealHub) -> str:
    """What the hub says it lost."""
    return str(hub.ask("GET", "/v1/hub")[1]["asks_for"])


def held(document: Document) -> Held:
    """What a device lists of a document."""
    return Held(
        stream=document.stream,
        version=document.counter[-1],
        digest=builders.digest(document),
    )


def test_a_join_token_is_good_for_what_the_operator_signed(hub):
    """Closed, used up, signed by nobody, of another fleet: each has its name."""
    past = {"opens_at": time.time() - 2 * DAY, "closes_at": time.time() - DAY}
    hub.accept(real_hub.voucher(identity="old", **past))
    hub.accept(real_hub.voucher(identity="one", uses=1))
    hub.enrol(N1, voucher="one")

    def refusal(*made, **changes) -> str:
        return reason(hub.post(signed(builders.member(N2, **changes), *made)))

    assert refusal(voucher="old") == "voucher-closed"
    assert refusal(voucher="one") == "voucher-used-up"
    assert refusal(voucher="never") == "unknown-voucher"
    assert refusal(fleet="other") == "wrong-fleet"
    forged = documents.sign(builders.member(N2), STRANGER, N2.sign)
    assert reason(hub.post(forged)) == "not-authorised"
    assert hub.enrol(N1, voucher="one")  # who is in already may ask again


def test_a_name_belongs_to_who_had_it_first(hub):
    """Even with a good token."""
    hub.enrol(N1)
    impostor = builders.member(N2, name="n1")
    join = builders.signing_key("join v1")
    posted = hub.post(documents.sign(impostor, join, N2.sign))
    assert reason(posted) == "name-taken"


async def test_a_copied_key_is_an_alarm(hub):
    """Two machines with one disk."""
    certificate = hub.enrol(N1)
    async with probe(hub, N1, certificate) as device:
        await device.report()
        hub.until("n1 reports", lambda: nodes(hub) == {"n1": "ready"})
        device.seq = 7
        await device.report()
        device.seq = 2
        await device.report(instance="clone")
        hub.until("an alarm", lambda: "two machines" in alarm(hub))


def alarm(hub: RealHub) -> str:
    """What is wrong with n1."""
    return hub.ask("GET", "/v1/nodes")[1]["nodes"][0]["alarm"]


async def test_a_dashboard_sees_telemetry_and_nothing_else(hub):
    """By a certificate an operator asked for."""
    wall, seed = Device("wall"), Device("wall").tls
    request = CertificateRequest(
        fleet=FLEET, subject="view.wall", key=seed.public, serial=1
    )
    _, (result,) = hub.post(documents.sign(request, OPERATOR))
    first = hub.enrol(N1)
    settings = Settings(
        host="127.0.0.1",
        port=hub.site.broker_port,
        client_id="view.wall",
        tls=tls.device_context(hub.ca, result["certificate"].encode(), wall.tls.seed),
    )
    seen: set[str] = set()
    async with probe(hub, N1, first) as device, Broker(settings, rng=Random(1)) as view:
        await view.subscribe(f"{topics.root(FLEET)}/#")
        async with asyncio.timeout(PATIENCE):
            while not any("telemetry" in topic for topic in seen):
                await device.report()
                topic = topics.telemetry_system(FLEET, NodeName("n1"))
                await device.broker.publish(topic, b'{"cpu_percent":1}')
                seen |= await arriving(view)
    # What everyone may read, it may: the trust is public.
    told = {topic for topic in seen if "/fleet/" not in topic}
    assert told == {topic}


async def arriving(broker: Broker) -> set[str]:
    """Topics of what comes within a moment."""
    seen: set[str] = set()
    try:
        async with asyncio.timeout(0.5):
            async for event in broker:
                if isinstance(event, Message):
                    seen.add(event.topic)
    except TimeoutError:
        pass
    return seen


@pytest.fixture
def apart(tmp_path) -> Iterator[RealHub]:
    """A hub that uses another's broker, which is not there yet."""
    with real_hub.real_hub(tmp_path, broker="another") as hub:
        hub.adopt()
        yield hub


@contextmanager
def another_broker(hub: RealHub) -> Iterator[subprocess.Popen[bytes]]:
    """A Mosquitto somebody else runs, with the files the hub wrote for it."""
    folder = hub.site.folder / "elsewhere"
    (folder / mosquitto_config.STATE).mkdir(parents=True)
    assert run(hub, "broker", str(folder), "127.0.0.1", "localhost")[0] == 0
    told = mosquitto_config.Settings(
        folder=str(folder), port=hub.site.broker_port, keeps_root=True
    )
    (folder / "mosquitto.conf").write_text(mosquitto_config.config(told))
    with subprocess.Popen(
        ["mosquitto", "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
    ) as process:
        yield process
        process.terminate()


async def test_anothers_broker_serves_as_well(apart):
    """Deploy, report, and a thief is cut off although nobody gave it the list."""
    certificate, second = apart.enrol(N1), apart.enrol(N2)
    with another_broker(apart):
        async with (
            probe(apart, N1, certificate) as thief,
            probe(apart, N2, second) as neighbour,
        ):
            await thief.report()
            apart.until("n1 reports", lambda: nodes(apart)["n1"] == "ready")
            apart.accept(deployment())
            assert (await thief.assigned()).seq == 1
            gone = builders.revocation(issued_at=time.time(), devices=(N1.id,))
            await asyncio.to_thread(apart.accept, gone)
            for _ in range(2):  # it comes back, and speaks, and is cut off again
                began = time.monotonic()
                await thief.until(Disconnected)
                assert time.monotonic() - began < 5
                await thief.until(Connected)
                await thief.report()
            await neighbour.report()


def test_sigterm_ends_it_within_two_seconds(hub):
    """Whoever waits for an answer gets one."""
    path = "/v1/events?after=1000000&wait=60"
    waiting = threading.Thread(target=lambda: hub.ask("GET", path))
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    hub.site.process.send_signal(signal.SIGTERM)
    assert hub.site.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 2
    waiting.join(PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.kill(hub.broker_pid(), 0)


def run(hub: RealHub, *words: str) -> tuple[int, str]:
    """Run edge-hub beside; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", *words, "--state", str(hub.state)],
        cwd=ROOT,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def test_a_second_hub_on_the_same_folder_is_refused(fresh):
    """And so is a second init."""
    assert run(fresh, "run")[0] == 1
    assert "running already" in run(fresh, "run")[1]
    assert "there is one already" in run(fresh, "init")[1]


def test_a_damaged_database_is_told_and_nothing_is_touched(fresh):
    """The broker is not started, the file is as it was."""
    fresh.site.stop()
    database = fresh.state / "hub.db"
    database.write_bytes(b"x" * 8192)
    code, said = run(fresh, "run")
    assert code == 1
    assert "is damaged" in said
    assert "restore a backup" in said
    assert "Traceback" not in said
    assert database.read_bytes() == b"x" * 8192


def test_a_port_that_is_taken_is_named(fresh):
    """Not a traceback."""
    other = fresh.site.folder / "other"
    port = str(fresh.site.port)
    words = [sys.executable, "-m", "hub.cli"]
    place = ("--state", str(other), "--listen", f"127.0.0.1:{port}")
    subprocess.run([*words, "init", *place], cwd=ROOT, check=True, capture_output=True)
    done = subprocess.run(
        [*words, "run", *place], cwd=ROOT, check=False, capture_output=True
    )
    assert done.returncode == 1
    assert b"cannot listen on 127.0.0.1, port " + port.encode() in done.stderr
    assert b"Traceback" not in done.stderr
