"""Failover's hands: written before acted on, the same after a restart."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge import envelope
from edge.errors import RuntimeFailure, StoreError
from edge.names import Slot
from netmesh.view import Peer, Roster, View
from node import claims, lease
from node.guard import Leases
from node.lease import Granted, Request
from node.memory import MEMORY, Memory
from node.replica import Container
from node.site import Site
from node.tenure import Owner
from tests.node.test_agent import agent, assigned, folder
from tests.support import builders as a

__all__ = ["folder"]
SLOT = Slot("web/web.1")
N2 = a.Device("n2")
MOVABLE = a.workload(failover="available")


class FakeMesh:
    """Remembers what was said, and shows what the test wants."""

    def __init__(self) -> None:
        """Begin alone."""
        self.view = View(at=0.0)
        self.roster = Roster()
        self.announced: dict[str, bytes] = {}
        self.told: list[tuple[str, bytes]] = []
        self.has_left = False

    def set_roster(self, roster: Roster) -> None:
        """Take the roster."""
        self.roster = roster

    def announce(self, key: str, body: bytes) -> None:
        """Remember a rumour."""
        self.announced[key] = body

    def withdraw(self, key: str) -> None:
        """Forget a rumour."""
        self.announced.pop(key, None)

    def tell(self, device: str, body: bytes) -> None:
        """Remember a message."""
        self.told.append((device, body))

    def leave(self) -> None:
        """Remember the goodbye."""
        self.has_left = True


class FakeWork:
    """Runs what it is told to."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.containers: tuple[Container, ...] = ()
        self.busy: set[str] = set()
        self.versions: dict[str, int] = {}
        self.unready: set[str] = set()

    def is_busy(self, slot: str) -> bool:
        """Return what the test wants."""
        return slot in self.busy

    def is_healthy(self, slot: str) -> bool:
        """Return what the test wants."""
        return slot in self.busy

    def is_prepared(self, slot: str) -> bool:
        """Return whether the slot is named at all."""
        return bool(slot)

    def serves(self, slot: str) -> int:
        """Return what the test wants."""
        return self.versions.get(slot, 0)

    def is_ready(self, slot: str, version: int) -> bool:
        """Return what the test wants."""
        return version > 0 and slot not in self.unready


Start = Callable[[], Site]


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Start:
    """Start the daemon's part again and again on one disk."""
    run = tmp_path / "run"
    run.mkdir()

    def site() -> Site:
        device = agent(folder)
        made = Site(
            agent=device,
            mesh=FakeMesh(),
            leases=Leases(run),
            memory=Memory(device.device.store.folder, run),
            port=8445,
            clock=lambda: made_at[0],
            bell=lambda: None,
            told=lambda: None,
            learned=lambda: None,
        )
        made.running = FakeWork()
        return made

    made_at[0] = 100.0
    return site


made_at = [100.0]


def give(site: Site, **workload: Any) -> None:
    """Assign the slot to this device."""
    shape = a.workload(failover="available", **workload)
    document = a.signed(a.deployment(workloads=(shape,)))
    assert site.agent.receive(
        envelope.bundle([document, assigned(site.agent, a.place(SLOT))])
    )


def test_device_alone_starts_what_it_was_given_after_it_listened(start: Start) -> None:
    """It may have been taken over while this device was away."""
    site = start()
    give(site)
    site.turn()
    assert "hearing" not in "".join(each.waits_for for each in site.agent.replicas())
    assert site.settled.ours == {SLOT: 1}


def test_claim_is_announced_and_withdrawn(start: Start) -> None:
    """Neighbours hear of it once, not with every turn."""
    site = start()
    give(site)
    site.turn()
    mesh = site.mesh
    assert isinstance(mesh, FakeMesh)
    said = claims.decode("d-x", SLOT, mesh.announced[SLOT])
    assert said is not None
    assert (said.term, said.state) == (1, "starting")
    mesh.announced.clear()
    site.turn()
    assert not mesh.announced


