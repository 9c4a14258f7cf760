"""The payload is the same whoever builds, and holds nothing nobody asked for."""

from pathlib import Path

import pytest

from edge.image import payload as payloads
from edge.image.parts import Wishes

OURS = Path(__file__).parents[3] / "firmware-images"


def test_an_epoch_that_is_set_counts(monkeypatch):
    """As reproducible-builds.org defines the variable."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    assert payloads.epoch_of(OURS / "common") == 1234567890


def test_without_history_the_epoch_is_fixed(tmp_path, monkeypatch):
    """An unpacked archive builds the same twice as well."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert payloads.epoch_of(tmp_path) == payloads.FALLBACK_EPOCH


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """Return a payload with what only SSH needs."""
    (tmp_path / "etc" / "ssh" / "sshd_config.d").mkdir(parents=True)
    units = tmp_path / payloads.UNITS
    units.mkdir(parents=True)
    (units / "tutti-ssh-keys.service").touch()
    return tmp_path


def test_without_a_key_nothing_of_ssh_is_there(payload):
    """No server, no settings of one."""
    payloads.fulfil(payload, Wishes())
    assert not (payload / "etc" / "ssh").exists()
    assert not (payload / payloads.UNITS / "tutti-ssh-keys.service").exists()


def test_a_key_is_where_the_server_looks(payload):
    """`AuthorizedKeysFile` of the tree."""
    payloads.fulfil(payload, Wishes(ssh_key="ssh-ed25519 AAAA me"))
    tree = OURS / "common" / "tree" / "etc" / "ssh" / "sshd_config.d" / "tutti.conf"
    assert "/etc/tutti/authorized_keys" in tree.read_text()
    keys = payload / "etc" / "tutti" / "authorized_keys"
    assert keys.read_text() == "ssh-ed25519 AAAA me\n"


def test_the_payload_is_the_same_whoever_builds(tmp_path):
    """Modes and times of a clone depend on umask and clock."""
    (tmp_path / "sub").mkdir(mode=0o700)
    (tmp_path / "sub" / "script").write_text("")
    (tmp_path / "sub" / "script").chmod(0o700)
    (tmp_path / "text").write_text("")
    (tmp_path / "text").chmod(0o600)
    payloads.level(tmp_path, 1000)
    seen = {
        p.name: (p.stat().st_mode & 0o777, p.stat().st_mtime)
        for p in tmp_path.rglob("*")
    }
    assert seen == {
        "sub": (0o755, 1000),
        "script": (0o755, 1000),
        "text": (0o644, 1000),
    }
