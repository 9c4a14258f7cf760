"""The hub's broker, for real: who may do what, and what happens when it dies."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from edge import tls
from edge.broker import Broker, Connected, Delivery, Disconnected, Will
from edge.errors import ConfigError, TrustError, Unreachable
from hub import authority, child, mosquitto
from tests.support.broker_site import (
    HOST,
    PATIENCE,
    ROOT,
    BrokerSite,
    eventually,
    messages,
    online,
    running,
    silence,
    until,
)


@pytest.fixture
def site(tmp_path) -> BrokerSite:
    """A fleet with a CA."""
    return BrokerSite(tmp_path)


async def test_a_device_reads_what_the_hub_keeps_for_it(site):
    """Retained, over mutual TLS, with Ed25519 keys."""
    async with running(site.mosquitto()), online(site.settings(site.hub())) as hub:
        assert await hub.publish(f"{ROOT}/nodes/n1/desired", b"plan", retain=True)
        n1 = site.settings(site.device("n1"))
        async with online(n1, f"{ROOT}/nodes/n1/desired") as device:
            assert await messages(device, 1) == [(f"{ROOT}/nodes/n1/desired", b"plan")]


MAY_WRITE = ["report", "status", "event", "telemetry/system", "answer", "stream/7"]
MAY_NOT_WRITE = [
    "nodes/n1/desired",
    "nodes/n1/secrets",
    "nodes/n1/plan",
    "nodes/n1/call",
]
MAY_NOT_WRITE += [f"nodes/n2/{leaf}" for leaf in MAY_WRITE]
MAY_NOT_WRITE += ["fleet/trust", "fleet/beacon", "nodes/n2/mesh/n2", "nodes/n1", "x"]


async def test_a_device_writes_its_own_topics_and_no_others(site):
    """The broker says which: MQTT 5 answers "not authorized"."""
    async with (
        running(site.mosquitto()),
        online(site.settings(site.device("n1"))) as n1,
    ):
        for leaf in (*(f"nodes/n1/{own}" for own in MAY_WRITE), "nodes/n2/mesh/n1"):
            assert await n1.publish(f"{ROOT}/{leaf}", b""), leaf
        for leaf in MAY_NOT_WRITE:
            verdict = await n1.publish(f"{ROOT}/{leaf}", b"")
            assert verdict is Delivery.REFUSED, leaf
        assert await n1.publish("edge/v1/else/nodes/n1/report", b"") is Delivery.REFUSED
        assert n1.counters["refused"] == len(MAY_NOT_WRITE) + 1


async def test_a_device_that_subscribes_to_everything_hears_its_own(site):
    """A forbidden subscription is granted and stays silent."""
    own = ["desired", "plan", "secrets", "call", "mesh/n2"]
    async with (
        running(site.mosquitto()),
        online(site.settings(site.hub())) as hub,
        online(site.settings(site.device("n1")), "#") as n1,
    ):
        for node in ("n2", "n1"):
            for leaf in (*own, "report", "status"):
                assert await hub.publish(f"{ROOT}/nodes/{node}/{leaf}", b"")
        assert await hub.publish(f"{ROOT}/fleet/trust", b"")
        heard = {topic for topic, _ in await messages(n1, 6)}
        allowed = (*(f"nodes/n1/{leaf}" for leaf in own), "fleet/trust")
        assert heard == {f"{ROOT}/{leaf}" for leaf in allowed}
        assert await silence(n1)


async def test_a_dashboard_reads_telemetry_and_writes_nothing_anyone_reads(site):
    """One certificate for each dashboard: two of them do not close each other."""
    async with (
        running(site.mosquitto(viewers=["wall", "grafana"])),
        online(site.settings(site.device("n1"))) as n1,
        online(site.settings(site.viewer("wall")), "#") as wall,
        online(
            site.settings(site.viewer("grafana")), f"{ROOT}/nodes/+/status"
        ) as other,
    ):
        for leaf in ("report", "event", "status", "telemetry/system"):
            assert await n1.publish(f"{ROOT}/nodes/n1/{leaf}", b"1")
        assert [t for t, _ in await messages(wall, 2)] == [
            f"{ROOT}/nodes/n1/status",
            f"{ROOT}/nodes/n1/telemetry/system",
        ]
        assert await messages(other, 1) == [(f"{ROOT}/nodes/n1/status", b"1")]
        for leaf in ("nodes/n1/desired", "nodes/n1/status", "fleet/trust"):
            assert await wall.publish(f"{ROOT}/{leaf}", b"") is Delivery.REFUSED
        assert await silence(wall)


async def test_a_dashboard_nobody_named_reads_nothing(site):
    """A certificate alone is not enough: the hub lists its dashboards."""
    topic = f"{ROOT}/nodes/n1/status"
    async with (
        running(site.mosquitto()) as broker,
        online(site.settings(site.viewer("wall")), "#") as wall,
        online(site.settings(site.device("n1"))) as n1,
    ):
        assert await n1.publish(topic, b"1")
        assert await silence(wall)
        await broker.reload(site.material(viewers=["wall"]))
        assert await n1.publish(topic, b"2")
        assert await messages(wall, 1) == [(topic, b"2")]


async def test_a_device_cannot_take_the_session_of_another(site):
    """Whatever client id it asks for, it is its certificate's name."""
    async with (
        running(site.mosquitto()),
        online(site.settings(site.device("n1")), f"{ROOT}/nodes/n1/desired") as n1,
        online(site.settings(site.device("n2"), client_id="n1")) as n2,
        online(site.settings(site.device("n3"), client_id="Hub")) as n3,
        online(site.settings(site.hub())) as hub,
    ):
        assert await hub.publish(f"{ROOT}/nodes/n1/desired", b"1")
        assert await messages(n1, 1) == [(f"{ROOT}/nodes/n1/desired", b"1")]
        assert await n2.publish(f"{ROOT}/nodes/n1/report", b"") is Delivery.REFUSED
        assert await n3.publish(f"{ROOT}/fleet/trust", b"") is Delivery.REFUSED
        assert n1.is_connected