def test_takeover_is_on_disk_before_it_is_acted_on(start: Start) -> None:
    """And survives a restart: the term never goes back."""
    site = start()
    give(site)
    site.failover.tenure.learn(SLOT, N2.id, 4)
    peer = Peer(device=N2.id, name="n2", state="alive", since=0.0)
    site.mesh.view = View(at=100.0, peers={N2.id: peer})  # type: ignore[misc]
    site.turn()
    assert not site.agent.replicas()
    assert (site.agent.device.store.folder / MEMORY).exists()
    again = start()
    assert again.failover.tenure.holder(SLOT) == N2.id
    assert again.failover.tenure.term(SLOT) == 4


def test_slot_of_another_is_not_refused_as_taken_away(start: Start) -> None:
    """The hub may know less, or more, than the site has settled."""
    site = start()
    give(site)
    site.turn()
    site.failover.tenure.learn(SLOT, N2.id, 2)
    site.turn()
    empty = assigned(site.agent, seq=2)
    site.agent.receive(envelope.bundle([empty]))
    assert not site.agent.replicas()
    assert not site.agent.intake.refusals["assignment: takes-away"]


def test_people_see_who_holds_a_slot_although_nothing_changes_here(
    start: Start,
) -> None:
    """What neighbours settle among themselves is no news for the hub, and shown."""
    site = start()
    give(site)
    site.failover.tenure.learn(SLOT, N2.id, 4)
    site.turn()
    heard: list[str] = []
    site.learned, site.told = (
        lambda: heard.append("people"),
        lambda: heard.append("hub"),
    )
    site.failover.tenure.learn(SLOT, N2.id, 5)
    site.turn()
    site.turn()
    assert heard == ["people"]


def test_damaged_memory_is_told_and_begun_anew(start: Start) -> None:
    """Terms come back with the plan and the claims."""
    site = start()
    give(site)
    site.turn()
    path = site.agent.device.store.folder / MEMORY
    path.write_bytes(b"{" + path.read_bytes())
    again = start()
    assert not again.failover.tenure.owners
    assert any(each.kind == "damaged" for each in again.agent.journal.events)


def test_promise_outlives_the_daemon_and_not_the_reboot(
    start: Start, tmp_path: Path
) -> None:
    """After a restart the voter still knows; after a reboot it abstains."""
    site = start()
    me = site.failover.me
    site.failover.voter.take_up(1, [me, N2.id, "d-3"], 0.0)
    made_at[0] = 120.0  # a first start knows no more than a reboot: it abstained
    site.take_mail(N2.id, lease.encode(Request(SLOT, 1, 8.0, 1, 1)))
    site.turn()
    mesh = site.mesh
    assert isinstance(mesh, FakeMesh)
    assert lease.decode(mesh.told[0][1]) == Granted(SLOT, 1, 1)
    again = start()
    assert again.failover.voter.promises[SLOT].device == N2.id
    (tmp_path / "run" / "promises.json").unlink()
    booted = start()
    assert not booted.failover.voter.promises
    assert booted.failover.voter.forgot_at == 120.0
    assert booted.failover.voter.longest == 8.0
    assert booted.failover.voter.terms[SLOT] == (1, N2.id)


def test_promise_to_ourselves_outlives_the_daemon(start: Start) -> None:
    """Or it would be given to another while our container runs on."""
    site = start()
    me = site.failover.me
    made_at[0] = 120.0
    site.turn()
    site.failover.voter.take_up(1, [me], 0.0)
    site.failover.voter.receive(Request(SLOT, 1, 8.0, 1, 1), me, 120.0)
    site.turn()
    again = start()
    assert again.failover.voter.promises[SLOT].device == me


def test_daemon_that_promised_nothing_abstains_at_each_start(start: Start) -> None:
    """It died while it abstained after a reboot: what it promised before is unknown."""
    site = start()
    site.turn()
    made_at[0] = 101.0
    again = start()
    assert again.failover.voter.forgot_at == 101.0


