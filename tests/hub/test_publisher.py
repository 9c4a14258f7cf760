from pathlib import Path

import pytest

from edge.mqtt import Delivery
from hub.publisher import Publisher
from tests.support import builders, desks
from tests.support.builders import Device, signed
from tests.support.desks import Outlet

N1, N2 = Device("n1"), Device("n2")
ROOT = "edge/v1/shop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new hub's."""
    desks.make(tmp_path)
    return tmp_path


def kinds(outlet: Outlet, topic: str) -> list[str]:
    """The kinds of documents a topic holds."""
    return [type(each).__name__ for each in outlet.held(f"{ROOT}/{topic}")]


async def test_a_deploy_reaches_the_device_that_is_to_run_it(folder: Path) -> None:
    """Deployment first, assignment last; nothing for the other one."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1, N2)
        desks.report(desk, N1)
        outlet = Outlet()
        publisher = Publisher(desk, outlet)
        await desks.post(desk, signed(builders.deployment()))
        await publisher.publish_due()
        assert kinds(outlet, "nodes/n1/desired") == ["Deployment", "Assignment"]
        assert kinds(outlet, "nodes/n2/desired") == []
        assert kinds(outlet, "fleet/trust") == ["Trust"]


async def test_what_is_published_is_not_published_again(folder: Path) -> None:
    """An idle fleet hears nothing."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        outlet = Outlet()
        publisher = Publisher(desk, outlet)
        await desks.post(desk, signed(builders.deployment()))
        await publisher.publish_due()
        outlet.sent.clear()
        desk.agenda.publish("n1", "n2")
        desk.agenda.publish_fleet()
        await publisher.publish_due()
        assert outlet.sent == []


async def test_a_broker_that_lost_everything_is_whole_again(folder: Path) -> None:
    """Every topic, from memory."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        await desks.post(desk, signed(builders.deployment()))
        before, after = Outlet(), Outlet()
        await Publisher(desk, before).publish_due()
        wiped = Publisher(desk, after)
        wiped.start_over()
        await wiped.publish_due()
        held = {topic for topic, payload in before.retained.items() if payload}
        assert {topic: after.retained[topic] for topic in held} == {
            topic: before.retained[topic] for topic in held
        }


async def test_what_could_not_be_sent_is_unknown(folder: Path) -> None:
    """The next connection sends it."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        outlet = Outlet()
        outlet.verdict = Delivery.OFFLINE
        publisher = Publisher(desk, outlet)
        publisher.start_over()
        await publisher.publish_due()
        assert publisher.published == {}
        outlet.verdict = Delivery.ACCEPTED
        publisher.start_over()
        await publisher.publish_due()
        assert kinds(outlet, "fleet/trust") == ["Trust"]


async def test_what_the_broker_refuses_is_told_and_not_tried_in_a_loop(
    folder: Path,
) -> None:
    """Its rules do not change by asking."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        outlet = Outlet()
        outlet.verdict = Delivery.REFUSED
        publisher = Publisher(desk, outlet)
        await publisher.publish_due()
        told = desk.backlog.take().events
        assert f"{ROOT}/fleet/trust" in {
            e.subject for e in told if e.kind == "unpublished"
        }
        outlet.sent.clear()
        desk.agenda.publish_fleet()
        await publisher.publish_due()
        assert outlet.sent == []


async def test_a_revoked_devices_topics_are_cleared(folder: Path) -> None:
    """Also again, after its last will."""
    async with desks.open_desk(folder) as desk:
        await desks.founded(desk, N1)
        desks.report(desk, N1)
        outlet = Outlet()
        publisher = Publisher(desk, outlet)
        await desks.post(desk, signed(builders.deployment()))
        await publisher.publish_due()
        await desks.post(desk, signed(builders.revocation(devices=(N1.id,))))
        await publisher.publish_due()
        leaves = ("desired", "secrets", "plan", "wanted", "report", "status")
        topics = [f"{ROOT}/nodes/n1/{leaf}" for leaf in leaves]
        assert [outlet.retained[topic] for topic in topics] == [b""] * len(topics)
        assert kinds(outlet, "fleet/revocation") == ["Revocation"]
        outlet.sent.clear()
        desk.agenda.publish_again("n1")
        await publisher.publish_due()
        assert set(outlet.sent) == set(topics)
