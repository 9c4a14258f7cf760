"""Each action reaches the hand that can do it, and secret values only the vault."""

from pathlib import Path

import pytest

from edge.errors import RuntimeFailure
from edge.names import Slot
from node import perform
from node.actions import Create, Provide, Pull, Remove, Start, Stop, Wipe
from node.owner import Owner
from node.vault import Vault
from tests.support.fake_runtime import FakeRuntime
from tests.support.replicas import a_replica, a_workload, image

SLOT = Slot("web/web.1")
SECRET = a_replica(
    workload=a_workload(secrets={"token": "/run/secrets/token"}), secrets="p"
)


class Book(Vault):
    """A vault that writes down what it was given."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.asked: list[tuple[object, ...]] = []

    def prepare(self, container, targets):
        self.asked.append(("prepare", container, tuple(targets)))

    def fill(self, container, files, owner, digest):
        self.asked.append(("fill", container, dict(files), owner, digest))

    def wipe(self, container):
        self.asked.append(("wipe", container))


@pytest.fixture
def runtime() -> FakeRuntime:
    """The one hand."""
    return FakeRuntime()


@pytest.fixture
def vault() -> Book:
    """The other hand."""
    return Book()


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        (
            Pull(image=image(), platform=image().platforms[0], reason=""),
            ("pull", image(), image().platforms[0]),
        ),
        (Start(slot=SLOT, container="c", version=1, reason=""), ("start", "c")),
        (Stop(slot=SLOT, container="c", reason=""), ("stop", "c", False)),
        (Remove(slot=SLOT, container="c", reason=""), ("remove", "c")),
    ],
)
async def test_the_runtime_does_what_is_about_containers(action, asked, runtime, vault):
    """And the vault is not touched."""
    assert await perform.perform(action, runtime, vault, {}) == ()
    assert (runtime.asked, vault.asked) == ([asked], [])


async def test_folders_are_there_before_the_container_is_made(runtime, vault):
    """Podman refuses a mount of nothing; what it warned of is handed on."""
    create = Create(replica=SECRET, container="c", reason="")
    runtime.warnings = ("no memory limit here",)
    said = await perform.perform(create, runtime, vault, {})
    assert vault.asked == [("prepare", "c", ("/run/secrets/token",))]
    assert said == ("no memory limit here",)


async def test_secrets_go_to_the_vault_for_the_containers_user(runtime, vault):
    """By path in the container, with the digest of what they are."""
    provide = Provide(replica=SECRET, container="c", reason="")
    values = {SLOT: {"token": b"x", "other": b"y"}}
    await perform.perform(provide, runtime, vault, values)
    files = {"/run/secrets/token": b"x"}
    assert vault.asked == [("fill", "c", files, Owner(1234, 2345), "p")]


async def test_a_missing_value_fills_nothing(runtime, vault):
    """Half a configuration is worse than none."""
    provide = Provide(replica=SECRET, container="c", reason="")
    with pytest.raises(RuntimeFailure, match="token"):
        await perform.perform(provide, runtime, vault, {})
    assert vault.asked == []


async def test_a_wipe_is_the_vaults(runtime, vault):
    """Podman does not know of secrets."""
    await perform.perform(Wipe(container="c", reason=""), runtime, vault, {})
    assert (runtime.asked, vault.asked) == ([], [("wipe", "c")])
