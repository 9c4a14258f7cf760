"""Key files: what is private in them, and who gets it back."""

import stat

import msgspec
import pytest

from edge import sealing
from edge.ctl import keys
from edge.errors import ConfigError, StoreError

PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def locked():
    """A locked operator key; making one costs 0.6 s by design."""
    return keys.make("operator", "anna", PASSPHRASE)


def written(path, key):
    """Return the file a key was written to."""
    keys.write(path / "operator.key", key)
    return path / "operator.key"


def test_a_locked_key_opens_with_its_passphrase(locked):
    """The seeds inside make the public keys outside."""
    found = keys.from_seeds("anna", keys.seeds(locked, PASSPHRASE))
    assert (found.public, found.seal) == (locked.public, locked.seal)


def test_a_wrong_passphrase_opens_nothing(locked):
    """And the message does not say how wrong it was."""
    with pytest.raises(ConfigError, match="wrong passphrase, or the file is damaged"):
        keys.seeds(locked, "correct hors")


def test_a_changed_file_opens_nothing(locked):
    """The box is authenticated."""
    other = "B" if locked.body[0] == "A" else "A"
    bent = msgspec.structs.replace(locked, body=other + locked.body[1:])
    with pytest.raises(ConfigError, match="cannot unlock"):
        keys.seeds(bent, PASSPHRASE)


def test_a_file_with_another_public_key_is_refused(locked):
    """The agent and root would be asked about the wrong key."""
    other = sealing.SigningKey(b"x" * 32).public
    with pytest.raises(ConfigError, match="damaged"):
        keys.seeds(msgspec.structs.replace(locked, public=other), PASSPHRASE)


def test_no_private_byte_is_in_a_locked_file(locked):
    """Whoever copies the file has to guess the passphrase."""
    body = keys.seeds(locked, PASSPHRASE)
    content = msgspec.json.encode(locked)
    assert sealing.to_text(body[:32])[:20].encode() not in content


def test_a_plain_key_needs_no_passphrase(tmp_path):
    """`--no-passphrase`, for labs and machines without people."""
    path = written(tmp_path, keys.make("operator", "anna", None))
    assert keys.unlock(path)[0].name == "anna"


def test_the_passphrase_may_come_from_a_file(monkeypatch, tmp_path, locked):
    """For scripts; the trailing newline of an editor does not count."""
    (tmp_path / "phrase").write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("EDGE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert keys.unlock(written(tmp_path, locked))[0].public == locked.public


def test_a_short_passphrase_is_refused(monkeypatch, tmp_path):
    """Guessing eight characters takes longer than anyone has."""
    (tmp_path / "phrase").write_text("seven77")
    monkeypatch.setenv("EDGE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    with pytest.raises(ConfigError, match="7 characters: at least 8"):
        keys.new_passphrase("the key")


def test_a_passphrase_file_that_is_not_there_is_said(monkeypatch, tmp_path, locked):
    """An empty passphrase must not be tried instead."""
    monkeypatch.setenv("EDGE_PASSPHRASE_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="there is no"):
        keys.unlock(written(tmp_path, locked))


def test_a_key_file_is_for_its_owner_alone(tmp_path):
    """0600 when written, and refused when somebody made it wider."""
    path = written(tmp_path, keys.make("operator", "anna", None))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others on this machine may read it"):
        keys.read(path)


def test_the_root_key_is_not_an_operator(tmp_path):
    """It never gets near the agent."""
    path = written(tmp_path, keys.make("root", "shop", None))
    with pytest.raises(ConfigError, match="it is the root key, not operator"):
        keys.unlock(path)
    assert keys.root(path).public == keys.read(path).public


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"kind":"operator","name":"a","memory":9e99}', b"[" * 99]
)
def test_a_damaged_key_file_is_said_to_be(tmp_path, content):
    """A bent file must not ask for all the memory there is."""
    path = tmp_path / "operator.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="restore it from its backup"):
        keys.read(path)


def test_a_key_that_is_not_there_is_said(tmp_path):
    """Operators work on several machines."""
    with pytest.raises(ConfigError, match="there is no key at"):
        keys.read(tmp_path / "operator.key")
