"""The node's hands on a real Podman: looks, images, probes, and its failures."""

import gc
import time

import msgspec
import pytest

from edge.errors import RuntimeFailure, TrustError, Unreachable
from edge.model import Image, PlatformImage, Volume, Workload
from node import container_spec, facts, perform
from node.actions import Create, Pull
from node.container_spec import Host
from node.podman_runtime import PodmanRuntime
from tests.support.podman_box import IDLE_AFTER
from tests.support.podman_device import (
    SLEEP,
    Device,
    replica,
    signed,
    until,
    words,
)
from tests.support.replicas import a_replica


async def test_a_missing_host_path_fails_before_the_old_one_stops(device, web):
    """What cannot be created must not cost what runs."""
    old = await device.running(replica(web))
    broken = (Volume(source="/no/such/folder", target="/x"),)
    workload = Workload(name="web", image=web, volumes=broken)
    newer = a_replica(version=2, workload=workload)
    with pytest.raises(RuntimeFailure, match="/no/such/folder"):
        await device.settle(newer)
    assert (await device.one(newer)).id == old.id


async def test_a_new_revision_replaces_the_old_one(device, web):
    """Created, switched, removed; the old name is gone."""
    await device.settle(replica(web))
    newer = a_replica(
        version=2, workload=Workload(name="web", image=web, env={"V": "2"})
    )
    assert (await device.running(newer)).name == "tutti-web_web.1_r2"


async def test_foreign_containers_are_counted_and_left_alone(device, web):
    """Also one that borrowed our labels for another fleet."""
    image = web.platforms[0].image_id
    device.box.podman("run", "-d", "--name=theirs", image, *SLEEP)
    label = f"--label={container_spec.FLEET_LABEL}=other"
    device.box.podman("run", "-d", "--name=others", label, image, *SLEEP)
    await device.settle(replica(web))
    await device.settle()
    names = device.box.podman("ps", "--format={{.Names}}").split()
    assert sorted(names) == ["others", "theirs"]
    assert (await device.look()).foreign == 2


async def test_a_look_touches_nothing_that_runs(device, web):
    """A second daemon adopts what the first one started."""
    wanted = replica(web, command=SLEEP)
    first = await device.running(wanted)
    second = Device(device.box)
    assert (await second.plan(wanted)).actions == ()
    assert (await second.one(wanted)).life == first.life


async def test_a_command_probe_runs_inside(device, web):
    """Its exit code comes back."""
    container = await device.running(replica(web, command=SLEEP))
    code = await device.runtime.execute(container.id, ["sh", "-c", "exit 3"], within=5)
    assert code == 3


async def test_the_last_lines_of_both_streams_are_read(device, web):
    """Of a container that ended, too: that is when they are wanted."""
    script = "for i in $(seq 50); do echo line $i; done; echo boom >&2; exit 3"
    wanted = replica(web, command=("sh", "-c", script), failover="strict")
    await device.runtime.create(wanted)
    await device.runtime.start(container_spec.name(wanted))
    while (container := await device.one(wanted)).is_alive:
        time.sleep(0.05)
    log = await device.runtime.log(container.id, lines=3)
    assert set(log.decode().splitlines()) == {"line 49", "line 50", "boom"}


async def test_a_command_that_hangs_is_not_piled_up(device, web):
    """The next probe says so instead of starting another."""
    container = await device.running(replica(web, command=SLEEP))
    with pytest.raises(Unreachable, match="nothing came"):
        await device.runtime.execute(container.id, ["sleep", "60"], within=0.5)
    with pytest.raises(RuntimeFailure, match="has not ended"):
        await device.runtime.execute(container.id, ["true"], within=5)


async def test_the_service_leaves_when_it_is_not_needed(device, web):
    """No connection is kept: idle, the device holds no 40 MB service."""
    await device.settle(replica(web))
    assert device.box.is_serving
    await until(lambda: not device.box.is_serving, IDLE_AFTER + 3)


# podman-py leaves its socket open when nobody answers.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_nobody_at_the_socket_is_a_temporary_failure(tmp_path):
    """With the address and what to check."""
    host = Host(fleet="f", node="n", architecture="amd64", secrets="/x")
    runtime = PodmanRuntime(f"unix://{tmp_path}/podman.sock", host)
    with pytest.raises(Unreachable, match=r"podman\.socket"):
        await runtime.observe(())
    gc.collect()


