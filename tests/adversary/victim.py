"""The device under attack: the real agent of `edge-node` on a real folder."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge import envelope, trust
from edge.documents import Secret
from edge.trust import Accepted, Ledger
from node import journal
from node.agent import Agent
from node.device import Device
from node.identity import Identity
from node.store import Store
from tests.adversary import world
from tests.adversary.world import NOW, THIRD, VICTIM, Fleet
from tests.support import builders as a

MEMORY = Path("/dev/shm")
"""100,000 attacks would wear out a disk."""
ENROLMENT = ("voucher/v1", f"member/{VICTIM.id}")


@contextmanager
def scratch() -> Iterator[Path]:
    """Return a folder in memory for a while."""
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="tutti-adversary-", dir=where) as folder:
        yield Path(folder)


def started(folder: Path, now: float = NOW) -> Agent:
    """Return the agent as a start of the daemon makes it, at ``now`` o'clock."""
    identity = Identity(
        sign=VICTIM.sign,
        seal=VICTIM.seal,
        public=VICTIM.keys,
        tls=VICTIM.tls.seed,
        mesh=VICTIM.mesh,
    )
    anchor = a.empty_ledger().anchor
    ledger = Ledger(fleet=a.FLEET, anchor=anchor, me=VICTIM.id)
    store = Store(folder)
    store.load(ledger)
    device = Device(identity=identity, store=store, ledger=ledger, clock=lambda: now)
    log = journal.load(folder / "events.jsonl")
    return Agent(device=device, journal=log, facts=a.facts())


def enrolled(fleet: Fleet, folder: Path) -> Agent:
    """Return a device that joined, was approved, and runs what it was assigned."""
    ledger = Ledger(fleet=a.FLEET, anchor=a.empty_ledger().anchor, me=VICTIM.id)
    store = Store(folder)
    for data in (fleet.envelopes("trust")[0], *fleet.envelopes(*ENROLMENT)):
        verdict = trust.judge(data, ledger, NOW)
        if isinstance(verdict, Accepted):
            ledger.record(verdict)
            store.keep([verdict], ledger)
    agent = started(folder)
    agent.receive(envelope.bundle(mail(fleet)))
    agent.receive(envelope.bundle([honest_assignment(1)]))
    assert not agent.intake.refusals
    return agent


def mail(fleet: Fleet) -> list[bytes]:
    """Return what an honest hub would send the device, in the order it was said."""
    mine = (f"node/{VICTIM.id}", "voters/home", "deployment/", "secret/")
    streams = ("trust", "revocation", *mine)
    return [
        data
        for document, data in fleet.said.values()
        if document.stream.startswith(streams)
        and not (isinstance(document, Secret) and document.recipient != VICTIM.id)
    ]


def honest_assignment(seq: int, **changes: object) -> bytes:
    """Return what the hub said before it was taken over."""
    slots = {"web/web.1": 2, "sensor/reader@n1": 1, "db/db.1": 1}
    places = tuple(a.place(slot, version) for slot, version in slots.items())
    fields = {"generation": world.GENERATION, "replicas": places, **changes}
    return a.signed(a.assignment(VICTIM, seq, **fields), a.HUB)


def honest_plan(seq: int, **changes: object) -> bytes:
    """Return what the hub said to the victim's site before it was taken over."""
    slots = tuple(a.plan_slot(each, VICTIM) for each in ("web/web.1", "db/db.1"))
    fields = {"generation": world.GENERATION, "slots": slots, **changes}
    return a.signed(a.plan(VICTIM, THIRD, seq=seq, **fields), a.HUB)


def copied(template: Path, folder: Path) -> Path:
    """Return a copy of a device's disk."""
    return Path(shutil.copytree(template, folder))
