import asyncio
from pathlib import Path

import pytest

from edge import documents
from edge.errors import StoreError
from edge.names import NodeName, Slot
from hub.assignments import Holding
from hub.desk import Desk
from hub.records import Batch
from tests.support import builders, desks
from tests.support.builders import NOW, Device, signed
from tests.support.desks import CODE, Clock

N1, N2 = Device("n1"), Device("n2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new hub's."""
    desks.make(tmp_path)
    return tmp_path


def told(desk: Desk, kind: str) -> list[str]:
    """Subjects of events of a kind that wait to be written."""
    return [each.subject for each in desk.backlog.events if each.kind == kind]


async def test_before_adoption_only_trust_is_taken(folder: Path) -> None:
    """It belongs to nobody: nobody can say what runs."""
    async with desks.open_desk(folder) as desk:
        answer = await desks.post(desk, signed(builders.deployment()), code=CODE)
        assert answer.status == 403
        assert not desk.adopted.is_set()


async def test_adoption_takes_effect_without_a_restart(folder: Path) -> None:
    """And survives one."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk)
        assert desk.adopted.is_set()
        assert desk.code == ""
    async with desks.open_desk(folder) as again:
        assert again.state.is_adopted
        assert again.adopted.is_set()


async def test_a_wrong_code_leaves_no_trace(folder: Path) -> None:
    """The right one still works."""
    async with desks.open_desk(folder) as desk:
        trust = signed(desks.trust_for(desk.identity))
        assert (await desks.post(desk, trust, code="wrong")).status == 403
        assert desk.state.ledger.trust is None
        assert (await desks.post(desk, trust, code=CODE)).status == 200


async def test_a_deploy_is_decided_before_it_is_answered(folder: Path) -> None:
    """Document and assignments are one transaction, and survive together."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        answer = await desks.post(desk, signed(builders.deployment()))
        assert answer.results[0].result == "accepted"
        assert desk.state.assignments[N1.id].replicas == (builders.place("web/web.1"),)
        assert "n1" in desk.agenda.take().nodes
    async with desks.open_desk(folder) as again:
        assert again.state.assignments[N1.id].seq == 1
        assert again.state.holdings["web/web.1"].node == "n1"


async def test_deciding_again_signs_nothing(folder: Path) -> None:
    """Neither now nor after a restart."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        await desks.post(desk, signed(builders.deployment()))
        await desk.flush()
        await desk.decide()
    async with desks.open_desk(folder) as again:
        await again.decide()
        assert again.state.assignments[N1.id].seq == 1


async def test_a_device_that_joins_is_placed_soon_after(folder: Path) -> None:
    """Not while it waits for its certificate."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk)
        desk.agenda.to_decide.clear()
        everywhere = builders.workload(every="*")
        await desks.post(desk, signed(builders.deployment(workloads=(everywhere,))))
        answer = await desks.post(desk, signed(builders.member(N1)))
        assert answer.results[0].certificate.startswith("-----BEGIN CERTIFICATE")
        assert desk.agenda.to_decide.is_set()
        await desk.decide()
        assert desk.state.assignments[N1.id].replicas[0].slot == "web/web@n1"


async def test_a_disk_that_is_full_changes_nothing(folder: Path) -> None:
    """Memory goes back to what is written; the same request works later."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        store = desk.archive._store  # noqa: SLF001 - the disk is what fails
        commit = store.commit

        def full(batch: Batch) -> None:
            raise StoreError(f"cannot write: the disk is full ({len(batch.documents)})")

        store.commit = full  # type: ignore[method-assign]
        with pytest.raises(StoreError):
            await desks.post(desk, signed(builders.deployment()))
        store.commit = commit  # type: ignore[method-assign]
        async with desk.settled() as state:
            assert state.ledger.deployments == {}
            assert state.heard[N1.id].report.node == "n1"
        answer = await desks.post(desk, signed(builders.deployment()))
        assert answer.results[0].result == "accepted"


async def test_after_a_disk_that_was_full_rollouts_are_looked_at_again(
    folder: Path,
) -> None:
    """Memory was read anew, and no report would be news to it."""
    async with desks.open_desk(folder) as desk:
        await rolled_out(desk)
        assert desk.state.courses
        store = desk.archive._store  # noqa: SLF001 - the disk is what fails
        commit = store.commit

        def full(batch: Batch) -> None:
            raise StoreError(f"cannot write {len(batch.documents)} documents")

        store.commit = full  # type: ignore[method-assign]
        with pytest.raises(StoreError):
            await desks.post(desk, signed(builders.deployment("other")))
        store.commit = commit  # type: ignore[method-assign]
        desk.agenda.to_decide.clear()
        async with desk.settled() as state:
            assert state.courses == {}
        assert desk.agenda.to_decide.is_set()
        await desk.decide()
        assert desk.state.courses.keys() == {"web"}


async def test_reports_are_written_with_the_next_flush(folder: Path) -> None:
    """A restart finds them."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1, address="10.0.0.1")
        await desk.flush()
        assert not desk.backlog.take()
    async with desks.open_desk(folder) as again:
        assert again.state.heard[N1.id].report.address == "10.0.0.1"


async def test_a_flush_that_fails_keeps_what_it_had(folder: Path) -> None:
    """It is written when the disk takes it."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        desk.tell("kind", "subject", "text")
        store = desk.archive._store  # noqa: SLF001 - the disk is what fails
        commit = store.commit

        def full(batch: Batch) -> None:
            raise StoreError(f"cannot write {len(batch.reports)} reports")

        store.commit = full  # type: ignore[method-assign]
        with pytest.raises(StoreError):
            await desk.flush()
        store.commit = commit  # type: ignore[method-assign]
        assert set(desk.backlog.reports) == {N1.id}
        await desk.flush()
        assert "text" in {each.text for each in await desk.archive.events(0, 99)}


async def test_what_was_decided_and_refused_is_told(folder: Path) -> None:
    """`edgectl events` shows it."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        two = builders.deployment(workloads=(builders.workload(replicas=1),))
        await desks.post(desk, signed(two))
        sensor = builders.workload("sensor", require={"role": "sensor"})
        await desks.post(desk, signed(builders.deployment("s", workloads=(sensor,))))
        await desks.post(desk, signed(builders.deployment("x"), builders.STRANGER))
        assert "deployment/web" in told(desk, "accepted")
        assert told(desk, "assigned") == ["n1"]
        assert told(desk, "unplaced") == ["s/sensor.1"]
        assert told(desk, "refused") == ["deployment"]
        assert desk.backlog.counters == {"deployment: not-authorised": 1}


async def test_a_revocation_opens_the_way_to_the_door(folder: Path) -> None:
    """The broker's side closes the connection."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        await desks.post(desk, signed(builders.revocation(devices=(N1.id,))))
        assert desk.agenda.to_admit.is_set()
        assert desk.agenda.take().is_fleet_due


async def test_beacons_rise_across_restarts(folder: Path) -> None:
    """A device refuses one that does not."""
    async with desks.open_desk(folder) as desk:
        await desk.beacon()  # nobody adopted it yet: it has nothing to say
        await desks.founded(desk)
        await desk.beacon()
    async with desks.open_desk(folder, Clock(NOW + 60)) as again:
        await again.beacon()
        kept = again.state.shelf.get("beacon")
        assert kept is not None
        assert kept.counter == (1, 1, 2)


async def test_a_document_dated_ahead_never_raises_the_floor(folder: Path) -> None:
    """An operator's laptop was a month ahead."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk)
        ahead = builders.deployment(issued_at=NOW + 30 * builders.DAY)
        answer = await desks.post(desk, signed(ahead))
        assert (answer.status, answer.results[0].reason) == (400, "future-dated")
        assert desk.state.ledger.floor <= NOW


async def test_nonsense_is_answered(folder: Path) -> None:
    """With a name, and counted."""
    async with desks.open_desk(folder) as desk:
        answer = await desk.post(b"{}")
        assert (answer.status, answer.results[0].reason) == (400, "malformed")
        assert desk.backlog.counters == {"message: malformed": 1}


async def test_a_damaged_row_is_named_at_the_start(folder: Path) -> None:
    """The rest goes on."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        forged = documents.sign(builders.deployment(), builders.STRANGER)
        row = desks.row(builders.deployment(), forged)
        await desk.archive.commit(Batch(documents=(row,)))
    async with desks.open_desk(folder) as again:
        assert told(again, "damaged") == ["deployment/web"]
        assert again.state.is_adopted


async def test_requests_do_not_mix(folder: Path) -> None:
    """Fifty at once: each is judged on a state that is written."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk)
        devices = [Device(f"n{n}") for n in range(50)]
        posts = (desks.post(desk, signed(builders.member(each))) for each in devices)
        answers = await asyncio.gather(*posts)
        assert {each.status for each in answers} == {200}
        assert len(desk.state.ledger.members) == 50


async def test_a_takeover_is_told_and_lasts_over_a_restart(folder: Path) -> None:
    """The terms devices settled are as good as the hub's own."""
    slot = Slot("web/web.1")
    web = builders.workload(failover="available")
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1, N2)
        for device in (N1, N2):
            desks.report(desk, device)
        await desks.post(desk, signed(builders.deployment(workloads=(web,))))
        assert desk.state.holdings[slot] == Holding(node=NodeName("n1"), term=1)
        took = builders.status(slot, term=2)
        desks.report(desk, N2, 2, replicas=(took,))
        await desks.soon(desk.agenda.to_decide)
        await desk.decide()
        assert told(desk, "takeover") == [slot]
        await desk.flush()
    async with desks.open_desk(folder) as again:
        assert again.state.holdings[slot] == Holding(node=NodeName("n2"), term=2)
        assert again.state.assignments[N1.id].replicas == ()
        (held,) = again.state.assignments[N2.id].replicas
        assert held.term == 2


