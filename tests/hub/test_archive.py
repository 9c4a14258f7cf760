from pathlib import Path

import pytest

from edge.errors import StoreError
from hub.archive import Archive
from hub.records import Batch, Event
from hub.store import Store


async def test_what_was_committed_is_read(tmp_path: Path) -> None:
    """In one thread, in the order it was asked."""
    async with Archive(Store(tmp_path / "hub.db")) as archive:
        event = Event(at=1.0, kind="k", subject="s", text="t")
        await archive.commit(Batch(meta={"a": "b"}, events=(event,)))
        await archive.forget_certificates(1.0)
        assert (await archive.read()).meta == {"a": "b"}
        assert [each.text for each in await archive.events(0, 5)] == ["t"]


async def test_a_batch_that_fails_says_so(tmp_path: Path) -> None:
    """As our own error."""
    async with Archive(Store(tmp_path / "hub.db")) as archive:
        with pytest.raises(StoreError):
            await archive.commit(Batch(meta={"a": None}))


async def test_an_empty_batch_costs_nothing(tmp_path: Path) -> None:
    """Nothing is written for nothing."""
    store = Store(tmp_path / "hub.db")
    async with Archive(store) as archive:
        store.path.unlink()
        await archive.commit(Batch())
