"""Images are removed from a real Podman when nobody needs them, and never by force."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.errors import RuntimeFailure
from edge.model import MIB, Image, PlatformImage
from node import facts, perform
from node.actions import Pull
from node.collection import Collection
from node.images import UNUSED_FOR
from node.preflight import Room
from node.stock import Stock
from tests.node.test_agent import agent, folder
from tests.support.podman_device import SLEEP, Device, replica, words

__all__ = ["folder"]
Push = Callable[[str], Image]
ROOM = Room(disk_free=8192 * MIB, memory_total=1, memory_available=1)


@pytest.fixture(scope="module")
def push(box) -> Push:
    """Return a way to put a new image into the registry, and only there."""
    registry = box.start_registry()

    def pushed(name: str) -> Image:
        image_id = box.make_image(
            f"localhost/{name}:1", "CMD " + words(SLEEP), f"ENV NAME={name}"
        )
        digest_file = box.folder / f"{name}.digest"
        target = f"{registry}/{name}:1"
        box.podman("push", "-q", f"--digestfile={digest_file}", image_id, target)
        box.podman("rmi", "--force", image_id)
        digest = digest_file.read_text().strip()
        platform = PlatformImage(
            architecture=facts.architecture(), manifest=digest, image_id=image_id
        )
        return Image(
            reference=f"{registry}/{name}", digest=digest, platforms=(platform,)
        )

    return pushed


async def pulled(device: Device, image: Image) -> str:
    """Fetch an image as the daemon does; return its ID."""
    pull = Pull(image=image, platform=image.platforms[0], reason="x")
    assert not await device.runtime.has_image(pull.platform.image_id)
    await perform.perform(pull, device.runtime, device.vault, {})
    assert await device.runtime.has_image(pull.platform.image_id)
    return pull.platform.image_id


async def test_an_image_that_only_we_know_goes(device, push):
    """And is seen to be gone; removing it once more is fine."""
    image = push("alone")
    image_id = await pulled(device, image)
    assert (await device.look(replica(image))).images == {image_id}
    assert await device.runtime.discard(image_id, {image.reference})
    assert not await device.runtime.has_image(image_id)
    assert (await device.look(replica(image))).images == frozenset()
    assert await device.runtime.discard(image_id, {image.reference})


async def test_an_image_is_fetched_again_after_it_went(device, push):
    """A version that comes back runs."""
    image = push("again")
    image_id = await pulled(device, image)
    assert await device.runtime.discard(image_id, {image.reference})
    assert (await device.running(replica(image))).image_id == image_id


async def test_an_image_that_came_by_two_of_our_names_goes(device, push):
    """One copy of it in two repositories."""
    image = push("twin")
    image_id = await pulled(device, image)
    box, other = device.box, f"{image.reference}-copy"
    digest_file = box.folder / "twin-copy.digest"
    box.podman("push", "-q", f"--digestfile={digest_file}", image_id, f"{other}:1")
    copy = msgspec.structs.replace(
        image, reference=other, digest=digest_file.read_text().strip()
    )
    box.podman("pull", "-q", copy.pinned)
    assert not await device.runtime.discard(image_id, {image.reference})
    assert await device.runtime.has_image(image_id)
    assert await device.runtime.discard(image_id, {image.reference, other})
    assert not await device.runtime.has_image(image_id)


async def test_an_image_that_somebody_named_stays(device, push):
    """By a tag, or by fetching it from elsewhere: it is theirs now."""
    image = push("tagged")
    image_id = await pulled(device, image)
    device.box.podman("tag", image_id, "localhost/mine:1")
    for repositories in ({image.reference}, {image.reference, "localhost/mine"}):
        assert not await device.runtime.discard(image_id, repositories)
    assert await device.runtime.has_image(image_id)
    assert "localhost/mine" in device.box.podman("images")


async def test_an_image_that_a_container_uses_stays(device, push):
    """Ours or foreign, running or not; it is seen with the first look."""
    image = push("used")
    image_id = await pulled(device, image)
    device.box.podman("create", "--name=theirs", image_id, *SLEEP)
    seen = await device.look()
    assert (seen.foreign, image_id in seen.used) == (1, True)
    with pytest.raises(RuntimeFailure, match="in use"):
        await device.runtime.discard(image_id, {image.reference})
    assert await device.runtime.has_image(image_id)
    device.box.podman("rm", "theirs")
    assert await device.runtime.discard(image_id, {image.reference})


async def test_what_was_built_on_ours_works_on(device, push):
    """Layers that others use are theirs as well."""
    image = push("base")
    image_id = await pulled(device, image)
    box = device.box
    box.podman("create", "--name=builder", image_id, *SLEEP)
    box.podman("commit", "-q", "builder", "localhost/child:1")
    box.podman("rm", "builder")
    await device.runtime.discard(image_id, {image.reference})
    assert "hello" in box.podman(
        "run", "--rm", "localhost/child:1", "cat", "/www/index.html"
    )


async def test_what_the_daemon_fetched_goes_an_hour_after_its_last_need(
    device, push, folder
):
    """Noted before it was fetched, by an earlier start; needed for a while."""
    image, brought = push("ours"), push("brought")
    device.box.podman("pull", "-q", brought.pinned)
    first = collection(device, folder)
    for each in (image, brought):
        pull = Pull(image=each, platform=each.platforms[0], reason="x")
        await first.expect(pull)
        await perform.perform(pull, device.runtime, device.vault, {})
    container = await device.running(replica(image))
    second = collection(device, folder)
    for now in (0.0, 2 * UNUSED_FOR):
        used = (await device.look()).used
        assert second.ripe((), used, ROOM, now).image == ""
    await device.runtime.remove(container.id)
    used = (await device.look()).used
    assert second.ripe((), used, ROOM, 3 * UNUSED_FOR).image == ""
    ripe = second.ripe((), used, ROOM, 4 * UNUSED_FOR)
    await second.remove(ripe, 4 * UNUSED_FOR)
    assert not await device.runtime.has_image(image.platforms[0].image_id)
    assert await device.runtime.has_image(brought.platforms[0].image_id)
    assert collection(device, folder).stock.images == {}


def collection(device: Device, folder: Path) -> Collection:
    """Return what a start of the daemon knows of its images."""
    made = Collection(
        agent=agent(folder),
        runtime=device.runtime,
        stock=Stock(folder),
        architecture=facts.architecture(),
    )
    made.load()
    return made