async def test_two_machines_with_one_key_close_each_other(site):
    """Mosquitto 2.0 does not say why; the hub learns it from their reports."""
    person = site.device("n1")
    async with (
        running(site.mosquitto()),
        online(site.settings(person)) as first,
        online(site.settings(person)) as second,
    ):
        await until(first, Disconnected)
        await until(first, Connected)
        await until(second, Disconnected)


async def test_a_certificate_of_another_ca_is_refused(site, tmp_path):
    """The handshake ends; the client hears a refusal, not silence."""
    foreign = BrokerSite(tmp_path / "foreign").device("n1")
    intruder = site.device("n1")
    intruder.tls = tls.client_context(site.ca_pem)
    async with running(site.mosquitto()):
        for person in (foreign, intruder):
            async with asyncio.timeout(PATIENCE):
                reason = await refusal(site, person)
            assert reason.is_refusal, reason


async def refusal(site: BrokerSite, person) -> Disconnected:
    """How a connection that must not succeed ends."""
    async with Broker(site.settings(person), rng=Random(1)) as broker:
        async for event in broker:
            assert not isinstance(event, Connected)
            if isinstance(event, Disconnected):
                return event
    raise AssertionError("nothing happened")


async def test_a_killed_broker_is_back_and_messages_flow(site):
    """Nobody has to do anything: supervisor and clients see to it."""
    topic = f"{ROOT}/nodes/n1/desired"
    async with (
        running(site.mosquitto()) as broker,
        online(site.settings(site.device("n1")), topic) as n1,
        online(site.settings(site.hub())) as hub,
    ):
        for round_ in range(2):
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGKILL)
            for client in (n1, hub):
                await until(client, Disconnected)
                await until(client, Connected)
            assert await hub.publish(topic, b"%d" % round_, retain=True)
            assert await messages(n1, 1) == [(topic, b"%d" % round_)]
        assert broker.starts == 3


async def test_what_was_saved_survives_a_kill(site):
    """`save` costs one write instead of one for every message."""
    topic = f"{ROOT}/nodes/n1/desired"
    async with running(site.mosquitto()) as broker:
        async with online(site.settings(site.hub())) as hub:
            assert await hub.publish(topic, b"kept", retain=True)
        broker.save()
        await eventually((site.folder / "broker" / "state" / "mosquitto.db").exists)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        async with online(site.settings(site.device("n1")), topic) as n1:
            assert await messages(n1, 1) == [(topic, b"kept")]


@pytest.mark.parametrize("content", [b"junk" * 100, None])
async def test_a_database_that_does_not_load_is_moved_aside(site, content):
    """The broker holds nothing that hub and devices do not publish again."""
    state = site.folder / "broker" / "state"
    topic = f"{ROOT}/nodes/n1/report"
    async with (
        running(site.mosquitto()),
        online(site.settings(site.device("n1"))) as n1,
    ):
        assert await n1.publish(topic, b"x" * 500, retain=True)
    database = state / "mosquitto.db"
    database.write_bytes(content or database.read_bytes()[:200])
    spoilt = database.read_bytes()
    async with running(site.mosquitto()) as broker:
        assert (broker.starts, broker.aside) == (2, 1)
        assert (state / "mosquitto.db.corrupt-1").read_bytes() == spoilt


async def test_only_the_newest_spoilt_databases_are_kept(site):
    """A machine with a bad disk must not fill it with evidence."""
    state = site.folder / "broker" / "state"
    for number in range(1, 6):
        async with running(site.mosquitto()):
            pass
        (state / "mosquitto.db").write_bytes(b"junk%d" % number)
    async with running(site.mosquitto()):
        kept = sorted(path.name for path in state.glob("*.corrupt-*"))
    assert kept == [f"mosquitto.db.corrupt-{number}" for number in (3, 4, 5)]


async def revoke(site: BrokerSite, broker, person) -> None:
    """What the hub does when an operator revoked a device."""
    site.revoked.append(person.serial)
    await broker.reload(site.material())
    evicting = authority.issue_eviction(site.ca, person.name, time.time())
    context = tls.identified_context(site.ca_pem, evicting.certificate, evicting.key)
    await mosquitto.evict(HOST, site.port, person.name, tls=context)


