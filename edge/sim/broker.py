"""The broker: a lossy cache of retained messages, and everyone's connection to it.

A connection is TCP: what is under way while the wire is cut comes when it is healed, or
is lost with the connection once somebody noticed. The broker then says the last will.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from edge.sim.kernel import Kernel
from edge.sim.network import BROKER, Network

NOTICED_AFTER = (4.0, 22.0)
"""Seconds until a silent connection is given up: keep-alive is 15 s."""
TRY_EVERY = 1.0
"""Seconds between looks at the wire."""
TOPIC_MAX = 200
Receive = Callable[[str, bytes, bool], None]
"""Topic, payload, whether it was retained."""


@dataclass(slots=True, kw_only=True)
class Session:
    """One client: a device, or the hub."""

    place: str
    topics: tuple[str, ...]
    receive: Receive
    changed: Callable[[bool], None]
    """Called when the connection begins or ends, as the client sees it."""
    will: tuple[str, bytes] | None = None
    is_up: bool = False
    gone_at: float | None = None
    """When the silence will be noticed; None while the wire is whole."""
    stuck: list[Callable[[], None]] = field(default_factory=list)
    """What waits for the wire to be whole again."""
    last_at: float = 0.0
    epoch: int = 0


@dataclass(slots=True, kw_only=True)
class Broker:
    """Retained messages by topic, and who is connected."""

    kernel: Kernel
    network: Network
    rng: Random
    retained: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    is_up: bool = True

    def join(self, session: Session) -> None:
        """Let a client try to connect until it `leave`s."""
        self.sessions[session.place] = session
        epoch = session.epoch

        def look() -> None:
            if session.epoch == epoch:
                self._look(session)
                self.kernel.after(TRY_EVERY, look)

        self.kernel.after(0.05 + self.rng.random() * TRY_EVERY, look)

    def leave(self, session: Session, *, is_clean: bool) -> None:
        """End a client's part: it stopped, or its machine lost power."""
        session.epoch += 1
        if session.is_up and not is_clean and self.is_up:
            after = self.rng.uniform(*NOTICED_AFTER)
            epoch = session.epoch
            self.kernel.after(after, lambda: self._say_will(session, epoch))
        session.is_up = False
        session.stuck.clear()

    def publish(
        self, session: Session, topic: str, payload: bytes, *, retain: bool
    ) -> bool:
        """Send a message; return False when there is no connection."""
        if not session.is_up:
            return False
        self._carry(session, lambda: self._arrived(topic, payload, retain=retain))
        return True

    def reconnect(self, session: Session) -> None:
        """Let a client connect anew, so that it is told everything again."""
        self._end(session)

    def wipe(self) -> None:
        """Lose the database, and start anew."""
        self.retained.clear()
        self.drop()

    def stop(self) -> None:
        """End the broker's process."""
        self.is_up = False
        self.drop()

    def drop(self) -> None:
        """End every connection."""
        for _, each in sorted(self.sessions.items()):
            self._end(each)

    def _look(self, session: Session) -> None:
        is_whole = self.is_up and self.network.is_joined(session.place, BROKER)
        now = self.kernel.now
        if not session.is_up:
            if is_whole and self.rng.random() >= self.network.weather.loss:
                self._begin(session)
        elif is_whole:
            session.gone_at = None
            waiting, session.stuck = session.stuck, []
            for each in waiting:
                self._carry(session, each)
        elif session.gone_at is None:
            session.gone_at = now + self.rng.uniform(*NOTICED_AFTER)
        elif now >= session.gone_at:
            self._end(session)
            self._say_will(session, session.epoch)

    def _begin(self, session: Session) -> None:
        session.is_up, session.gone_at = True, None
        session.changed(True)  # noqa: FBT003 - a word of the protocol
        for topic, payload in sorted(self.retained.items()):
            if _wants(session, topic):
                self._deliver(session, topic, payload, is_retained=True)

    def _end(self, session: Session) -> None:
        if session.is_up:
            session.is_up, session.gone_at = False, None
            session.stuck.clear()
            session.changed(False)  # noqa: FBT003 - a word of the protocol

    def _say_will(self, session: Session, epoch: int) -> None:
        is_back = session.is_up or session.epoch != epoch
        if self.is_up and session.will is not None and not is_back:
            self._arrived(*session.will, retain=True)

    def _arrived(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if not self.is_up:
            return
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        for _, each in sorted(self.sessions.items()):
            if each.is_up and _wants(each, topic):
                self._deliver(each, topic, payload, is_retained=False)

    def _deliver(
        self, session: Session, topic: str, payload: bytes, *, is_retained: bool
    ) -> None:
        def take() -> None:
            session.receive(topic, payload, is_retained)

        self._carry(session, take)

    def _carry(self, session: Session, arrive: Callable[[], None]) -> None:
        """Bring something over a client's wire, in order, late if need be."""
        takes = self.network.segment(session.place, BROKER)
        if takes is None:
            session.stuck.append(arrive)
            return
        epoch = session.epoch
        session.last_at = max(self.kernel.now + takes, session.last_at + 1e-6)

        def arrived() -> None:
            if session.is_up and session.epoch == epoch:
                arrive()

        self.kernel.at(session.last_at, arrived)


def _wants(session: Session, topic: str) -> bool:
    for each in session.topics:
        if each == topic:
            return True
        head, plus, tail = each.partition("+")
        if plus and topic.startswith(head):
            rest = topic[len(head) :].partition("/")[2]
            if tail == f"/{rest}" or (tail == "/#" and rest):
                return True
        if each.endswith("/#") and not plus and topic.startswith(each[:-1]):
            return True
    return False
