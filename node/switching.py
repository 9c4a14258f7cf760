"""Hands of `node.switches`: what it should see, and what it says, over the mesh.

Whatever is granted counts as down for the neighbours from then on, before it is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.names import Slot
from netmesh.view import View
from node import intents
from node.agent import Agent
from node.papers import Papers
from node.permits import Mail
from node.switches import Around, Copy, Switches

PREPARING = "waiting for its image and secrets"


class Mesh(Protocol):
    """What of `netmesh.mesh` is used here."""

    def announce(self, key: str, body: bytes) -> None:
        """Tell everybody, and keep telling newcomers."""

    def withdraw(self, key: str) -> None:
        """End what was announced."""

    def tell(self, device: str, body: bytes) -> None:
        """Send one message, best effort."""


class Running(Protocol):
    """What of `node.work` is used here."""

    def serves(self, slot: str) -> int:
        """Return the version in which the slot is healthy, 0 for none."""

    def is_ready(self, slot: str, version: int) -> bool:
        """Return whether the version a slot changes to could be started at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the site knows at the moment of a turn."""

    view: View
    papers: Papers
    owners: Mapping[Slot, str]
    running: Running | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What came of a turn."""

    is_granted: bool = False
    """Whether a copy may be stopped now that might not before."""
    is_news: bool = False
    """Whether what we wait for is something else now."""
    wake_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Switching:
    """This device's wishes to stop copies, prepared before anybody is asked."""

    agent: Agent
    mesh: Mesh
    switches: Switches
    _wants: Mapping[Slot, int] = field(default_factory=dict)
    _running: Running | None = None

    def want(self, wants: Mapping[Slot, int]) -> bool:
        """Hear which copies would be stopped now, all of them; return if it is news."""
        is_news = dict(wants) != self._wants
        self._wants = dict(wants)
        return is_news

    def may_switch(self, slot: Slot, version: int) -> str:
        """Return why a copy must run on for now, "" when it may be stopped."""
        if not self._is_ready(slot, version):
            return PREPARING
        return self.switches.may_switch(slot, version)

    @property
    def waits(self) -> dict[Slot, str]:
        """Return what each copy that would be stopped waits for."""
        places = self.agent.places
        found = {
            slot: self.may_switch(slot, version)
            for slot, version in self._wants.items()
            if slot in places and places[slot].version != version
        }
        return {slot: why for slot, why in found.items() if why}

    def turn(self, seen: Seen, letters: list[Mail], now: float) -> Turned:
        """Ask the neighbours for what we want to stop, and answer them."""
        self._running = seen.running
        before, waited = self.switches.outcome, self.waits
        self.switches.want(
            {s: v for s, v in self._wants.items() if self._is_ready(s, v)}
        )
        outcome = self.switches.step(self._around(seen), letters, now)
        for key in sorted(before.intents.keys() - outcome.intents.keys()):
            self.mesh.withdraw(key)
        for key, body in sorted(outcome.intents.items()):
            if before.intents.get(key) != body:
                self.mesh.announce(key, body)
        for device, letter in outcome.messages:
            self.mesh.tell(device, intents.encode_message(letter))
        return Turned(
            is_granted=bool(outcome.granted.items() - before.granted.items()),
            is_news=self.waits != waited,
            wake_at=outcome.wake_at,
        )

    def _is_ready(self, slot: Slot, version: int) -> bool:
        return self._running is None or self._running.is_ready(slot, version)

    def _around(self, seen: Seen) -> Around:
        deployments = self.agent.ledger.deployments
        places = self.agent.places
        return Around(
            copies={Slot(slot): self._copy(slot, seen) for slot in places},
            roster=seen.papers.roster,
            view=seen.view,
            owners=seen.owners,
            rollouts={name: each.rollout for name, each in deployments.items()},
        )

    def _copy(self, slot: str, seen: Seen) -> Copy:
        place = self.agent.places[slot]
        return Copy(
            deployment=place.deployment,
            version=place.version,
            serves=seen.running.serves(slot) if seen.running else 0,
            can_move=seen.papers.one(slot) is not None,
        )