async def test_a_revoked_device_is_cut_off_within_five_seconds_and_stays_out(site):
    """Its connection closes, its return is refused, everybody else stays."""
    person, other = site.device("n1"), site.device("n2")
    async with (
        running(site.mosquitto()) as broker,
        online(site.settings(person)) as n1,
        online(site.settings(other)) as n2,
    ):
        began = time.monotonic()
        await revoke(site, broker, person)
        first = await until(n1, Disconnected)
        assert time.monotonic() - began < 5
        assert isinstance(first, Disconnected)
        back = await until(n1, Disconnected)
        assert isinstance(back, Disconnected)
        assert back.is_refusal
        assert "REVOKED" in back.reason
        assert n1.counters["connected"] == 1
        assert n2.counters["connected"] == 1
        assert await n2.publish(f"{ROOT}/nodes/n2/report", b"")


async def test_the_will_of_an_evicted_device_is_published(site):
    """Dashboards see it go."""
    person = site.device("n1")
    status = f"{ROOT}/nodes/n1/status"
    gone = Will(topic=status, payload=b"offline")
    async with (
        running(site.mosquitto()) as broker,
        online(site.settings(site.hub()), status) as hub,
        online(site.settings(person, will=gone)),
    ):
        await revoke(site, broker, person)
        assert await messages(hub, 1) == [(status, b"offline")]


async def test_an_eviction_from_a_broker_that_is_down_is_unreachable(site):
    """The hub tries again when the broker is back."""
    evicting = authority.issue_eviction(site.ca, "n1", time.time())
    context = tls.identified_context(site.ca_pem, evicting.certificate, evicting.key)
    with pytest.raises(Unreachable):
        await mosquitto.evict(HOST, site.port, "n1", tls=context)


async def test_an_eviction_with_a_revoked_certificate_says_so(site):
    """Never mistaken for done."""
    person = site.device("n1")
    site.revoked.append(person.serial)
    async with running(site.mosquitto()):
        with pytest.raises((Unreachable, TrustError), match="cannot"):
            await mosquitto.evict(HOST, site.port, "n1", tls=person.tls)


async def test_a_renewed_server_certificate_is_shown_without_a_restart(site):
    """SIGHUP is enough for the broker's own certificate."""
    async with running(site.mosquitto()) as broker:
        pid, before = broker.pid, shown(site)
        await broker.reload(site.material())
        assert shown(site) != before
        assert broker.pid == pid


def shown(site: BrokerSite) -> bytes:
    """The certificate the broker shows now."""
    return tls.peer_certificate(HOST, site.port, timeout=PATIENCE)


async def test_a_missing_program_is_told_and_not_tried_for_ever(site):
    """The operator hears what to install."""
    with pytest.raises(ConfigError, match="no such program on this machine"):
        await site.mosquitto(command=("no-such-broker",)).run()


@pytest.mark.parametrize("folder", ["tmp_path", "public_folder"])
async def test_an_ended_hub_takes_its_broker_along(folder, request):
    """Even SIGKILL: the kernel ends the child, root's or another account's."""
    hub = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HUB, str(request.getfixturevalue(folder))),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert hub.stdout is not None
    pid = int(await hub.stdout.readline())
    assert running_state(pid)
    hub.kill()
    await hub.wait()
    await eventually(lambda: running_state(pid) in {"", "Z"})  # Z: nobody reaps it


HUB = """
import asyncio, sys
from pathlib import Path
from tests.support.broker_site import BrokerSite, running

async def main():
    async with running(BrokerSite(Path(sys.argv[1])).mosquitto()) as broker:
        print(broker.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def running_state(pid: int) -> str:
    """The state letter of a process, "" for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


async def test_a_broker_left_behind_is_ended_by_the_next_hub(site):
    """By number and start time, so that nobody else's process is."""
    left = await asyncio.create_subprocess_exec("sleep", "1000")
    child.remember(site.folder / "broker" / "pid", left.pid)
    async with running(site.mosquitto()):
        assert await left.wait() == -signal.SIGTERM


async def test_the_broker_is_not_root(site, public_folder):
    """It becomes its own account, where that can reach the folder."""
    site.folder = public_folder
    async with running(site.mosquitto()) as broker:
        state, key = (site.folder / "broker" / name for name in ("state", "server.key"))
        assert broker.pid is not None
        assert account_of(broker.pid) == state.stat().st_uid != 0
        assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (0, 0o640)
        before = shown(site)
        await broker.reload(site.material())
        assert shown(site) != before


async def test_in_a_private_folder_it_stays_root(site):
    """The test's own folder is closed to others, as /root is."""
    async with running(site.mosquitto()) as broker:
        assert broker.pid is not None
        assert account_of(broker.pid) == 0


def account_of(pid: int) -> int:
    """The effective user of a process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[2] for line in status if line.startswith("Uid:")))


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other accounts may enter."""
    folder = Path(tempfile.mkdtemp(prefix="tutti-broker-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
