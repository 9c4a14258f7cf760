from pathlib import Path

import pytest

from edge.errors import StoreError
from node.lease import Promise
from node.memory import MEMORY, PROMISES, Memory
from node.tenure import Owner, Saved

PROMISE = Promise(device="d-2", term=3, until=90.0, round=7)
SAVED = Saved(owners={"web/web.1": Owner(device="d-1", term=2)}, longest=8.0)


def test_what_is_written_is_read_by_the_next_start(tmp_path: Path) -> None:
    """Terms from the disk, promises from the folder that a reboot clears."""
    before = Memory(tmp_path, tmp_path)
    before.write(SAVED)
    before.keep({"web/web.1": PROMISE})
    after = Memory(tmp_path, tmp_path)
    assert after.read() == SAVED
    assert after.promises() == {"web/web.1": PROMISE}


def test_nothing_is_written_before_there_is_something(tmp_path: Path) -> None:
    """A start that finds no promises abstains; an empty file would say it need not."""
    memory = Memory(tmp_path, tmp_path)
    memory.keep({})
    assert memory.promises() is None
    assert memory.read() == Saved()


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    """Flash wears out."""
    memory = Memory(tmp_path, tmp_path)
    memory.write(SAVED)
    memory.keep({"web/web.1": PROMISE})
    for name in (MEMORY, PROMISES):
        (tmp_path / name).unlink()
    memory.write(SAVED)
    memory.keep({"web/web.1": PROMISE})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    """And it is tried again: nothing counts as kept that is not."""
    memory = Memory(tmp_path, tmp_path / "gone")
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot keep what was promised"):
            memory.keep({"web/web.1": PROMISE})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_damaged_promises_are_unknown_promises(tmp_path: Path, content: bytes) -> None:
    """The voter abstains, as after a reboot."""
    (tmp_path / PROMISES).write_bytes(content)
    assert Memory(tmp_path, tmp_path).promises() is None
