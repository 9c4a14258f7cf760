"""What a restored hub does about what it lost: asks, waits, tells, and goes on.

`hub.recovery` knows what is asked for; here it meets the loops and the event log.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edge import envelope, topics
from edge.errors import WireError
from edge.mqtt import Message
from edge.names import FleetName, NodeName
from hub import intake, recovery
from hub.agenda import Agenda, Changes
from hub.state import State

Tell = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A device that was asked; its id is its own word while it is a stranger."""

    node: NodeName
    device: str


class Retrieval:
    """Asking devices for what they hold; ``is_told`` is what people were told last."""

    def __init__(self, agenda: Agenda, changes: Changes, tell: Tell) -> None:
        self._agenda = agenda
        self._changes = changes
        self._tell = tell
        self.is_told = False

    def look(self, state: State) -> None:
        """Tell once that nothing is signed, and once that it is again."""
        asking = state.recovery
        if asking.is_asking == self.is_told:
            return
        self.is_told = asking.is_asking
        if self.is_told:
            asked = (*names_of(state, asking.devices), *asking.strangers.waiting)
            text = f"signs nothing: it lost {asking.said}, and asks {', '.join(asked)}"
            self._tell("paused", "hub", text)
        else:
            self._tell("resumed", "hub", "signs again")
        self._agenda.to_decide.set()
        self._changes.notify()

    def settle(self, state: State, now: float) -> None:
        """End the wait for what nobody hands in."""
        asked = names_of(state, state.recovery.devices)
        doubt_until = now + recovery.DOUBT_FOR
        unknown = state.recovery.strangers.settle(doubt_until, now)
        self._agenda.publish(*unknown)
        here = [device for device, each in state.presence.items() if each.is_online]
        ended = state.recovery.settle(state.shelf, here, now)
        if ended.streams:
            count = len(ended.streams)
            text = f"nobody hands in {count} documents, of {ended.streams[0]} first"
            self._tell("lost", "hub", text)
            self._agenda.publish(*asked)
        for name in (*names_of(state, ended.doubted), *unknown):
            self._tell("doubted", name, "it did not hand in what it says it holds")
        self.look(state)

    def came(
        self, state: State, sender: Sender, found: Iterable[bytes], now: float
    ) -> Message | None:
        """Go on asking, or end the pause; return a report that can be heard now."""
        asking = state.recovery
        asking.take(state.shelf, sender.device, intake.numbers(found))
        asking.calm_at = now + recovery.CALM_FOR
        self._agenda.publish(sender.node)
        if sender.node not in asking.strangers.waiting:
            self.look(state)
            return None
        is_known = sender.node in state.ledger.names
        doubt_until = now + recovery.DOUBT_FOR
        answered = asking.strangers.answered(
            sender.node, doubt_until, is_known=is_known
        )
        if not is_known:
            self._tell("doubted", sender.node, "it did not say who it is")
            self.look(state)
        return answered.report if is_known else None


def sender(state: State, message: Message) -> Sender | None:
    """Return who hands in what it was asked for, None for anybody else."""
    parsed = topics.parse_node(FleetName(state.ledger.fleet), message.topic)
    node = parsed[0] if parsed else NodeName("")
    device = state.ledger.names.get(node, "")
    stranger = state.recovery.strangers.waiting.get(node)
    if stranger is not None and not device:
        return Sender(node=node, device=stranger.device)
    is_asked = bool(device and state.recovery.asked(device))
    return Sender(node=node, device=device) if is_asked else None


def unbundled(payload: bytes) -> tuple[bytes, ...]:
    """Return what is in a device's bundle; nothing for nonsense."""
    try:
        return envelope.unbundle(payload)
    except WireError:
        return ()


def names_of(state: State, devices: Iterable[str]) -> Sequence[str]:
    """Return the names of those that are members, in order."""
    members = state.ledger.members
    return sorted(members[each].member.name for each in devices if each in members)
