"""Notices that the wall clock was set: what it made us refuse is worth hearing again.

The clock that runs on since boot is the measure. A device that begins in 1970 refuses
nothing for that (`edge.trust` counts from its floor); one that woke in the next century
takes every operator's key for ended until NTP was there.
"""

from dataclasses import dataclass

JUMP = 60.0
"""Seconds the wall clock may drift between two looks before it was *set*."""


@dataclass(slots=True)
class WallClock:
    """One start's view of the wall clock."""

    ahead: float
    """Seconds it is ahead of the clock since boot."""

    def set_by(self, wall: float, since_boot: float) -> float:
        """Return by how many seconds it was set since the last look, 0.0 if it was not.

        ``wall`` in seconds since the epoch, ``since_boot`` as CLOCK_BOOTTIME.
        """
        was, self.ahead = self.ahead, wall - since_boot
        return self.ahead - was if abs(self.ahead - was) > JUMP else 0.0
