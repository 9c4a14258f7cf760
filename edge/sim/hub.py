"""The hub in the simulator: its real ear, decisions and messages, without a database.

What the database would bring back after a restart simply stays; what it would not
(presence, what the broker holds) is forgotten by `restart`.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from edge import envelope, topics
from edge.mqtt import Message
from edge.names import FleetName
from edge.sim import fleet
from edge.sim.broker import Broker, Session
from edge.sim.kernel import Kernel, Line, Trace
from edge.sim.network import HUB
from edge.trust import Ledger
from hub import decision, intake, publication, telling
from hub.agenda import Due
from hub.hearing import Hearing
from hub.publication import Publish
from hub.publisher import wishes
from hub.state import State

DECIDES_AFTER = 0.05
"""Seconds that reports are gathered before places are decided."""


@dataclass(slots=True, kw_only=True)
class Hub:
    """One hub and its connection to the broker."""

    kernel: Kernel
    broker: Broker
    trace: Trace
    state: State = field(init=False)
    session: Session = field(init=False)
    published: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _hearing: Hearing = field(default_factory=lambda: Hearing(counters=Counter()))
    _is_due: bool = False
    _wakes_at: float | None = None

    def __post_init__(self) -> None:
        """Know nothing but the fleet's anchor."""
        ledger = Ledger(fleet=fleet.FLEET, anchor=fleet.anchor(), counts_uses=True)
        self.state = State(hub=fleet.signing("hub").public, ledger=ledger)
        self.session = Session(
            place=HUB,
            topics=topics.for_hub(FleetName(fleet.FLEET)),
            receive=self._receive,
            changed=self._changed,
        )
        self.broker.join(self.session)

    @property
    def now(self) -> float:
        """Return the hub's wall clock."""
        return fleet.EPOCH + self.kernel.now

    def post(self, *envelopes: bytes) -> str:
        """Take in what an operator hands in; return why it was refused, or ""."""
        taken = intake.take(self.state, envelopes, self.now)
        if taken.is_moving or taken.is_joining:
            self.decide()
        self.publish(*self.state.ledger.names)
        return taken.refused.problem if taken.refused else ""

    def restart(self) -> None:
        """Forget what only memory holds."""
        self.state.presence.clear()
        self.state.listens_since = math.inf
        self.published.clear()
        self.broker.reconnect(self.session)
        self._hearing = Hearing(counters=Counter())

    def decide(self) -> None:
        """Decide and sign, as the hub's desk does."""
        made = decision.decide(self.state, self.now)
        key = fleet.signing("hub")
        known = self.state.evidence
        for name, text in (
            *telling.of(self.state.rollouts, made.courses),
            *telling.stranded(known, made.evidence, made.courses),
        ):
            self.trace.add(
                Line(
                    at=self.kernel.now, kind="rollout", node=HUB, text=f"{name} {text}"
                )
            )
        signed = tuple(decision.sign(each, key) for each in made.documents)
        decision.apply(self.state, made, signed)
        self._wake_at(self.state.decides_at)
        self.publish(*self.state.ledger.names)

    def publish(self, *nodes: str) -> None:
        """Let the broker hold what these devices should find."""
        if not self.session.is_up:
            return
        due = Due(nodes=tuple(sorted(nodes)), is_fleet_due=True)
        wanted = wishes(self.state, due, self.now)
        for action in publication.plan(wanted, self.published):
            payload = b""
            if isinstance(action, Publish):
                payload = envelope.bundle(each.envelope for each in action.documents)
            self.broker.publish(self.session, action.topic, payload, retain=True)
            self.published[action.topic] = action.leaves

    def _changed(self, is_up: bool) -> None:
        self.published.clear()
        text = "connected to the broker" if is_up else "lost the broker"
        self.trace.add(Line(at=self.kernel.now, kind="hub", node=HUB, text=text))
        if is_up:
            if math.isinf(self.state.listens_since):
                self.state.listens_since = self.now
                self.kernel.after(DECIDES_AFTER, self.decide)
            self.publish(*self.state.ledger.names)

    def _receive(self, topic: str, payload: bytes, is_retained: bool) -> None:
        message = Message(topic=topic, payload=payload, retain=is_retained)
        effects = self._hearing.receive(self.state, message, self.now)
        if effects.is_deciding and not self._is_due:
            self._is_due = True
            self.kernel.after(DECIDES_AFTER, self._decide_due)
        elif effects.node:
            self.publish(effects.node)

    def _wake_at(self, at: float | None) -> None:
        """Decide at a time, unless another was set by then."""

        def look() -> None:
            if self._wakes_at == at:
                self._wakes_at = None
                self.decide()

        if at is not None and at != self._wakes_at:
            self.kernel.after(max(at - self.now, DECIDES_AFTER), look)
        self._wakes_at = at

    def _decide_due(self) -> None:
        self._is_due = False
        self.decide()
