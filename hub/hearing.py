"""What devices say over MQTT: reports, presence, events.

- A report is judged like every document and must be of the node whose topic it is on.
- Presence and what the broker kept (``retain``) are hints: they never make a device
  newer than it is.
- A report that was overtaken by another start of the same device is an alarm: its key
  is on two machines (`hub.registry`).
- Events are text of a stranger: capped, bounded in rate, control characters replaced.
- Everything refused is counted under ``<leaf>: <reason>``.

A machine: each message changes ``state`` and returns what follows from it.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from edge import legible, topics
from edge.bucket import Rate
from edge.documents import Report
from edge.errors import WireError
from edge.mqtt import Message
from edge.names import FleetName, NodeName
from edge.trust import Accepted, Known, Refused, judge
from hub import beats, messages, recovery, registry, staging, strangers, takeovers
from hub.fleet import Presence
from hub.limits import Buckets
from hub.records import Event
from hub.state import State

EVENT_MAX = 2048  # bytes, docs/protocol.md
STATUS_MAX = 256  # bytes
EVENT_RATE = Rate(burst=200.0, per_second=0.2)
"""A device back from a month offline tells its newest; a broken one fills 7 % of the
hub's list in an hour."""
Shape = TypeVar("Shape")
OVERTAKEN = frozenset({"rolled-back", "conflict"})
STREAMS_NAMED = 5


