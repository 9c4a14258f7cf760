"""A real hub process with its own Mosquitto, an operator and devices made of keys.

Documents come from `tests.support.builders`, dated now; they travel over real HTTPS and
real MQTT. The devices run nothing: they show what a device sees.
"""

import asyncio
import http.client
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from edge import documents, envelope, tls, topics
from edge.broker import Broker
from edge.connection import Settings
from edge.documents import Assignment, Document, Session
from edge.mqtt import Connected, Message
from edge.names import FleetName, NodeName
from hub import mosquitto_config
from tests.support import builders, hubs
from tests.support.builders import DAY, OPERATOR, Device, signed

FLEET = FleetName(builders.FLEET)
PATIENCE = 20.0  # seconds for anything real to happen


@dataclass(slots=True)
class RealHub:
    """A hub that runs, and the operator who adopted it."""

    site: hubs.Site
    fingerprint: str
    code: str
    ca: bytes = b""
    token: str = ""
    trust: bytes = b""
    serials: int = field(default=0)

    @property
    def state(self) -> Path:
        """Its folder."""
        return self.site.folder / "hub"

    def ask(
        self, verb: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Send one request over a connection of its own."""
        context = tls.client_context(self.ca) if self.ca else tls.unverified_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.site.port, context=context, timeout=PATIENCE
        )
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(verb, path, body, named)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def post(self, *sealed: bytes, **headers: str) -> tuple[int, list[dict[str, Any]]]:
        """Hand documents in; return the status and the results."""
        body = envelope.bundle(sealed)
        status, answer = self.ask("POST", "/v1/documents", body, **headers)
        return status, answer["results"]

    def accept(self, *made: Document) -> list[dict[str, Any]]:
        """Hand in documents that have to be accepted."""
        status, results = self.post(*(signed(each) for each in made))
        assert status == 200, results
        return results

    def offer(self, code: str) -> tuple[int, list[dict[str, Any]]]:
        """Try to adopt the hub with a code."""
        _, word = self.ask("GET", "/v1/hub")
        hub = builders.hub_site(key=word["key"], url=word["url"], broker=word["broker"])
        self.trust = signed(
            builders.trusted(issued_at=time.time(), hubs=(hub,), ca=word["ca"])
        )
        return self.post(self.trust, Tutti_Adoption=code)

    def adopt(self) -> None:
        """Adopt the hub, log in, and sign voucher ``v1``."""
        status, results = self.offer(self.code)
        assert status == 200, results
        self.ca = self.ask("GET", "/v1/hub")[1]["ca"].encode()
        self.log_in()
        self.accept(voucher())

    def log_in(self) -> None:
        """Answer the hub's challenge."""
        self.token = ""
        _, asked = self.ask("GET", "/v1/challenge")
        answer = Session(fleet=FLEET, nonce=asked["nonce"], hub=asked["hub"])
        sealed = documents.sign(answer, OPERATOR)
        self.token = self.ask("POST", "/v1/sessions", sealed)[1]["token"]

    def enrol(self, device: Device, **changes: Any) -> bytes:
        """Let a device in and return its certificate."""
        (result,) = self.accept(builders.member(device, **changes))
        return str(result["certificate"]).encode()

    def connection(self, device: Device, certificate: bytes) -> Settings:
        """How a device connects to the broker."""
        return Settings(
            host="127.0.0.1",
            port=self.site.broker_port,
            client_id=device.name,
            tls=tls.device_context(self.ca, certificate, device.tls.seed),
        )

    def broker_pid(self) -> int:
        """The process of its Mosquitto."""
        return int((self.state / "broker" / "pid").read_text().split()[0])

    def wipe_broker(self) -> None:
        """Kill its Mosquitto without mercy and delete what it had stored."""
        os.kill(self.broker_pid(), signal.SIGKILL)
        database = mosquitto_config.DATABASE
        (self.state / "broker" / mosquitto_config.STATE / database).unlink(
            missing_ok=True
        )

    def until(self, fact: str, is_so: Any) -> None:
        """Wait until something holds."""
        self.site.until(fact, is_so)


def voucher(**changes: Any) -> documents.Voucher:
    """A voucher that is open now."""
    now = time.time()
    window = {"opens_at": now - DAY, "closes_at": now + DAY, "issued_at": now}
    return builders.voucher(**{**window, **changes})


def deployment(name: str = "web", version: int = 1, **changes: Any) -> Document:
    """A deployment of now."""
    return builders.deployment(name, version, **{"issued_at": time.time(), **changes})


@contextmanager
def real_hub(folder: Path, broker: str = "") -> Iterator[RealHub]:
    """Give a hub that runs and belongs to nobody, and end it.

    With ``broker`` it takes the port for somebody else's.
    """
    with hubs.site(folder) as site:
        fingerprint, _, code = site.init().partition(":")
        if broker:
            with (folder / "hub" / "hub.toml").open("a") as told:
                told.write(f'broker = "mqtts://127.0.0.1:{site.broker_port}"\n')
        site.start()
        yield RealHub(site=site, fingerprint=fingerprint, code=code)


class Probe:
    """A device at the broker; it collects what it is sent."""

    def __init__(self, hub: RealHub, device: Device, broker: Broker) -> None:
        self.hub = hub
        self.device = device
        self.broker = broker
        self.seq = 0

    async def desired(self) -> list[Document]:
        """Return the documents of the next message that has any."""
        return await self._documents(topics.desired(FLEET, NodeName(self.device.name)))

    async def assigned(self) -> Assignment:
        """Return the next assignment."""
        while True:
            last = (await self.desired())[-1]
            if isinstance(last, Assignment):
                return last

    async def secrets(self) -> list[Document]:
        """Return the secrets of the next message that has any."""
        return await self._documents(topics.secrets(FLEET, NodeName(self.device.name)))

    async def report(self, **changes: Any) -> None:
        """Say something of itself."""
        self.seq += 1
        data = signed(builders.report(self.device, self.seq, **changes))
        topic = topics.report(FLEET, NodeName(self.device.name))
        assert await self.broker.publish(topic, data, retain=True)

    async def asked(self) -> list[str]:
        """Return the streams that a restored hub asks for next."""
        topic = topics.wanted(FLEET, NodeName(self.device.name))
        while True:
            message = await self.until(Message)
            if message.topic == topic and message.payload:
                return list(json.loads(message.payload)["streams"])

    async def hand_in(self, *sealed: bytes) -> None:
        """Answer it."""
        topic = topics.documents(FLEET, NodeName(self.device.name))
        assert await self.broker.publish(topic, envelope.bundle(sealed))

    async def until(self, kind: type[Any]) -> Any:
        """Return the next event of a kind."""
        async with asyncio.timeout(PATIENCE):
            async for event in self.broker:
                if isinstance(event, kind):
                    return event
        raise AssertionError("the connection is over")

    async def _documents(self, topic: str) -> list[Document]:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.until(Message)
                if message.topic == topic and message.payload:
                    found = envelope.unbundle(message.payload)
                    return [builders.opened(each)[0] for each in found]


@asynccontextmanager
async def probe(
    hub: RealHub, device: Device, certificate: bytes
) -> AsyncIterator[Probe]:
    """Give a device that is connected and subscribed."""
    settings = hub.connection(device, certificate)
    async with Broker(settings, rng=Random(1)) as broker:
        made = Probe(hub, device, broker)
        await made.until(Connected)
        await broker.subscribe(*topics.for_node(FLEET, NodeName(device.name)))
        yield made
