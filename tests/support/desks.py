"""A hub without a network: real keys, a real database, a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge import envelope
from edge.documents import Document, Trust
from edge.mqtt import Delivery, Message
from edge.names import FleetName
from edge.trust.ledger import fingerprint
from hub import adoption, identity, records
from hub.archive import Archive
from hub.desk import Answer, Desk
from hub.identity import Identity
from hub.records import Batch, Stored
from hub.store import Store
from tests.support import builders
from tests.support.builders import DAY, NOW, Device, signed

FLEET = FleetName(builders.FLEET)
CODE = "one-time-code"
HOSTS = ("localhost", "127.0.0.1")


class Clock:
    """Time that passes when told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Outlet:
    """A broker that remembers what is retained; ``verdict`` is its answer."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.verdict = Delivery.ACCEPTED

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> Delivery:
        assert (qos, retain) == (1, True)
        self.sent.append(topic)
        if self.verdict is Delivery.ACCEPTED:
            self.retained[topic] = payload
        return self.verdict

    def held(self, topic: str) -> list[Any]:
        """The documents a topic holds, opened."""
        data = self.retained.get(topic, b"")
        found = envelope.unbundle(data) if data else ()
        return [builders.opened(each)[0] for each in found]


def make(folder: Path, **meta: str) -> Identity:
    """What `edge-hub init` makes; the code is `CODE` unless ``meta`` says else."""
    identity.prepare(folder, HOSTS, NOW)
    store = Store(folder / "hub.db")
    store.commit(Batch(meta=meta or {adoption.CODE: CODE}))
    store.close()
    return identity.finish(folder)


@asynccontextmanager
async def open_desk(folder: Path, clock: Clock | None = None) -> AsyncIterator[Desk]:
    """A desk over the database in a folder, read anew."""
    async with Archive(Store(folder / "hub.db")) as archive:
        me = identity.load(folder)
        desk = Desk(me, archive, clock or Clock(), 90 * DAY)
        await desk.open()
        yield desk


def trust_for(me: Identity, version: int = 1, **changes: Any) -> Trust:
    """A trust document that names this hub and carries its CA."""
    site = builders.hub_site(key=me.key.public)
    fields: dict[str, Any] = {"hubs": (site,), "ca": me.ca_pem.decode(), **changes}
    return builders.trusted(version, **fields)


async def post(desk: Desk, *envelopes: bytes, code: str = "") -> Answer:
    """Hand documents in, as one bundle."""
    return await desk.post(envelope.bundle(envelopes), code)


async def founded(desk: Desk, *devices: Device) -> None:
    """Adopt the hub and let devices in by voucher ``v1``."""
    answer = await post(desk, signed(trust_for(desk.identity)), code=CODE)
    assert answer.status == 200, answer
    members = (signed(builders.member(each)) for each in devices)
    answer = await post(desk, signed(builders.voucher()), *members)
    assert answer.status == 200, answer


def report(desk: Desk, device: Device, seq: int = 1, **changes: Any) -> None:
    """Let a device report, live."""
    data = signed(builders.report(device, seq, **changes))
    topic = f"edge/v1/{FLEET}/nodes/{device.name}/report"
    desk.hear(Message(topic=topic, payload=data, retain=False))


def root_fingerprint() -> str:
    """What `edge-hub init --root` is given."""
    return fingerprint(builders.trusted().root)


async def soon(event: asyncio.Event) -> None:
    """Wait for something that happens at once."""
    async with asyncio.timeout(5):
        await event.wait()


def row(document: Document, data: bytes) -> Stored:
    """A document as the database keeps it, whoever signed it."""
    return records.of(document, builders.digest(document), data, NOW)
