"""A CA, a real Mosquitto under `hub.mosquitto`, and identities to meet it with."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import nacl.signing

from edge import tls
from edge.broker import Broker, Connected, Event, Message
from edge.connection import Settings
from edge.names import FleetName
from edge.tls import Validity
from hub import authority, mosquitto_config
from hub.authority import Authority
from hub.mosquitto import Material, Mosquitto
from hub.mosquitto import Settings as MosquittoSettings

HOST = "127.0.0.1"
FLEET = FleetName("shop")
ROOT = f"edge/v1/{FLEET}"
DAY = 24 * 3600.0
PATIENCE = 10.0  # seconds for anything real to happen


class Person:
    """Somebody with a key and a certificate."""

    def __init__(self, certificate: bytes, seed: bytes, ca: bytes) -> None:
        """Keep both; `tls` is how the person connects."""
        self.certificate = certificate
        self.serial = authority.serial(certificate)
        self.name = authority.common_name(certificate)
        self.tls = tls.device_context(ca, certificate, seed)


class BrokerSite:
    """The certificates of a fleet, and the settings of its broker."""

    def __init__(self, folder: Path) -> None:
        """Make a CA and a server certificate for this machine's loopback."""
        now = time.time()
        key = authority.generate_key()
        self.window = Validity(not_before=authority.EPOCH, not_after=now + DAY)
        self.ca_pem = authority.create(key, FLEET, now)
        self.ca: Authority = authority.load(self.ca_pem, key)
        self.folder = folder
        self.port = free_port()
        self.revoked: list[int] = []
        self._server_key = authority.generate_key()

    def material(self, viewers: Iterable[str] = ()) -> Material:
        """What the broker gets now, the revoked serials included."""
        certificate = authority.issue_server(
            self.ca, [HOST], self._server_key, self.window
        )
        crl = authority.crl(self.ca, self.revoked, time.time(), number=1)
        return Material(
            ca=self.ca_pem,
            certificate=certificate,
            key=self._server_key,
            crl=crl,
            viewers=tuple(viewers),
        )

    def device(self, name: str) -> Person:
        """A device with a key of its own."""
        return self._person(name, authority.issue_client)

    def viewer(self, name: str) -> Person:
        """A dashboard."""
        return self._person(name, authority.issue_viewer)

    def hub(self) -> Person:
        """The hub as a client of its broker."""
        return self._person("", lambda ca, _, *rest: authority.issue_hub(ca, *rest))

    def mosquitto(self, viewers: Iterable[str] = (), **changed) -> Mosquitto:
        """A broker that is not running yet."""
        config = mosquitto_config.Settings(
            folder=str(self.folder / "broker"), port=self.port, address=HOST
        )
        settings = MosquittoSettings(config=config, fleet=FLEET, **changed)
        return Mosquitto(settings, self.material(viewers))

    def settings(self, person: Person, **changed) -> Settings:
        """How a person connects."""
        return Settings(
            host=HOST,
            port=self.port,
            tls=person.tls,
            **{"client_id": person.name, **changed},
        )

    def _person(self, name: str, issue) -> Person:
        seed = os.urandom(32)
        public = bytes(nacl.signing.SigningKey(seed).verify_key)
        return Person(issue(self.ca, name, public, self.window), seed, self.ca_pem)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


@asynccontextmanager
async def running(mosquitto: Mosquitto) -> AsyncIterator[Mosquitto]:
    """Run a broker until the block ends."""
    task = asyncio.create_task(mosquitto.run())
    try:
        await ready(mosquitto, task)
        yield mosquitto
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ready(mosquitto: Mosquitto, task: asyncio.Task | None = None) -> None:
    """Wait until the broker accepts connections; raise what its task raised."""
    waiting = asyncio.create_task(mosquitto.ready.wait())
    tasks = {waiting, task} if task else {waiting}
    done, _ = await asyncio.wait(
        tasks, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
    )
    waiting.cancel()
    for finished in done:
        finished.result()
    assert done, f"the broker is not ready: {list(mosquitto.lines)}"


@asynccontextmanager
async def online(settings: Settings, *topics: str) -> AsyncIterator[Broker]:
    """A client that is connected and subscribed when the block begins."""
    async with Broker(settings, rng=Random(1)) as broker:
        await until(broker, Connected)
        await broker.subscribe(*topics)
        yield broker


async def until(broker: Broker, kind: type[Event]) -> Event:
    """The next event of a kind; what comes before is passed over."""
    async with asyncio.timeout(PATIENCE):
        async for event in broker:
            if isinstance(event, kind):
                return event
    raise AssertionError("the broker has no more events")


async def messages(broker: Broker, count: int) -> list[tuple[str, bytes]]:
    """The next ``count`` messages."""
    found = []
    for _ in range(count):
        message = await until(broker, Message)
        found.append((message.topic, message.payload))
    return found


async def silence(broker: Broker, *, lasting: float = 0.3) -> bool:
    """Whether no message comes for a while."""
    try:
        async with asyncio.timeout(lasting):
            async for event in broker:
                if isinstance(event, Message):
                    return False
    except TimeoutError:
        return True
    return True


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something real has happened."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await asyncio.sleep(0.02)
