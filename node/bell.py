"""Rung by whoever thinks that something may have changed; the work answers it."""

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bell:
    """One flag with two strengths: plan again, or look at the containers first."""

    wants_look: bool = True
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """Ask for a fresh look: containers or documents may have changed."""
        self.wants_look = True
        self._event.set()

    def plan(self) -> None:
        """Ask for a new plan on what was seen last: a probe has spoken."""
        self._event.set()

    async def wait(self, within: float) -> None:
        """Return when rung; after ``within`` seconds of silence, want a look."""
        try:
            async with asyncio.timeout(max(0.0, within)):
                await self._event.wait()
        except TimeoutError:
            self.wants_look = True

    def answer(self) -> None:
        """Begin a turn: what is rung from here on is for the next one."""
        self._event.clear()