def strict(start: Start, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A device that alone votes, with the lease of its ``strict`` slot, and a guard."""
    site = start()
    shape = a.workload(failover="strict", lease=8.0)
    document = a.signed(a.deployment(workloads=(shape,)))
    assert site.agent.receive(
        envelope.bundle([document, assigned(site.agent, a.place(SLOT))])
    )
    made_at[0] = 120.0
    site.failover.voter.take_up(1, [site.failover.me], 0.0)
    site.turn()
    monkeypatch.setattr(site.leases, "ensure", lambda _: None)
    monkeypatch.setattr(site.leases, "is_guarded", lambda _: True)
    return site


async def inspect(container: str) -> tuple[str, Path]:
    """What Podman says of a container."""
    return container, Path("/run/pid")


def test_strict_replica_starts_under_a_lease_that_the_guard_knows(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written before it starts."""
    site = strict(start, monkeypatch)
    site.leases.folder.mkdir()
    asyncio.run(site.admit(SLOT, "c1", inspect))
    assert site.leases.read_all()[SLOT].deadline == 126.5


def test_strict_replica_does_not_start_when_its_lease_ends_meanwhile(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Podman or the guard took their time."""
    site = strict(start, monkeypatch)

    async def slow(container: str) -> tuple[str, Path]:
        made_at[0] = 127.0
        return await inspect(container)

    with pytest.raises(RuntimeFailure, match="its lease is over"):
        asyncio.run(site.admit(SLOT, "c1", slow))
    assert not site.leases.read_all()


def test_deaths_are_told_and_passing_suspicions_are_not(start: Start) -> None:
    """Every death is a suspicion first."""
    site = start()
    for state in ("alive", "suspect", "alive", "suspect", "dead"):
        peer = Peer(device=N2.id, name="n2", state=state)  # type: ignore[arg-type]
        site.mesh.view = View(at=100.0, peers={N2.id: peer})  # type: ignore[misc]
        site.turn()
    kinds = [each.kind for each in site.agent.journal.events if each.subject == "n2"]
    assert kinds == ["alive", "dead"]


def test_leaving_device_says_so(start: Start) -> None:
    """Its neighbours begin at once."""
    site = start()
    site.leave()
    site.turn()
    assert isinstance(site.mesh, FakeMesh)
    assert site.mesh.has_left
    assert site.has_handed_over


def test_leaving_device_waits_until_its_own_copy_has_stopped(start: Start) -> None:
    """A shutdown that went on at once would cut it off."""
    site = start()
    site.leave()
    site.turn()
    site.failover.tenure.owners[SLOT] = Owner(device=N2.id, term=2)
    assert isinstance(site.running, FakeWork)
    site.running.busy.add(SLOT)
    assert not site.has_handed_over
    site.running.busy.clear()
    assert site.has_handed_over


def test_no_promise_leaves_that_could_not_be_kept(start: Start, tmp_path: Path) -> None:
    """The folder in memory is full: the voter says nothing, and the daemon lives."""
    site = start()
    site.failover.voter.take_up(1, [site.failover.me, N2.id, "d-3"], 0.0)
    made_at[0] = 120.0
    (tmp_path / "run").rename(tmp_path / "away")
    site.take_mail(N2.id, lease.encode(Request(SLOT, 1, 8.0, 1, 1)))
    site.turn()
    mesh = site.mesh
    assert isinstance(mesh, FakeMesh)
    assert mesh.told == []
    assert any(each.kind == "failed" for each in site.agent.journal.events)


def test_what_could_not_be_written_was_never_decided(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes later, with room again, it would take a slot from whoever has it by then.

    Seed 500034 of the simulator.
    """
    site = start()
    give(site)

    def full(_: object) -> None:
        raise StoreError("cannot write: no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(site.memory, "write", full)
        site.turn()
    assert not site.failover.tenure.owners
    site.turn()
    assert site.failover.tenure.holder(SLOT) == site.failover.me
