"""Who may connect to the broker: revoked devices are cut off, dashboards let in.

- The revocation list names every certificate a revoked device still holds. The broker
  takes it without a restart; then whoever is connected under a revoked name is evicted.
- It is made from the database at each start and once a day, so that no crash between a
  revocation and its list leaves a device connected.
- For a broker that is not ours the list is a file to copy there. Until it is there, a
  revoked device that comes back is evicted whenever it says something.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge import files, tls
from edge.dial import Judge
from edge.errors import TrustError, Unreachable
from edge.trust.devices import VIEWER_PREFIX
from hub import authority, mosquitto, registry
from hub.desk import Desk
from hub.mosquitto import Material, Mosquitto
from hub.state import State

RENEWED_EVERY = 24 * 3600.0
AGAIN_AFTER = 1.0
"""Seconds until an eviction that failed is tried again."""
CRL = "crl.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The broker's address as the hub reaches it, and the broker if it is ours."""

    host: str
    port: int
    judge: Judge
    mosquitto: Mosquitto | None = None


def material(desk: Desk, state: State, now: float) -> Material:
    """Return what the hub's own broker shows and whom it refuses."""
    me = desk.identity
    serials = registry.revoked_serials(state.issued, state.ledger, now)
    return Material(
        ca=me.ca_pem,
        certificate=me.server,
        key=me.server_key,
        crl=authority.crl(me.ca, serials, now, number=int(now)),
        viewers=viewers(state, now),
    )


def viewers(state: State, now: float) -> tuple[str, ...]:
    """Return the dashboards that hold a certificate."""
    return tuple(
        subject.removeprefix(VIEWER_PREFIX)
        for subject, issued in sorted(state.issued.items())
        if subject.startswith(VIEWER_PREFIX)
        and any(each.not_after > now for each in issued)
    )


@dataclass(slots=True, kw_only=True)
class Admission:
    """The loop that keeps the door; ``evicted`` are names that were cut off."""

    desk: Desk
    door: Door
    folder: Path
    evicted: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)
    """Names that could not be reached so far; told once."""
    shown: tuple[object, ...] = ()
    """What the broker was told last, and on which day."""

    async def run(self) -> None:
        """Look whenever somebody was revoked or let in, and daily, until cancelled."""
        due = self.desk.agenda.to_admit
        due.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEWED_EVERY):
                    await due.wait()
            due.clear()
            if await self.look():
                due.set()
            await asyncio.sleep(AGAIN_AFTER if due.is_set() else 0)

    async def look(self) -> frozenset[str]:
        """Bring the list up to date and evict; return who could not be reached."""
        intruders, self.desk.agenda.intruders = self.desk.agenda.intruders, set()
        self.evicted -= intruders
        async with self.desk.settled() as state:
            now = self.desk.clock()
            todo = [
                name
                for name in registry.revoked_names(state.ledger)
                if name not in self.evicted
            ]
            serials = registry.revoked_serials(state.issued, state.ledger, now)
            today = int(now // RENEWED_EVERY)
            server = self.desk.identity.server
            key = (serials, viewers(state, now), today, server)
            told = material(self.desk, state, now) if key != self.shown else None
        if told is not None:
            await self._tell(told)
            self.shown = key
        results = await asyncio.gather(*(self._evict(name, now) for name in todo))
        return frozenset(n for n, done in zip(todo, results, strict=True) if not done)

    async def _tell(self, told: Material) -> None:
        files.write(self.folder / CRL, told.crl)
        if self.door.mosquitto is not None:
            await self.door.mosquitto.reload(told)

    async def _evict(self, name: str, now: float) -> bool:
        shown = authority.issue_eviction(self.desk.identity.ca, name, now)
        context = tls.identified_context(
            self.desk.identity.ca_pem, shown.certificate, shown.key
        )
        door = self.door
        try:
            await mosquitto.evict(
                door.host, door.port, name, tls=context, judge=door.judge
            )
        except (Unreachable, TrustError) as error:
            self.desk.backlog.counters["eviction: failed"] += 1
            if name not in self.missed:
                self.missed.add(name)
                self.desk.tell("failed", name, str(error))
            return False
        self.evicted.add(name)
        self.desk.tell("revoked", name, "closed its connection to the broker")
        # Its last will is its last word; nothing of it stays on the broker.
        self.desk.agenda.publish_again(name)
        return True