async def test_a_container_that_is_gone_may_be_stopped_and_removed(device):
    """Somebody else was quicker: that is what was wanted."""
    gone = "f" * 64
    await device.runtime.stop(gone, is_immediate=True)
    await device.runtime.remove(gone)


@pytest.fixture(scope="module")
def pushed(box) -> Image:
    """An image that only the registry has, pinned by what the registry answers."""
    registry = box.start_registry()
    image_id = box.make_image(
        "localhost/pulled:1", "CMD " + words(SLEEP), "ENV P=1"
    ).strip()
    digest_file = box.folder / "digest"
    box.podman(
        "push", "-q", f"--digestfile={digest_file}", image_id, f"{registry}/pulled:1"
    )
    box.podman("rmi", "--force", image_id)
    digest = digest_file.read_text().strip()
    platform = PlatformImage(
        architecture=facts.architecture(), manifest=digest, image_id=image_id
    )
    return Image(reference=f"{registry}/pulled", digest=digest, platforms=(platform,))


async def test_a_pulled_image_is_the_signed_one_and_runs(device, pushed):
    """By its digest; the container is made from its ID."""
    plan = await device.plan(replica(pushed))
    assert [type(action) for action in plan.actions] == [Pull]
    container = await device.running(replica(pushed))
    assert container.image_id == pushed.platforms[0].image_id


async def test_an_image_of_several_architectures_is_pulled_by_its_index(device, pushed):
    """What is pinned is the index; what comes is this machine's, and checked."""
    box, name = device.box, f"{pushed.reference.partition('/')[0]}/list"
    digest_file = box.folder / "index"
    box.podman("manifest", "create", "localhost/list")
    box.podman("manifest", "add", "localhost/list", f"docker://{pushed.pinned}")
    target = f"docker://{name}:1"
    options = ("--all", f"--digestfile={digest_file}")
    box.podman("manifest", "push", *options, "localhost/list", target)
    box.podman("rmi", "--force", "localhost/list")
    index = digest_file.read_text().strip()
    listed = msgspec.structs.replace(pushed, reference=name, digest=index)
    await device.runtime.pull(listed, listed.platforms[0])
    assert index != pushed.platforms[0].manifest
    assert (await device.look(replica(listed))).images == {pushed.platforms[0].image_id}


async def test_an_image_that_differs_is_refused_and_removed(device, pushed):
    """The registry answered with what nobody signed for this machine."""
    device.box.podman("rmi", "--force", pushed.platforms[0].image_id)
    other = msgspec.structs.replace(pushed.platforms[0], image_id="sha256:" + "e" * 64)
    with pytest.raises(TrustError, match="was signed") as caught:
        await device.runtime.pull(pushed, other)
    assert caught.value.reason == "image-differs"
    assert pushed.digest not in device.box.podman("images", "--digests")


async def test_a_registry_that_is_away_is_a_temporary_failure(device, pushed):
    """Podman's answer is 200; its last line tells."""
    away = msgspec.structs.replace(pushed, reference="127.0.0.1:5999/pulled")
    with pytest.raises(RuntimeFailure, match="refused"):
        await device.runtime.pull(away, away.platforms[0])


async def test_an_image_that_vanished_is_noticed(device, web):
    """Somebody pruned: the failed creation makes the next look ask again."""
    wanted = replica(signed(device.box.make_image("localhost/brief:1", "ENV B=1")))
    image_id = wanted.workload.image.digest
    assert image_id in (await device.look(wanted)).images
    device.box.podman("rmi", "--force", image_id)
    with pytest.raises(RuntimeFailure, match="image not known"):
        await device.runtime.create(wanted)
    assert (await device.look(wanted)).images == frozenset()


async def test_the_store_is_where_images_are(device):
    """Disk space is measured there."""
    assert await device.runtime.store() == device.box.folder / "root"


async def test_two_creations_of_one_name_make_one_container(device, web):
    """A request that is made twice does no harm."""
    wanted = replica(web)
    create = Create(replica=wanted, container=container_spec.name(wanted), reason="x")
    await perform.perform(create, device.runtime, device.vault, {})
    with pytest.raises(RuntimeFailure, match="already in use"):
        await perform.perform(create, device.runtime, device.vault, {})
    assert len((await device.look(wanted)).containers) == 1
