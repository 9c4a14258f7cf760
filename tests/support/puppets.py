"""Devices without Podman: real keys, documents and MQTT, make-believe containers.

A puppet joins with a join file, takes what the hub publishes for it through the real
gate (`edge.trust`), and reports at once that every assigned replica is healthy, or
whatever its `mood` says. It opens its secrets, so a test may look at them.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from edge import documents, envelope, joinfile, sealed_text, tls, topics, trust
from edge.broker import Broker, Connected, Message
from edge.connection import Settings
from edge.documents import Assignment, Deployment, Member, Node, Report, Secret
from edge.model import Failure, Held, ReplicaPlace, ReplicaStatus
from edge.names import FleetName, NodeName
from edge.sealing import OpeningKey, SigningKey
from edge.trust import Accepted, Known, Ledger
from edge.trust.devices import device_id
from node.hub_api import HubApi
from tests.support import builders as a

PATIENCE = 20.0  # seconds for anything real to happen
HELD = Deployment | documents.Tombstone | Node | Secret | documents.Voters
Mood = Callable[[ReplicaPlace], dict[str, Any]]


def well(_: ReplicaPlace) -> dict[str, Any]:
    """Every replica runs and is healthy."""
    return {"state": "running", "healthy": True}


class Puppet:
    """One device; everything it holds is in memory."""

    def __init__(self, name: str, join_text: str) -> None:
        self.name = name
        self.mood: Mood = well
        self.secrets: dict[str, bytes] = {}
        self.workloads: tuple[ReplicaPlace, ...] = ()
        self.failures: tuple[Failure, ...] = ()
        """What it says of versions that were bad here."""
        self.join = joinfile.parse(join_text)
        self._sign, self._tls = (SigningKey(a.seed(f"{w} {name}")) for w in "st")
        self._seal = OpeningKey(a.seed(f"seal {name}"))
        self.id = device_id(self._sign.public)
        self._ledger = Ledger(fleet=self.join.fleet, anchor=self.join.root, me=self.id)
        self._held: dict[str, Held] = {}
        self._seq = 0
        self._broker: Broker | None = None

    def failed(self, slot: str, version: int, reason: str, log: str) -> Failure:
        """Return what it says of a version that was bad here."""
        assert self._ledger.trust is not None
        who = trust.readers(self._ledger.trust, "", time.time())
        return Failure(
            slot=slot,
            deployment=slot.partition("/")[0],
            version=version,
            reason=reason,
            sealed_log=sealed_text.seal(log, (each.seal for each in who)),
        )

    def enrol(self) -> bytes:
        """Hand in the member document and return the certificate."""
        url = self.join.hubs[0]
        for data in HubApi(url, tls.unverified_context()).trust(0):
            self._take(data)
        self._take(self.join.voucher)
        voucher = joinfile.voucher(self.join)
        mesh = OpeningKey(a.seed(f"mesh {self.name}")).public
        member = Member(
            fleet=self.join.fleet,
            device=self.id,
            name=self.name,
            version=1,
            voucher=voucher.id,
            keys=documents.DeviceKeys(
                sign=self._sign.public,
                seal=self._seal.public,
                mesh=mesh,
                wireguard=mesh,
                tls=self._tls.public,
            ),
        )
        data = documents.sign(member, SigningKey(self.join.seed), self._sign)
        self._take(data)
        return HubApi(url, tls.unverified_context()).submit(data).encode()

    async def run(self, certificate: bytes) -> None:
        """Hold a connection and answer what comes, until cancelled."""
        held = self._ledger.trust
        assert held is not None
        host, _, port = held.hubs[0].broker.partition("://")[2].rpartition(":")
        settings = Settings(
            host=host,
            port=int(port),
            client_id=self.name,
            tls=tls.device_context(held.ca.encode(), certificate, self._tls.seed),
        )
        fleet, node = FleetName(self.join.fleet), NodeName(self.name)
        async with Broker(settings, rng=Random(1)) as broker:
            self._broker = broker
            await broker.subscribe(*topics.for_node(fleet, node))
            async for event in broker:
                if isinstance(event, Message) and event.payload:
                    for data in envelope.unbundle(event.payload):
                        self._take(data)
                if isinstance(event, Message | Connected):
                    await self.report()

    async def report(self) -> None:
        """Say how it is now, also when nobody asked."""
        assert self._broker is not None
        topic = topics.report(FleetName(self.join.fleet), NodeName(self.name))
        await self._broker.publish(topic, self._report(), retain=True)

    def _take(self, data: bytes) -> None:
        verdict = trust.judge(data, self._ledger, time.time())
        if not isinstance(verdict, Accepted | Known):
            return
        document = verdict.document
        self._ledger.record(verdict)
        if isinstance(document, Assignment):
            self.workloads = document.replicas
        if isinstance(document, Secret):
            opened = trust.open_secret(document, self._seal, self._ledger)
            self.secrets[document.name] = opened
        if isinstance(document, HELD):
            self._held[document.stream] = Held(
                stream=document.stream,
                version=document.version,
                digest=verdict.digest,
            )

    def _report(self) -> bytes:
        self._seq += 1
        known = self._ledger.deployments
        replicas = tuple(
            ReplicaStatus(
                slot=each.slot,
                deployment=each.deployment,
                workload=each.workload,
                version=each.version,
                term=each.term,
                since=time.time(),
                **self.mood(each),
            )
            for each in self.workloads
            if each.deployment in known
        )
        document = Report(
            fleet=self.join.fleet,
            node=self.name,
            device=self.id,
            boot=1,
            seq=self._seq,
            instance="puppet",
            address="127.0.0.1",
            facts=a.facts(),
            replicas=replicas,
            held=tuple(self._held[stream] for stream in sorted(self._held)),
            failures=self.failures,
        )
        return documents.sign(document, self._sign)


class Stage:
    """A thread in which puppets play."""

    def __init__(self) -> None:
        self.puppets: dict[str, Puppet] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[str, Any] = {}

    def join(self, name: str, join_text: str) -> Puppet:
        """Enrol a device and have it play."""
        puppet = Puppet(name, join_text)
        certificate = puppet.enrol()
        self.puppets[name] = puppet
        self._tasks[name] = asyncio.run_coroutine_threadsafe(
            puppet.run(certificate), self._loop
        )
        return puppet

    def report(self, *names: str) -> None:
        """Have puppets say how they are now."""
        for name in names:
            said = self.puppets[name].report()
            asyncio.run_coroutine_threadsafe(said, self._loop).result(PATIENCE)

    def leave(self) -> None:
        """End every puppet and the loop; a puppet that broke fails here."""
        broken = {name: task for name, task in self._tasks.items() if task.done()}
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert not broken, {name: task.exception() for name, task in broken.items()}

    def play(self) -> None:
        """Run the loop until `leave`, then see every task to its end."""
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(_ended(tasks))
        self._loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a stage, and clear it in the end."""
    made = Stage()
    thread = threading.Thread(target=made.play, name="puppets")
    thread.start()
    try:
        yield made
    finally:
        made.leave()
        thread.join(PATIENCE)
