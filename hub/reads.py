"""What the API answers to a question, as bytes with an identity.

An answer that did not change has the same ETag; whoever asks with ``wait`` is answered
when it does. Looking again costs a fold of the fleet, so a follower of a large one
looks at most a quarter of the time, however often devices report.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from hub.agenda import Changes
from hub.limits import WAIT_MAX

LOOK_EVERY = 5.0
"""Seconds after which a poll looks again unasked: silence changes states too."""
REST = 3.0
"""Times as long as a look took, until the next."""
TAG_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An answer and its ETag."""

    body: bytes
    tag: str


def reading(value: object) -> Reading:
    """Return a value as JSON, with the identity of its bytes."""
    body = msgspec.json.encode(value)
    digest = hashlib.sha256(body).hexdigest()
    return Reading(body=body, tag=f'"{digest[:TAG_DIGITS]}"')


@dataclass(slots=True, kw_only=True)
class Poll:
    """Waits for answers to change; `close` ends every wait."""

    changes: Changes
    is_closing: bool = field(default=False)

    async def answer(
        self, look: Callable[[], object], known: str, wait: float
    ) -> Reading:
        """Return what ``look`` says now, or once it is not ``known`` any more.

        Waits ``wait`` seconds at most. Whatever ``look`` raises passes through.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + min(wait, WAIT_MAX)
        while True:
            latest, began = self.changes.latest(), loop.time()
            found = reading(look())
            took = loop.time() - began
            if found.tag != known or not await self.rest(latest, ends_at):
                return found
            await asyncio.sleep(min(took * REST, LOOK_EVERY))

    async def rest(self, latest: asyncio.Event, ends_at: float) -> bool:
        """Wait for a change; return whether there is time for another look.

        ``ends_at`` is by the loop's clock.
        """
        left = ends_at - asyncio.get_running_loop().time()
        if left <= 0 or self.is_closing:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, LOOK_EVERY)):
                await latest.wait()
        return True

    def close(self) -> None:
        """Answer everyone who waits."""
        self.is_closing = True
        self.changes.notify()
