"""Failover's hands: feeds `node.failover`, writes what it learned, does what it says.

Order of every turn: look at the mesh and at what runs here, decide, write, and only
then act: who holds what is on disk before a container starts or a grant leaves.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from edge.errors import RuntimeFailure, StoreError, WireError
from edge.model import Neighbour
from edge.names import Slot
from netmesh.view import Roster, View
from node import intents, lease, site_view
from node.agent import Agent
from node.announced import WITHDRAWN, Announced
from node.failover import Failover
from node.guard import Leases
from node.lease import Lease, Voter
from node.leasing import Mail
from node.memory import MEMORY, Memory
from node.papers import Papers
from node.permits import Mail as Letter
from node.processes import started_at
from node.relay import EVERY, Relay
from node.replica import Container
from node.scene import Outcome, Own, Scene
from node.share import Settled
from node.switches import Switches
from node.switching import Seen, Switching
from node.tenure import Owner, Saved, Tenure

Inspect = Callable[[str], Awaitable[tuple[str, Path]]]
"""Container → its full ID and the file that names its first process."""
GUARD_WITHIN = 3.0  # seconds for the guard to begin
LOOK_EVERY = 5.0
"""Seconds between looks when nothing happens: ranks and standbys drift slowly."""
AGAIN_AFTER = 1.0
"""Seconds until a disk or a folder that refused is tried again."""
MAIL_MAX = 256
"""Messages kept while a disk refuses, the newest: neighbours ask again."""
RENEWED_BY = 0.2
"""Seconds a deadline must move for the guard to be told again."""


class Mesh(Protocol):
    """What of `netmesh.mesh` is used here."""

    @property
    def view(self) -> View:
        """Return the newest picture of the site."""

    def set_roster(self, roster: Roster) -> None:
        """Say who belongs to the site."""

    def announce(self, key: str, body: bytes) -> None:
        """Tell everybody, and keep telling newcomers."""

    def withdraw(self, key: str) -> None:
        """End what was announced."""

    def tell(self, device: str, body: bytes) -> None:
        """Send one message, best effort."""

    def leave(self) -> None:
        """Tell everybody that we go."""


class Running(Protocol):
    """What of `node.work` is used here."""

    @property
    def containers(self) -> tuple[Container, ...]:
        """Return what was seen last."""

    def is_busy(self, slot: str) -> bool:
        """Return whether a chain of this slot is in flight."""

    def is_healthy(self, slot: str) -> bool:
        """Return what was reported of it last."""

    def is_prepared(self, slot: str) -> bool:
        """Return whether image and secrets are here."""

    def serves(self, slot: str) -> int:
        """Return the version in which the slot is healthy, 0 for none."""

    def is_ready(self, slot: str, version: int) -> bool:
        """Return whether the version a slot changes to could be started at once."""


@dataclass(slots=True, kw_only=True)
class Site:
    """This device's part in its site; ``clock`` is CLOCK_BOOTTIME."""

    agent: Agent
    mesh: Mesh
    leases: Leases
    memory: Memory
    port: int
    clock: Callable[[], float]
    bell: Callable[[], None]
    """Rung when what should run here has changed."""
    told: Callable[[], None]
    """Rung when the hub should hear how the neighbours are."""
    learned: Callable[[], None]
    """Rung when people beside this device should see who holds what: not the hub,
    which hears it from whoever does."""
    running: Running | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    relay_every: float = EVERY
    """Seconds between reports that only pass on signs of life."""
    is_leaving: bool = False
    outcome: Outcome = field(default_factory=Outcome)
    papers: Papers = field(init=False)
    failover: Failover = field(init=False)
    switching: Switching = field(init=False)
    _letters: deque[Letter] = field(default_factory=lambda: deque(maxlen=MAIL_MAX))
    _relay: Relay = field(init=False)
    _decided: tuple[object, ...] = ()
    _inbox: deque[tuple[str, bytes]] = field(
        default_factory=lambda: deque(maxlen=MAIL_MAX)
    )
    _roster: Roster = field(default_factory=Roster)
    _announced: Announced = field(default_factory=Announced)
    _states: dict[str, str] = field(default_factory=dict)
    _owners: dict[Slot, Owner] = field(default_factory=dict)
    _guarded: dict[Slot, tuple[Path, str, float]] = field(default_factory=dict)
    """Slot → pidfile, container, deadline the guard was told last."""

    def __post_init__(self) -> None:
        """Take up what disk and memory kept."""
        now = self.clock()
        self.papers = Papers(ledger=self.agent.ledger, port=self.port)
        saved = self._read()
        voter = Voter(
            me=self.agent.device.identity.device,
            longest=saved.longest,
            terms=dict(saved.promised),
        )
        self.failover = Failover(
            me=voter.me,
            started_at=now,
            voter=voter,
            tenure=Tenure(owners=dict(saved.owners)),
        )
        name = self.agent.device.name
        self.switching = Switching(
            agent=self.agent,
            mesh=self.mesh,
            switches=Switches(me=voter.me, name=name, started_at=now),
        )
        self._relay = Relay(me=voter.me, every=self.relay_every)
        if not self._restore_promises():
            voter.abstain(now)
        self._restore_leases()
        self.agent.site = self

    async def work(self) -> None:
        """Take turns until cancelled."""
        while True:
            self.woken.clear()
            wake_at = self.turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wake_at - self.clock())):
                    await self.woken.wait()

    def take_mail(self, device: str, body: bytes) -> None:
        """Take a neighbour's message; answered in the next turn."""
        self._inbox.append((device, body))
        self.woken.set()

    def turn(self) -> float:
        """Look, decide, write, act; return when to come back at the latest."""
        now = self.clock()
        self._meet()
        mail = self._read_mail(now)
        view = self.mesh.view
        self._tell_states(view)
        if self._relay.is_due(view, now):
            self.told()
        known = self.failover.tenure.copy()
        outcome = self.failover.step(self._scene(view), now)
        if not self._remember():
            # What was decided and never done must not come back, terms higher, when
            # the disk has room: somebody else has done it by then.
            self.failover.tenure = known
            return now + AGAIN_AFTER
        before, self.outcome = self._decided, outcome
        self._decided = (self.settled, self.waits, self.lapsed, self.standby)
        for each in outcome.told:
            self.agent.tell(each.kind, each.subject, each.text)
        if self.failover.tenure.owners != self._owners:
            self._owners = dict(self.failover.tenure.owners)
            self.learned()
        if self._decided != before:
            self.agent.decide()
            self.bell()
            self.told()
        self._send([*mail, *outcome.messages])
        self._announce(view, outcome)
        letters = [*self._letters]
        self._letters.clear()
        switch_at = self._switch(letters, view)
        try:
            self._renew(outcome)
        except StoreError as error:
            # What the guard was told before still holds: it ends the copy in time.
            self.agent.tell("failed", "leases", str(error))
            return now + AGAIN_AFTER
        times = (outcome.wake_at, switch_at, now + LOOK_EVERY)
        return min(each for each in times if each is not None)

    def want(self, wants: Mapping[Slot, int]) -> None:
        """Hear which copies would be stopped now, and for which version: all of them.

        `may_switch` says of each when it may; then it must be done, or wanted no more.
        """
        if self.switching.want(wants):
            self.woken.set()

    def may_switch(self, slot: Slot, version: int) -> str:
        """Return why a copy must run on for now, "" when it may be stopped.

        ``version`` is what replaces it. Whenever the answer changes to "", the agent
        decides anew.
        """
        return self.switching.may_switch(slot, version)

    async def admit(self, slot: Slot, container: str, inspect: Inspect) -> None:
        """Let a container start; a ``strict`` one only under lease and guard.

        Raises `RuntimeFailure` when it may not.
        """
        if not self.is_strict(slot):
            return
        self._lease_of(slot)
        self.leases.ensure(self.clock())
        identity, pidfile = await inspect(container)
        if not await self._is_guarded():
            raise RuntimeFailure(f"cannot start {slot}: no guard is at work here")
        held = self._lease_of(slot)  # it may have ended while we waited
        self.leases.write(slot, held.kill_at, pidfile, identity)
        self._guarded[slot] = (pidfile, identity, held.kill_at)

    def is_strict(self, slot: Slot) -> bool:
        """Return whether a slot may only run under a lease."""
        movable = self.papers.one(slot)
        return movable is not None and movable.workload.failover == "strict"

    def _lease_of(self, slot: Slot) -> Lease:
        held = self.failover.leasing.held(self.clock()).get(slot)
        if held is None:
            raise RuntimeFailure(f"cannot start {slot}: its lease is over")
        return held

    async def _is_guarded(self) -> bool:
        """Return whether the guard is at work, given a moment to begin."""
        until = self.clock() + GUARD_WITHIN
        while not self.leases.is_guarded(self.clock()):
            if self.clock() >= until:
                return False
            await asyncio.sleep(0.05)
        return True

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Return how this device sees the others, for its report."""
        return site_view.neighbours(self.mesh.view)

    def shown(self) -> dict[str, Any]:
        """Return what people ask a device about its site, when no hub can be asked."""
        view, now = self.mesh.view, self.clock()
        names = {each.device: each.name for each in view.peers.values()}
        names[self.failover.me] = self.agent.device.name
        owners = self.failover.tenure.owners
        return {
            "leaving": self.is_leaving,
            "handed_over": self.has_handed_over,
            "peers": site_view.peers(view, now),
            "slots": site_view.slots(owners, self.outcome, names, now),
            "switches": dict(sorted(self.switching.waits.items())),
        }

    def leave(self) -> None:
        """Hand over what can be handed over, and say goodbye."""
        self.is_leaving = True
        self.mesh.leave()
        self.woken.set()

    @property
    def settled(self) -> Settled:
        """Return whose the slots that move are."""
        owners = self.failover.tenure.owners.items()
        strangers = {"", self.failover.me}
        return Settled(
            ours={str(slot): term for slot, term in self.outcome.places.items()},
            versions={str(slot): each for slot, each in self.outcome.versions.items()},
            others=frozenset(
                slot for slot, each in owners if each.device not in strangers
            ),
        )

    @property
    def waits(self) -> Mapping[str, str]:
        """Return what must not be started yet, and why."""
        return {str(slot): why for slot, why in self.outcome.waits.items()}

    @property
    def lapsed(self) -> frozenset[str]:
        """Return what must not run a moment longer."""
        return frozenset(self.outcome.lapsed)

    @property
    def standby(self) -> tuple[str, ...]:
        """Return slots of others whose images should be here."""
        return self.outcome.standby

    def give_up(self, slot: str) -> None:
        """Hear that an operator's word took a slot of ours away."""
        self.failover.give_up(Slot(slot))
        places = {**self.outcome.places}
        places.pop(Slot(slot), None)
        self.outcome = replace(self.outcome, places=places)
        self.woken.set()

    @property
    def has_handed_over(self) -> bool:
        """Return whether nothing that could move runs here any more."""
        if not self.is_leaving or self.outcome.places:
            return False
        known = self.failover.tenure.owners
        return not any(self._own(slot).is_running for slot in known)

    def _scene(self, view: View) -> Scene:
        agent, papers = self.agent, self.papers
        offered, standing = agent.offered(), agent.standing()
        slots = {*papers.planned, *offered, *self.failover.tenure.owners}
        movable = papers.movable(slots)
        return Scene(
            view=view,
            movable=movable,
            nodes=papers.nodes,
            listed=papers.listed,
            planned=papers.planned,
            versions=papers.versions,
            has_plan=papers.has_plan,
            offered={slot: term for slot, term in offered.items() if slot in movable},
            own={slot: self._own(slot) for slot in movable},
            voters=agent.ledger.voters.get(standing.site),
            can_take=standing.is_ready
            and not standing.is_revoked
            and standing.scheduling == "active",
            is_leaving=self.is_leaving or standing.scheduling == "drained",
        )

    def _own(self, slot: Slot) -> Own:
        work = self.running
        if work is None:
            return Own()
        here = [each for each in work.containers if each.slot == slot]
        alive = [each for each in here if each.is_running]
        starts = (started_at(each.pid) for each in alive)
        since = min((each for each in starts if each is not None), default=None)
        return Own(
            is_running=bool(alive) or work.is_busy(slot),
            is_healthy=work.is_healthy(slot),
            running_for=max(0.0, self.clock() - since) if since is not None else 0.0,
            is_prepared=work.is_prepared(slot),
            version=self.agent.version(slot),
        )

    def _meet(self) -> None:
        """Tell the mesh who belongs here, when that changed."""
        self.papers.read()
        roster = self.papers.roster
        if roster is not self._roster and roster != self._roster:
            self.mesh.set_roster(roster)
        self._roster = roster

    def _tell_states(self, view: View) -> None:
        for device, peer in sorted(view.peers.items()):
            before = self._states.get(device, "unknown")
            if peer.state in {"suspect", before}:  # most suspicions pass unseen
                continue
            self._states[device] = peer.state
            self.agent.tell(peer.state, peer.name, peer.reason)
            self.told()

    def _read_mail(self, now: float) -> list[Mail]:
        answers: list[Mail] = []
        while self._inbox:
            device, body = self._inbox.popleft()
            message, letter = lease.decode(body), intents.decode_message(body)
            if message is not None:
                answers += self.failover.receive(device, message, now)
            elif letter is not None:
                self._letters.append((device, letter))
        return answers

    def _send(self, mail: Iterable[Mail]) -> None:
        for device, message in mail:
            self.mesh.tell(device, lease.encode(message))

    def _announce(self, view: View, outcome: Outcome) -> None:
        """Say what we hold when it changes, and anew to whoever came back."""
        for slot, body in self._announced.news(view, outcome.claims).items():
            if body == WITHDRAWN:
                self.mesh.withdraw(slot)
            else:
                self.mesh.announce(slot, body)

    def _switch(self, letters: list[Letter], view: View) -> float | None:
        """Ask the neighbours for what we want to stop; return when to come back."""
        owners = {s: each.device for s, each in self.failover.tenure.owners.items()}
        seen = Seen(view=view, papers=self.papers, owners=owners, running=self.running)
        turned = self.switching.turn(seen, letters, self.clock())
        if turned.is_granted:
            self.agent.decide()
            self.bell()
        if turned.is_news:
            self.told()
        return turned.wake_at

    def _renew(self, outcome: Outcome) -> None:
        """Tell the guard of renewed leases; what is gone is guarded no more."""
        for slot, (pidfile, container, deadline) in sorted(self._guarded.items()):
            held = outcome.leases.get(slot)
            if held is None:
                if slot not in outcome.places and not self._own(slot).is_running:
                    self.leases.remove(slot)
                    del self._guarded[slot]
                continue
            if held.kill_at >= deadline + RENEWED_BY:
                self.leases.write(slot, held.kill_at, pidfile, container)
                self._guarded[slot] = (pidfile, container, held.kill_at)
        if self._guarded:
            self.leases.ensure(self.clock())

    def _read(self) -> Saved:
        try:
            return self.memory.read()
        except (StoreError, WireError) as error:
            # Terms come back with the plan and the neighbours' claims.
            self.agent.tell("damaged", MEMORY, str(error))
            return Saved()

    def _remember(self) -> bool:
        """Write what was learned and promised; return whether it is safe.

        If not, nothing may be done or said that counts on it.
        """
        try:
            self.memory.write(self.failover.saved)
            self.memory.keep(dict(self.failover.voter.promises))
        except StoreError as error:
            self.agent.tell("failed", "store", str(error))
            return False
        return True

    def _restore_promises(self) -> bool:
        """Return whether this is the same boot, with all promises known."""
        kept = self.memory.promises()
        if kept is None:
            return False
        self.failover.voter.promises.update(kept)
        return True

    def _restore_leases(self) -> None:
        """Take up leases whose containers run on, as the guard was told of them."""
        found: list[Lease] = []
        lengths: dict[Slot, float] = {}
        for slot, each in self.leases.read_all().items():
            movable = self.papers.one(slot)
            owner = self.failover.tenure.owners.get(slot)
            if movable is None or owner is None or owner.device != self.failover.me:
                continue
            until = each.deadline + lease.MARGIN
            found.append(Lease(slot=slot, term=owner.term, until=until))
            lengths[slot] = movable.workload.lease
            self._guarded[slot] = (each.pidfile, each.container, each.deadline)
        self.failover.leasing.restore(found, lengths)
