"""What is noted of what we fetch, and what becomes of it."""

import asyncio
from pathlib import Path

import pytest

from edge.errors import RuntimeFailure
from edge.model import MIB
from node.actions import Pull
from node.collection import Collection
from node.images import UNUSED_FOR, Ripe
from node.preflight import Room
from node.stock import FILE, Stock
from tests.node.test_agent import agent, folder
from tests.node.test_staged import SLOT, on_trial
from tests.support import builders as a
from tests.support.fake_runtime import FakeRuntime
from tests.support.replicas import image, image_id

__all__ = ["folder"]
ROOM = Room(disk_free=8192 * MIB, memory_total=1, memory_available=1)
PULL = Pull(image=image(), platform=image().platforms[0], reason="needed")
FIRST = image_id()


def collection(folder: Path, **changes: object) -> Collection:
    """Return a fresh start's."""
    made = Collection(
        agent=agent(folder),
        runtime=FakeRuntime(),
        stock=Stock(folder),
        architecture="amd64",
    )
    made.load()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def runtime(made: Collection) -> FakeRuntime:
    """Return what it asks."""
    assert isinstance(made.runtime, FakeRuntime)
    return made.runtime


def told(made: Collection, kind: str) -> list[str]:
    """Return events of a kind."""
    return [each.text for each in made.agent.journal.events if each.kind == kind]


def test_image_is_ours_when_nobody_brought_it_before(folder: Path) -> None:
    """On disk before it is fetched."""
    made = collection(folder)
    asyncio.run(made.expect(PULL))
    assert collection(folder).stock.images == {FIRST: ("r.example/web",)}
    asyncio.run(made.missed(PULL))
    runtime(made).images.add(FIRST)
    asyncio.run(made.expect(PULL))
    assert collection(folder).stock.images == {}


def test_image_that_came_though_the_pull_failed_is_ours(folder: Path) -> None:
    """Podman was slower than our patience."""
    made = collection(folder)
    asyncio.run(made.expect(PULL))
    runtime(made).images.add(FIRST)
    asyncio.run(made.missed(PULL))
    assert FIRST in made.stock.images


def test_full_disk_keeps_nobody_from_fetching(folder: Path) -> None:
    """The image stays, then."""
    made = collection(folder)
    (folder / FILE).mkdir()
    asyncio.run(made.expect(PULL))
    assert made.stock.images == {}
    assert told(made, "failed")


def test_damaged_file_is_told(folder: Path) -> None:
    """And the daemon starts."""
    (folder / FILE).write_bytes(b"{}")
    assert "images fetched before stay" in told(collection(folder), "damaged")[0]


@pytest.mark.parametrize("is_shared", [False, True])
def test_removed_or_shared_image_is_ours_no_more(folder: Path, is_shared: bool) -> None:
    """Somebody's tag makes it theirs."""
    made = collection(folder)
    made.stock.add(FIRST, "r.example/web")
    if is_shared:
        runtime(made).shared.add(FIRST)
    ripe = Ripe(image=FIRST, reason="not needed for 60 min", idle={FIRST: 0.0})
    asyncio.run(made.remove(ripe, 10.0))
    assert made.stock.images == {}
    assert ("discard", FIRST, ("r.example/web",)) in runtime(made).asked
    assert told(made, "image")[0].startswith("left" if is_shared else "removed")


def test_image_that_could_not_be_removed_waits_anew(folder: Path) -> None:
    """It is in use in a way that we do not see."""
    made = collection(folder)
    made.stock.add(FIRST, "r.example/web")
    runtime(made).sighting = type(runtime(made).sighting)(used=frozenset({FIRST}))
    made.ripe((), (), ROOM, 0.0)
    found = made.ripe((), (), ROOM, UNUSED_FOR)
    assert found.image == FIRST
    with pytest.raises(RuntimeFailure):
        asyncio.run(made.remove(found, UNUSED_FOR))
    assert made.ripe((), (), ROOM, UNUSED_FOR + 1).image == ""
    assert FIRST in made.stock.images


def test_way_back_of_a_device_on_trial_is_not_ripe(folder: Path) -> None:
    """Neither is what its container was made from, or a neighbour's standby."""
    made = collection(folder, agent=on_trial(folder))
    made.stock.add(a.IMAGE_ID, "registry.example:5000/web")
    assert [each.slot for each in made.agent.replicas()] == [SLOT]
    assert made.ripe((), (), ROOM, 0.0).idle == {}
    made.stock.add(FIRST, "r.example/web")
    assert made.ripe((), (FIRST,), ROOM, 0.0).idle == {}
    assert made.ripe((), (), ROOM, 0.0).idle == {FIRST: 0.0}
