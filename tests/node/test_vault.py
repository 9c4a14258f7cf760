"""Opened secrets on a real tmpfs: who may read them, and that nothing is left."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge.errors import ConfigError, RuntimeFailure
from node.owner import Owner
from node.vault import CAPACITY, Vault

MEMORY = "/dev/shm"  # a tmpfs on every Linux; elsewhere opening fails, as it should
TOKEN = "/run/secrets/token"
OWNER = Owner(os.getuid(), os.getgid())


@pytest.fixture
def vault() -> Iterator[Vault]:
    """An open vault in memory."""
    with TemporaryDirectory(prefix="tutti-vault-", dir=MEMORY) as folder:
        vault = Vault(Path(folder) / "secrets")
        vault.open()
        yield vault


def files_of(vault: Vault) -> dict[str, bytes]:
    """Return every file below the root, by its path from there."""
    found = (path for path in vault.root.rglob("*") if path.is_file())
    return {str(path.relative_to(vault.root)): path.read_bytes() for path in found}


def test_a_folder_on_a_disk_is_refused(tmp_path):
    """Secrets never reach one; mounting needs a privilege this test may lack."""
    vault = Vault(tmp_path / "secrets")
    if os.getuid() == 0:
        vault.open()
        assert os.path.ismount(vault.root)
        os.system(f"umount {vault.root}")  # noqa: S605 - a path of ours
    with pytest.raises(ConfigError, match="not in memory"):
        vault.fill("c", {TOKEN: b"x"}, OWNER, "p")


def test_a_secret_is_readable_by_its_owner_only(vault):
    """Mode 0400, in folders that can be passed."""
    vault.fill("c", {TOKEN: b"x"}, OWNER, "p")
    status = (vault.root / "c/run_secrets/token").stat()
    assert stat.S_IMODE(status.st_mode) == 0o400
    assert (status.st_uid, status.st_gid) == OWNER
    assert stat.S_IMODE((vault.root / "c").stat().st_mode) == 0o711


def test_a_strict_umask_does_not_lock_containers_out(vault):
    """The unit sets 0077; folders must stay passable."""
    before = os.umask(0o077)
    try:
        vault.prepare("c", ["/run/secrets/db/x", "/run/secrets/y"])
        vault.fill("c", {"/run/secrets/db/x": b"", "/run/secrets/y": b""}, OWNER, "p")
    finally:
        os.umask(before)
    folder = vault.root / "c/run_secrets/db"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_prepared_folders_hold_nothing_yet(vault):
    """The container is made before its user is known."""
    vault.prepare("c", [TOKEN])
    assert vault.provided() == {"c": ""}
    assert files_of(vault) == {}


def test_what_is_provided_is_told_by_its_digest(vault):
    """Also to the next start of the daemon."""
    vault.fill("c", {TOKEN: b"x"}, OWNER, "p")
    assert Vault(vault.root).provided() == {"c": "p"}


def test_a_new_value_replaces_the_old_and_drops_what_is_gone(vault):
    """The folder stays the same one: it is mounted."""
    vault.fill("c", {TOKEN: b"x", "/run/secrets/old": b"o"}, OWNER, "p")
    before = (vault.root / "c/run_secrets").stat().st_ino
    vault.fill("c", {TOKEN: b"y"}, OWNER, "q")
    assert files_of(vault) == {"c/run_secrets/token": b"y", "c/_digest": b"q"}
    assert (vault.root / "c/run_secrets").stat().st_ino == before


def test_half_a_write_of_an_earlier_run_is_no_obstacle(vault):
    """The daemon may be killed anywhere."""
    vault.fill("c", {TOKEN: b"x"}, OWNER, "p")
    (vault.root / "c/run_secrets/.token.new").write_bytes(b"hal")
    vault.fill("c", {TOKEN: b"y"}, OWNER, "q")
    assert files_of(vault) == {"c/run_secrets/token": b"y", "c/_digest": b"q"}


def test_a_broken_fill_is_not_told_as_provided(vault):
    """The digest goes first and comes last."""
    vault.fill("c", {TOKEN: b"x"}, OWNER, "p")
    with pytest.raises(RuntimeFailure):
        vault.fill("c", {TOKEN: b"y" * (CAPACITY + 1)}, OWNER, "q")
    (vault.root / "c/run_secrets/.token.new").mkdir()
    with pytest.raises(RuntimeFailure):
        vault.fill("c", {TOKEN: b"y"}, OWNER, "q")
    assert vault.provided() == {"c": ""}


def test_all_secrets_together_have_a_limit(vault):
    """One workload's must not push the others out."""
    vault.fill("a", {TOKEN: b"x" * (CAPACITY - 10)}, OWNER, "p")
    with pytest.raises(RuntimeFailure, match="larger than"):
        vault.fill("b", {TOKEN: b"x" * 20}, OWNER, "p")
    assert vault.provided().keys() == {"a"} | {"b"} & vault.provided().keys()


def test_a_wipe_leaves_nothing(vault):
    """And is fine where nothing is."""
    vault.fill("c", {TOKEN: b"x"}, OWNER, "p")
    vault.wipe("c")
    vault.wipe("c")
    assert list(vault.root.iterdir()) == []


def test_two_folders_of_one_container_are_two_places(vault):
    """Each is mounted by itself."""
    vault.fill("c", {"/a/b/x": b"1", "/a_b/x": b"2"}, OWNER, "p")
    assert {
        name: content
        for name, content in files_of(vault).items()
        if "_digest" not in name
    } == {"c/a_b/x": b"1", "c/a__b/x": b"2"}