class _Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["online", "offline"]


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: Annotated[float, Meta(ge=0, le=1e11)]
    kind: Annotated[str, Meta(max_length=64)]
    subject: Annotated[str, Meta(max_length=256)]
    text: Annotated[str, Meta(max_length=EVENT_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What follows from a message."""

    node: str = ""
    """Whose retained messages need another look."""
    reported: str = ""
    """Device id whose report has to be stored."""
    is_deciding: bool = False
    """Whether places may be others now."""
    is_change: bool = False
    """Whether whoever follows a deployment should look."""
    events: tuple[Event, ...] = ()
    intruder: str = ""
    """Name of a revoked device that is still connected."""


NOTHING = Effects()


@dataclass(slots=True, kw_only=True)
class Hearing:
    """The ear at the broker; ``counters`` names what was refused."""

    counters: Counter[str]
    events: Buckets = field(default_factory=lambda: Buckets(rate=EVENT_RATE))
    behind: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Device id → streams it holds newer than the hub, as told last."""
    last: dict[str, dict[str, registry.Counter]] = field(default_factory=dict)
    """Device id → start of its daemon → the newest report of that since we started."""

    def receive(self, state: State, message: Message, now: float) -> Effects:
        """Take in one message at ``now``, seconds since the epoch."""
        parsed = topics.parse_node(FleetName(state.ledger.fleet), message.topic)
        if not message.payload:
            return NOTHING  # a cleared retained topic
        node, leaf = parsed or (NodeName(""), "")
        device = state.ledger.names.get(node, "")
        if not device or state.ledger.is_revoked(device):
            is_new = not device and self._is_forgotten(state, node, leaf, message, now)
            known = self._strange(node, leaf, message, is_revoked=bool(device))
            return Effects(node=node) if is_new else known
        match leaf:
            case "report":
                return self._report(state, node, message, now)
            case "status":
                return self._status(state, device, message, now)
            case "event":
                return self._event(node, message, now)
            case _:
                return self._refuse("message", "wrong-topic")

    def _strange(
        self, node: NodeName, leaf: str, message: Message, *, is_revoked: bool
    ) -> Effects:
        """Count who has nothing to say; notice a revoked device that is still here."""
        self._refuse(leaf, "revoked" if is_revoked else "unknown-device")
        # Its last will, said while it is cut off, is a status: no reason to look again.
        is_here = is_revoked and not message.retain and leaf != "status"
        return Effects(intruder=node) if is_here else NOTHING

    @staticmethod
    def _is_forgotten(
        state: State, node: NodeName, leaf: str, message: Message, now: float
    ) -> bool:
        """Return whether a device reports that the hub may have lost with a backup."""
        if leaf != "report" or not state.is_adopted:
            return False
        until = now + recovery.ASK_FOR
        return state.recovery.strangers.hear(node, message, until, now)

    def _report(
        self, state: State, node: NodeName, message: Message, now: float
    ) -> Effects:
        verdict = judge(message.payload, state.ledger, now)
        if isinstance(verdict, Refused):
            return self._overtaken(state, verdict, message, now)
        report = verdict.document
        if not isinstance(report, Report) or report.node != node:
            return self._refuse("report", "wrong-topic")
        came_back = self._is_back(state, report.device, message, now)
        if isinstance(verdict, Known):
            return Effects(is_change=came_back)
        at = 0.0 if message.retain else now
        state.beats.update(beats.hear(state.beats, state.ledger, report, at))
        return self._new(state, verdict, report, now, came_back=came_back)

    def _new(
        self,
        state: State,
        accepted: Accepted,
        report: Report,
        now: float,
        *,
        came_back: bool,
    ) -> Effects:
        before = state.heard.get(report.device)
        state.take(accepted)
        state.hear(report, now, None)
        self._note(state, report)
        state.recovery.hear(state.shelf, report, now)
        after = state.heard[report.device]
        is_other = before is None or (
            (before.facts, before.report.address) != (after.facts, report.address)
        )
        return Effects(
            node=report.node,
            reported=report.device,
            is_deciding=is_other
            or state.is_handing_over
            or any(
                takeovers.claimed(state.ledger, state.holdings, report, state.ground)
            )
            or staging.is_news(state.courses, before.report if before else None, report)
            or (came_back and self._is_waited_for(state, report.device)),
            is_change=True,
            events=self._behind(state, report, now),
        )

    def _note(self, state: State, report: Report) -> None:
        """Remember how far each start of a device's daemon has counted."""
        before = self.last.get(report.device, {})
        known = state.instances.get(report.device, ())
        kept = {each: before[each] for each in known if each in before}
        kept[report.instance] = (report.boot, report.seq)
        self.last[report.device] = kept

    def _is_back(self, state: State, device: str, message: Message, now: float) -> bool:
        """Note a live word; return whether the device was offline before it."""
        if message.retain:
            return False
        before = state.presence.get(device)
        state.presence[device] = Presence(is_online=True, at=now)
        return before is None or not before.is_online

    @staticmethod
    def _is_waited_for(state: State, device: str) -> bool:
        """Return whether something may go on now that a device is back."""
        courses, assigned = state.courses, state.assignments.get(device)
        return (
            bool(state.placement.unplaced)
            or staging.concerns(courses, assigned)
            or staging.is_behind(courses, assigned)
        )

    def _overtaken(
        self, state: State, refused: Refused, message: Message, now: float
    ) -> Effects:
        """Count a refused report, and look whether it is a clone's."""
        self.counters[f"report: {refused.reason}"] += 1
        if refused.reason not in OVERTAKEN or refused.kind != "report":
            return NOTHING
        report = strangers.report_in(message.payload)
        newest = state.heard.get(report.device) if report else None
        if report is None or newest is None or report.device in state.alarms:
            return NOTHING
        seen = state.instances.get(report.device, ())
        last = self.last.get(report.device, {}).get(report.instance)
        told = registry.alarm(report, newest.report, seen, last)
        if told is None:
            return NOTHING
        state.alarms[report.device] = told
        event = Event(at=now, kind="alarm", subject=report.node, text=told)
        return Effects(events=(event,), is_change=True)

    def _status(
        self, state: State, device: str, message: Message, now: float
    ) -> Effects:
        try:
            said = _decoded(message.payload, STATUS_MAX, _Status)
        except WireError:
            return self._refuse("status", "malformed")
        if said.state == "online":
            came_back = self._is_back(state, device, message, now)
            is_waited_for = came_back and self._is_waited_for(state, device)
            return Effects(is_change=came_back, is_deciding=is_waited_for)
        state.presence[device] = Presence(is_online=False, at=now)
        # A rollout waits for nobody who is away.
        is_missed = staging.concerns(state.courses, state.assignments.get(device))
        return Effects(is_change=True, is_deciding=is_missed)

    def _event(self, node: NodeName, message: Message, now: float) -> Effects:
        if not self.events.take(node, now):
            return self._refuse("event", "too-many")
        try:
            said = _decoded(message.payload, EVENT_MAX, _Event)
        except WireError:
            return self._refuse("event", "malformed")
        subject = f"{node} {legible.plain(said.subject)}".rstrip()
        event = Event(
            at=now,
            kind=legible.plain(said.kind),
            subject=subject,
            text=legible.plain(said.text),
        )
        return Effects(events=(event,))

    def _behind(self, state: State, report: Report, now: float) -> tuple[Event, ...]:
        """Tell once that a device holds documents the hub lost."""
        streams = messages.behind(state.shelf, report)
        if streams == self.behind.get(report.device, ()):
            return ()
        self.behind[report.device] = streams
        if not streams:
            return ()
        more = f" and {len(streams) - STREAMS_NAMED} more"
        named = ", ".join(streams[:STREAMS_NAMED])
        text = f"{report.node} holds what this hub does not: {named}"
        text += more if len(streams) > STREAMS_NAMED else ""
        return (Event(at=now, kind="behind", subject=report.node, text=text),)

    def _refuse(self, leaf: str, reason: str) -> Effects:
        # A topic's last part is the sender's own words: only ours become a name.
        known = leaf if leaf in {"report", "status", "event"} else "message"
        self.counters[f"{known}: {reason}"] += 1
        return NOTHING


def _decoded(payload: bytes, most: int, shape: type[Shape]) -> Shape:
    if len(payload) > most:
        raise WireError(f"cannot read {len(payload)} bytes: {most} are allowed")
    try:
        return msgspec.json.decode(payload, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise WireError(f"cannot read a message: {error}") from error
