"""What failover must not forget: terms over reboots, promises over restarts.

Owners and terms are on disk. Promises are on a tmpfs: after a reboot they are gone, and
the voter abstains.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge.errors import StoreError
from node import checked, tenure
from node.lease import Promise
from node.tenure import Saved

MEMORY = "failover.json"
PROMISES = "promises.json"
PROMISES_MAX = 1024 * 1024  # bytes


class Memory:
    """Two small files; what did not change is not written again."""

    def __init__(self, disk: Path, run: Path) -> None:
        """Keep terms in ``disk``, promises in ``run``."""
        self._disk = disk
        self._run = run
        self._saved = b""
        self._promises: Mapping[str, Promise] = {}

    def read(self) -> Saved:
        """Return what was saved, nothing before the first time.

        Raises `StoreError` or `WireError` when the file is damaged.
        """
        content = self._load()
        return tenure.decode(content) if content else Saved()

    def write(self, saved: Saved) -> None:
        """Save it durably; raise `StoreError` when the disk refuses."""
        content = tenure.encode(saved)
        if content != self._saved:
            self._store(content)
            self._saved = content

    def promises(self) -> Mapping[str, Promise] | None:
        """Return all promises of this boot, None when nobody knows them any more."""
        try:
            content = (self._run / PROMISES).read_bytes()[:PROMISES_MAX]
            kept = msgspec.json.decode(
                content, type=dict[str, tuple[str, int, float, int]]
            )
        except (OSError, msgspec.MsgspecError):
            return None
        return {
            slot: Promise(device=device, term=term, until=until, round=number)
            for slot, (device, term, until, number) in kept.items()
        }

    def keep(self, promises: Mapping[str, Promise]) -> None:
        """Keep promises; raise `StoreError` when the folder refuses.

        Nothing is written as long as nothing was promised: a start that finds no file
        abstains.
        """
        if promises == self._promises:
            return
        try:
            self._keep(promises)
        except OSError as error:
            raise StoreError(f"cannot keep what was promised: {error}") from error
        self._promises = dict(promises)

    def _load(self) -> bytes | None:
        return checked.read(self._disk / MEMORY, at_most=tenure.MEMORY_MAX)

    def _store(self, content: bytes) -> None:
        checked.write(self._disk / MEMORY, content)

    def _keep(self, promises: Mapping[str, Promise]) -> None:
        content = msgspec.json.encode(
            {
                slot: (each.device, each.term, each.until, each.round)
                for slot, each in promises.items()
            }
        )
        path = self._run / PROMISES
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)  # no fsync: it means nothing after a reboot