ANYWHERE = builders.workload(every="*")
SLOTS = ("web/web@n1", "web/web@n2")


async def rolled_out(desk: Desk) -> None:
    """Version 1 runs on n1 and n2, version 2 is signed, and n1 is its canary."""
    await desks.founded(desk, N1, N2)
    for device in (N1, N2):
        desks.report(desk, device)
    await desks.post(desk, signed(builders.deployment(workloads=(ANYWHERE,))))
    for device, slot in zip((N1, N2), SLOTS, strict=True):
        desks.report(desk, device, 2, replicas=(builders.status(slot),))
    newest = builders.deployment(
        version=2, workloads=(ANYWHERE,), rollout=builders.rollout(), fallback=1
    )
    await desks.post(desk, signed(newest))


async def test_a_rollout_is_remembered_with_the_decision_it_belongs_to(
    folder: Path,
) -> None:
    """And goes on after a restart where it was."""
    async with desks.open_desk(folder) as desk:
        await rolled_out(desk)
        assert told(desk, "rollout") == ["web"]
        assert desk.state.decides_at is not None
    async with desks.open_desk(folder) as again:
        assert again.state.rollouts["web"].version == 2
        assert again.state.assignments[N1.id].replicas[0].version == 2
        await again.decide()
        assert told(again, "rollout") == []


