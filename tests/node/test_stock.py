"""Which images we fetched: on disk before, capped, and nothing where it is damaged."""

from pathlib import Path

import pytest

from edge.errors import StoreError
from node import checked
from node.stock import FILE, IMAGES_MAX, NAMES_MAX, Stock
from tests.support.replicas import image_id

FIRST = image_id(1)
WEB = "r.example/web"


def loaded(folder: Path) -> Stock:
    """What the next start knows."""
    stock = Stock(folder)
    stock.load()
    return stock


def test_what_is_noted_is_known_to_the_next_start(tmp_path: Path) -> None:
    """Under all names it was fetched by, until it is dropped."""
    stock = loaded(tmp_path)
    assert stock.images == {}
    stock.add(FIRST, WEB)
    stock.add(FIRST, "other.example/web")
    assert loaded(tmp_path).images == {FIRST: (WEB, "other.example/web")}
    stock.drop(FIRST)
    stock.drop(FIRST)
    assert loaded(tmp_path).images == {}


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    """Flash wears out."""
    stock = loaded(tmp_path)
    stock.add(FIRST, WEB)
    (tmp_path / FILE).unlink()
    stock.add(FIRST, WEB)
    stock.drop(image_id(2))
    assert not (tmp_path / FILE).exists()


def test_no_more_is_noted_than_fits(tmp_path: Path) -> None:
    """What is beyond it stays on the device: others may own it as well."""
    stock = loaded(tmp_path)
    for number in range(IMAGES_MAX + 1):
        stock.add(image_id(number), WEB)
    for number in range(NAMES_MAX + 1):
        stock.add(FIRST, f"r{number}.example/web")
    assert len(stock.images) == IMAGES_MAX
    assert len(loaded(tmp_path).images[FIRST]) == NAMES_MAX


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"sha256:1": []}', b"\xff"])
def test_file_that_makes_no_sense_is_told_and_nothing_is_ours(
    tmp_path: Path, content: bytes
) -> None:
    """Images stay: the safe side."""
    checked.write(tmp_path / FILE, content)
    stock = Stock(tmp_path)
    with pytest.raises(StoreError, match=r"images\.json"):
        stock.load()
    assert stock.images == {}
    stock.add(FIRST, WEB)
    assert loaded(tmp_path).images == {FIRST: (WEB,)}


def test_file_with_a_bit_flipped_is_damaged(tmp_path: Path) -> None:
    """Another image would be taken for ours."""
    loaded(tmp_path).add(FIRST, WEB)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(StoreError, match="damaged"):
        Stock(tmp_path).load()


def test_disk_that_refuses_changes_nothing(tmp_path: Path) -> None:
    """What is not on disk does not count."""
    stock = loaded(tmp_path)
    stock.add(FIRST, WEB)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()  # a rename over it fails
    with pytest.raises(StoreError):
        stock.add(image_id(2), WEB)
    with pytest.raises(StoreError):
        stock.drop(FIRST)
    assert stock.images == {FIRST: (WEB,)}
