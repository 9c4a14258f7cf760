"""The database from asyncio: one thread does all of it, in the order it was asked.

One thread is enough (a commit takes 2 ms) and keeps SQLite's one writer one. A batch
that was begun is finished even if who waits for it is cancelled.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from hub.records import Batch, Event
from hub.state import Disk
from hub.store import Store

Answer = TypeVar("Answer")


class Archive:
    """An open `hub.store.Store` and its thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._store.close()

    async def commit(self, batch: Batch) -> None:
        """Write a batch durably; raise `StoreError` if none of it was written."""
        if batch:
            await self._ask(lambda: self._store.commit(batch))

    async def read(self) -> Disk:
        """Return everything the hub's memory is made from."""
        return await self._ask(lambda: read(self._store))

    async def events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Return events with a larger id, oldest first; with 0, the newest."""
        return await self._ask(lambda: self._store.events(after, limit))

    async def forget_certificates(self, before: float) -> None:
        """Drop certificates that ended before a time."""
        await self._ask(lambda: self._store.forget_certificates(before))

    async def _ask(self, question: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, question))


def read(store: Store) -> Disk:
    """Return everything the hub's memory is made from."""
    return Disk(
        meta=store.meta(),
        documents=store.documents(),
        reports=store.reports(),
        holdings=store.holdings(),
        certificates=store.certificates(),
        rollouts=store.rollouts(),
        evidence=store.evidence(),
    )
