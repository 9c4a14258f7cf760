"""mDNS among devices: where a neighbour is that nobody else could tell us.

A hint, never proof: what is found are addresses to try; the seal decides who is there.

- Both sides look. While a device misses somebody it asks and answers, in a process of
  its own; while it misses nobody there is no such process, no zeroconf, no open port
  5353. That is enough, because missing is mutual: a newcomer misses everybody, and
  everybody misses the newcomer.
- Whoever stays away is looked for now and then. The first look is longer than anybody
  pauses, so the look of a newcomer meets one of each other device.
- What `netmesh.lookout` prints is checked like what a stranger says.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from netmesh import discovery, lookout
from netmesh.view import Address, View

FIRST_FOR = 330.0  # seconds of the first look for somebody; longer than any cycle
LOOK_FOR, PAUSE = 20.0, (180.0, 300.0)  # seconds of a later look, and between two
MISSING_AFTER = 2.0  # seconds: known addresses have their turn first
LOOK_EVERY = 1.0  # seconds between looks at the view
AGAIN_AFTER = 10.0  # seconds until a process that ended by itself is started again
END_WITHIN = 2.0  # seconds for it to say goodbye
LINES_MAX = 10_000  # of one look; a process that prints more is not ours any more
LINE_MAX = 128  # bytes
PORT_MAX = 65535


@dataclass(slots=True, kw_only=True)
class Schedule:
    """When to look; ``now`` is CLOCK_BOOTTIME."""

    rng: Random
    missing: frozenset[str] = frozenset()
    _until: float = float("-inf")
    _again: float = float("inf")

    def is_due(self, missing: frozenset[str], now: float) -> bool:
        """Return whether to look now, for these."""
        if missing - self.missing:
            self._look(now + FIRST_FOR)
        elif now >= self._again:
            self._look(now + LOOK_FOR)
        self.missing = missing
        return bool(missing) and now < self._until

    def _look(self, until: float) -> None:
        self._until = until
        self._again = until + self.rng.uniform(*PAUSE)


def missing(view: View) -> frozenset[str]:
    """Return whom known addresses did not find; who said goodbye is not missing."""
    return frozenset(
        each.device
        for each in view.peers.values()
        if each.state in {"unknown", "dead"} and view.at - each.since >= MISSING_AFTER
    )


def read(line: bytes) -> tuple[str, Address] | None:
    """Return device and address of one printed line; None for anything else."""
    words = line.decode("ascii", "replace").split()
    if len(words) != 3 or not words[2].isdigit():  # noqa: PLR2004 - device address port
        return None
    device, address, port = words[0], words[1], int(words[2][:6])
    is_sound = lookout.is_usable(address) and 0 < port <= PORT_MAX
    return (device, (address, port)) if is_sound else None


@dataclass(slots=True, kw_only=True)
class Peers:
    """The daemon's side: starts the process, and hands on what it prints."""

    fleet: str
    device: str
    port: int
    view: Callable[[], View]
    hint: Callable[[str, Address], None]
    schedule: Schedule

    async def run(self) -> None:
        """Look whenever it is due, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._is_due():
                await self._look()
                await asyncio.sleep(AGAIN_AFTER if self._is_due() else 0)

    def _is_due(self) -> bool:
        view = self.view()
        return self.schedule.is_due(missing(view), view.at)

    async def _look(self) -> None:
        try:
            asking = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "netmesh.lookout"),
                *(self.fleet, self.device, str(self.port)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=LINE_MAX,
                env={**os.environ, "PYTHONPATH": discovery.import_path()},
            )
        except OSError:  # no memory, no processes left: another time
            return
        try:
            await self._converse(asking)
        finally:
            await _end(asking)

    async def _converse(self, asking: asyncio.subprocess.Process) -> None:
        """Say who is missing, hear where they may be, until nobody is."""
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(self._hear(asking))
            said: frozenset[str] = frozenset()
            while self._is_due() and not hearing.done():
                if said != self.schedule.missing and asking.stdin is not None:
                    said = self.schedule.missing
                    asking.stdin.write(f"{' '.join(sorted(said))}\n".encode())
                await asyncio.sleep(LOOK_EVERY)
            hearing.cancel()

    async def _hear(self, asking: asyncio.subprocess.Process) -> None:
        with suppress(ValueError, OSError):  # a line too long, a broken pipe
            for _ in range(LINES_MAX):
                line = await asking.stdout.readline() if asking.stdout else b""
                if not line:
                    return
                found = read(line)
                if found is not None and found[0] in self.schedule.missing:
                    self.hint(*found)


async def _end(asking: asyncio.subprocess.Process) -> None:
    """Let it say goodbye; make it go if it does not."""
    if asking.stdin is not None:
        asking.stdin.close()
    try:
        async with asyncio.timeout(END_WITHIN):
            await asking.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        with suppress(ProcessLookupError):
            asking.kill()
        await asking.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
