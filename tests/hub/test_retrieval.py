import shutil
from pathlib import Path
from typing import Any

import pytest

from edge import documents, envelope
from edge.documents import Document
from edge.model import Held
from edge.mqtt import Message
from hub.desk import Desk
from hub.publisher import Publisher
from hub.recovery import ASK_FOR, CALM_FOR
from tests.support import builders, desks
from tests.support.builders import FLEET, NOW, Device, place, signed
from tests.support.desks import Clock, Outlet

N1, N2 = Device("n1"), Device("n2")
WEB = builders.deployment(workloads=(builders.workload(failover="available"),))
WANTED = f"edge/v1/{FLEET}/nodes/n1/wanted"


def held(document: Document) -> Held:
    """What a device lists of a document."""
    return Held(
        stream=document.stream,
        version=document.counter[-1],
        digest=builders.digest(document),
    )


def own(desk: Desk, document: Document) -> bytes:
    """A document of the hub's own."""
    return documents.sign(document, desk.identity.key)


async def hand_in(desk: Desk, device: Device, *envelopes: bytes) -> None:
    """Let a device hand in documents, as one bundle."""
    topic = f"edge/v1/{FLEET}/nodes/{device.name}/documents"
    payload = envelope.bundle(envelopes)
    await desk.hand_in(Message(topic=topic, payload=payload, retain=False))


def told(desk: Desk) -> list[str]:
    """Kinds of what was told of a restored hub."""
    kinds = {"paused", "resumed", "lost", "doubted"}
    return [each.kind for each in desk.backlog.events if each.kind in kinds]


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A hub of yesterday: n1 and n2 are in, nothing is deployed."""
    desks.make(tmp_path)
    async with desks.open_desk(tmp_path) as desk:
        await desks.founded(desk, N1, N2)
        desks.report(desk, N1)
        desks.report(desk, N2)
        await desk.decide()
        await desk.flush()
    return tmp_path


@pytest.fixture
async def lost(folder: Path, tmp_path_factory: Any) -> tuple[bytes, ...]:
    """What happened since, on a copy: ``web`` was deployed, three times assigned."""
    later = tmp_path_factory.mktemp("later")
    shutil.copytree(folder, later, dirs_exist_ok=True)
    async with desks.open_desk(later) as desk:
        replicas = (place("web/web.1", term=3),)
        given = builders.assignment(N1, seq=9, replicas=replicas)
        return (signed(WEB), own(desk, given))


def listed(lost: tuple[bytes, ...]) -> tuple[Held, ...]:
    """What n1 lists of it."""
    return tuple(held(builders.opened(each)[0]) for each in lost)


async def test_a_hub_that_is_behind_signs_nothing(
    folder: Path, lost: tuple[bytes, ...]
) -> None:
    """It would place anew what runs, and number anew what was numbered."""
    async with desks.open_desk(folder) as desk:
        desks.report(desk, N1, 2, held=listed(lost))
        await desks.post(desk, signed(builders.deployment("other")))
        await desk.decide()
        await desk.beacon()
        assert desk.state.assignments == {}
        assert desk.state.shelf.get("beacon") is None
        assert told(desk) == ["paused"]


async def test_it_asks_who_has_it(folder: Path, lost: tuple[bytes, ...]) -> None:
    """In the order in which it can judge; and takes the question back."""
    async with desks.open_desk(folder) as desk:
        outlet = Outlet()
        publisher = Publisher(desk, outlet)
        desks.report(desk, N1, 2, held=listed(lost))
        await publisher.publish_due()
        question = f'{{"streams":["deployment/web","assignment/{N1.id}"]}}'
        assert outlet.retained[WANTED] == question.encode()
        await hand_in(desk, N1, *lost)
        await publisher.publish_due()
        assert outlet.retained[WANTED] == b""


async def test_what_came_back_counts_and_the_hub_goes_on(
    folder: Path, lost: tuple[bytes, ...]
) -> None:
    """Nothing moves: who had it has it, in its term, and numbers go on."""
    clock = Clock()
    async with desks.open_desk(folder, clock) as desk:
        desks.report(desk, N1, 2, held=listed(lost))
        await hand_in(desk, N1, *lost)
        await desk.decide()
        assert told(desk) == ["paused"]  # n2 may hold more
        clock.now = NOW + CALM_FOR
        await desk.decide()
        assert told(desk) == ["paused", "resumed"]
        assert desk.state.assignments[N1.id].seq == 9
        assert desk.state.holdings["web/web.1"].term == 3
    async with desks.open_desk(folder) as again:
        await again.decide()
        assert again.state.holdings["web/web.1"].node == "n1"
        assert again.state.ledger.deployments["web"] == WEB
        assert N2.id not in again.state.assignments


async def test_one_bad_document_spoils_nothing(
    folder: Path, lost: tuple[bytes, ...]
) -> None:
    """Each is judged for itself; what is refused is not asked for again."""
    clock = Clock()
    async with desks.open_desk(folder, clock) as desk:
        forged = signed(builders.deployment("x", 4), builders.STRANGER)
        both = (*lost, forged)
        desks.report(desk, N1, 2, held=listed(both))
        await hand_in(desk, N1, forged, b"{}", *lost)
        clock.now = NOW + CALM_FOR
        await desk.decide()
        assert told(desk) == ["paused", "resumed"]
        assert desk.backlog.counters["deployment: not-authorised"] == 1
        desks.report(desk, N1, 3, held=listed(both))
        assert told(desk) == ["paused", "resumed"]


async def test_nobody_hands_in_what_was_not_asked_for(
    folder: Path, lost: tuple[bytes, ...]
) -> None:
    """That way is for a restored hub only."""
    async with desks.open_desk(folder) as desk:
        await hand_in(desk, N1, *lost)
        assert desk.state.ledger.deployments == {}
        desks.report(desk, N1, 2, held=listed(lost))
        await hand_in(desk, N2, *lost)
        assert desk.state.ledger.deployments == {}
        assert desk.backlog.counters["documents: not-asked"] == 2


async def test_a_report_is_handed_in_by_nobody(
    folder: Path, lost: tuple[bytes, ...]
) -> None:
    """It counts on its device's own topic."""
    async with desks.open_desk(folder) as desk:
        desks.report(desk, N1, 2, held=listed(lost))
        await hand_in(desk, N1, signed(builders.report(N2, 9, address="10.9.9.9")))
        assert desk.state.heard[N2.id].report.address == ""
        assert desk.state.recovery.is_asking