async def test_a_proof_opens_the_next_wave_and_goes_along(folder: Path) -> None:
    """The report that says so decides at once, and its device is told to all."""
    async with desks.open_desk(folder) as desk:
        await rolled_out(desk)
        desk.agenda.to_decide.clear()
        status = builders.status(SLOTS[0], 2, proved=True)
        desks.report(desk, N1, 3, replicas=(status,))
        assert desk.agenda.to_decide.is_set()
        desk.agenda.take()
        await desk.decide()
        assert desk.state.assignments[N2.id].replicas[0].version == 2
        assert desk.state.evidence["web"].waves.keys() == {1}
        assert "n2" in desk.agenda.take().nodes


async def test_evidence_is_remembered_with_the_decision_it_was_chosen_for(
    folder: Path,
) -> None:
    """Its device may be drained by the time the hub starts again."""
    async with desks.open_desk(folder) as desk:
        await rolled_out(desk)
        status = builders.status(SLOTS[0], 2, proved=True)
        desks.report(desk, N1, 3, replicas=(status,))
        await desk.decide()
        chosen = desk.state.evidence
        assert chosen["web"].waves[1]
        desks.report(desk, N1, 4)
        await desk.flush()
    async with desks.open_desk(folder) as again:
        assert again.state.evidence == chosen
        await again.decide()
        assert again.state.evidence["web"].waves == chosen["web"].waves


async def test_other_evidence_is_told_to_who_still_needs_it(folder: Path) -> None:
    """Where it was lost others are chosen; whoever has not changed is told again."""
    async with desks.open_desk(folder) as desk:
        await rolled_out(desk)
        status = builders.status(SLOTS[0], 2, proved=True)
        desks.report(desk, N1, 3, replicas=(status,))
        await desk.decide()
        desk.state.evidence.clear()
        desk.agenda.take()
        await desk.decide()
        assert desk.agenda.take().nodes == ("n2",)
