"""A device's keys: made once, read back, never guessed after damage."""

import pytest

from edge.errors import StoreError
from node import identity
from tests.support.builders import seed


def test_keys_are_read_back(tmp_path):
    """The second start is the same device."""
    made = identity.create(tmp_path / "keys.json", lambda _: seed("x"))
    again = identity.load(tmp_path / "keys.json")
    assert again is not None
    assert (again.device, again.public) == (made.device, made.public)


def test_keys_are_private(tmp_path):
    """Nobody else reads them."""
    identity.create(tmp_path / "keys.json", lambda _: seed("x"))
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_identity(tmp_path):
    """A blank device has none yet."""
    assert identity.load(tmp_path / "keys.json") is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"sign":"!"}'])
def test_damaged_keys_are_an_error(tmp_path, content):
    """Another identity would be another device."""
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        identity.load(tmp_path / "keys.json")
