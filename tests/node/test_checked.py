"""Small files that know whether they are whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import StoreError
from node import checked


@pytest.mark.parametrize("content", [b"", b"{}", bytes(1000)])
def test_what_was_written_is_read(tmp_path, content):
    """Content comes back without what was added to it."""
    checked.write(tmp_path / "file", content)
    assert checked.read(tmp_path / "file", at_most=1000) == content


def test_no_file_is_none(tmp_path):
    """A first start."""
    assert checked.read(tmp_path / "file", at_most=10) is None


@given(st.integers(min_value=0), st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(tmp_path_factory, place, bit):
    """In the content, or in the digest of it."""
    path = tmp_path_factory.mktemp("checked") / "file"
    checked.write(path, b'{"floor":1795420230.2,"counter":[3]}')
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        checked.read(path, at_most=100)


@pytest.mark.parametrize("left", [0, 1, 72, 80])
def test_half_a_file_is_damaged(tmp_path, left):
    """Whatever is left of it."""
    checked.write(tmp_path / "file", b"0123456789")
    data = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(data[:left])
    with pytest.raises(StoreError):
        checked.read(tmp_path / "file", at_most=10)