async def test_the_pause_ends_without_an_answer(
    folder: Path, lost: tuple[bytes, ...]
) -> None:
    """A hub that waits for ever is none."""
    clock = Clock()
    async with desks.open_desk(folder, clock) as desk:
        desks.report(desk, N1, 2, held=listed(lost))
        clock.now = NOW + ASK_FOR
        await desks.post(desk, signed(builders.deployment("other")))
        await desk.decide()
        assert told(desk) == ["paused", "lost", "doubted", "resumed"]
        assert any(each.replicas for each in desk.state.assignments.values())


async def test_a_failed_write_asks_on(folder: Path, lost: tuple[bytes, ...]) -> None:
    """Memory is read anew; the question is not forgotten."""
    async with desks.open_desk(folder) as desk:
        desks.report(desk, N1, 2, held=listed(lost))
        desk._is_stale = True  # noqa: SLF001 - as after a commit that failed
        async with desk.settled() as state:
            assert state.recovery.asked(N1.id)


N3 = Device("n3")


async def test_a_device_that_was_forgotten_is_asked_who_it_is(folder: Path) -> None:
    """It joined after the backup; its report waits, and is heard then."""
    async with desks.open_desk(folder) as desk:
        outlet = Outlet()
        member = builders.member(N3)
        known = (held(builders.voucher()), held(member))
        desks.report(desk, N3, held=known)
        assert told(desk) == ["paused"]
        await Publisher(desk, outlet).publish_due()
        question = f'{{"streams":["voucher/v1","member/{N3.id}"]}}'
        assert outlet.retained[WANTED.replace("n1", "n3")] == question.encode()
        await hand_in(desk, N3, signed(builders.voucher()), signed(member))
        assert desk.state.recovery.wishes == {}
        assert desk.state.heard[N3.id].report.node == "n3"


async def test_a_stranger_that_stays_one_pauses_nothing_for_long(folder: Path) -> None:
    """Its join token was good for yesterday, or it is no device of ours."""
    clock = Clock()
    async with desks.open_desk(folder, clock) as desk:
        desks.report(desk, N3, held=(held(builders.member(N3)),))
        await hand_in(desk, N3, signed(builders.deployment("x"), builders.STRANGER))
        clock.now = NOW + CALM_FOR
        await desk.decide()
        assert told(desk) == ["paused", "doubted", "resumed"]
        desks.report(desk, N3, 2, held=(held(builders.member(N3)),))
        assert not desk.state.recovery.is_asking
        n4 = Device("n4")
        desks.report(desk, n4, held=(held(builders.member(n4)),))
        clock.now += ASK_FOR
        await desk.decide()
        assert told(desk)[3:] == ["paused", "doubted", "resumed"]
