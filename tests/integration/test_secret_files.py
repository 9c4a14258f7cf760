"""Secrets inside real containers: who reads them, and where they are not."""

from pathlib import Path

import pytest

from edge.errors import RuntimeFailure
from edge.model import Image, Workload
from node import container_spec
from node.replica import Replica
from tests.support.podman_box import PodmanBox, run
from tests.support.podman_device import SLEEP, VALUES, signed, words, workload_pid
from tests.support.replicas import a_replica


async def test_secrets_are_readable_by_the_container_user_alone(device, box):
    """0400, owned by the user the image names, from its own /etc/passwd."""
    image = signed(
        box.make_image("localhost/user:1", "USER web", "CMD " + words(SLEEP))
    )
    secrets = {"token": "/run/secrets/token"}
    wanted = with_secrets(image, secrets)
    container = await device.running(wanted)
    path = "/run/secrets/token"
    (shown,) = device.box.podman("exec", container.id, "ls", "-ln", path).splitlines()
    assert shown.split()[:4] == ["-r--------", "1", "1234", "2345"]
    read = device.box.podman("exec", container.id, "cat", path)
    assert read.encode() == VALUES["token"]


def with_secrets(image: Image, secrets: dict[str, str], version: str = "p") -> Replica:
    """Return a replica that has secrets."""
    workload = Workload(name="web", image=image, secrets=secrets, command=SLEEP)
    return a_replica(workload=workload, secrets=version)


async def test_a_new_value_reaches_the_running_container(device, web):
    """What is mounted is the folder; a rename in it is seen inside."""
    secrets = {"token": "/run/secrets/token"}
    before = await device.running(with_secrets(web, secrets))
    await device.settle(with_secrets(web, secrets, "q"), values={"token": b"new"})
    after = await device.one(with_secrets(web, secrets))
    assert device.box.podman("exec", after.id, "cat", secrets["token"]) == "new"
    assert after.life == before.life


async def test_a_container_cannot_write_its_secrets(device, web):
    """Root inside included."""
    container = await device.running(with_secrets(web, {"token": "/run/secrets/token"}))
    script = "rm -f /run/secrets/token || touch /run/secrets/x"
    code = await device.runtime.execute(container.id, ["sh", "-c", script], within=5)
    assert code != 0


async def test_a_value_is_nowhere_but_in_the_vault(device, web):
    """Not in what Podman shows or stores, nor in any process's words."""
    container = await device.running(with_secrets(web, {"token": "/run/secrets/token"}))
    value = VALUES["token"]
    assert value not in device.box.podman("inspect", container.id).encode()
    for pid in (container.pid, workload_pid(container), device.conmon(container)):
        for name in ("environ", "cmdline"):
            assert value not in Path(f"/proc/{pid}/{name}").read_bytes()
    disk = run("grep", "-rlF", value.decode(), *map(str, stored(device.box)), ok=(1,))
    assert disk == ""


def stored(box: PodmanBox) -> list[Path]:
    """Return Podman's own folders; the merged view of a container has the mount."""
    merged = {"overlay"}
    root = [each for each in (box.folder / "root").iterdir() if each.name not in merged]
    layers = list((box.folder / "root/overlay").glob("*/diff"))
    return [*root, *layers, box.folder / "run", box.folder / "tmp"]


async def test_a_wiped_replica_leaves_no_secret(device, web):
    """It goes with the container."""
    await device.settle(with_secrets(web, {"token": "/run/secrets/token"}))
    await device.settle()
    assert list(device.vault.root.iterdir()) == []


async def test_secrets_of_an_unknown_user_are_refused(device, web):
    """Rather than given to somebody."""
    workload = Workload(name="web", image=web, user="nobody-here", command=SLEEP)
    wanted = a_replica(workload=workload)
    await device.runtime.create(wanted)
    with pytest.raises(RuntimeFailure, match="nobody-here"):
        await device.runtime.owner(container_spec.name(wanted))
