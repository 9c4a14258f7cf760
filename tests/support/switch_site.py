"""A site in virtual time whose devices replace their copies of one deployment.

What decides is real: `node.switches`, with what it says encoded and decoded. The mesh
around it delays, loses, repeats and reorders; partitions and power cuts come as asked.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple

from edge.names import Slot
from edge.staging.shapes import Limit, Rollout, Wave
from netmesh.view import NEVER, Peer, Roster, RosterEntry, View
from node import intents
from node.permits import ONE
from node.switches import Around, Copy, Switches

NAME = "web"
OLD = 1
SEEN_AFTER = (0.1, 1.5)
"""Seconds until a device is seen to be away, or back."""
SYNC_EVERY = 1.0
TURN_EVERY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What the site is like."""

    devices: int = 3
    copies: int = 1
    """Of each device."""
    limit: Limit = ONE
    group_by: str = ""
    patience: float = 1e9
    loss: float = 0.0
    delay: float = 0.01
    """Seconds a datagram takes at most."""
    can_move: bool = True
    takes: tuple[float, float] = (0.5, 8.0)
    """Seconds from a stop until the new version is healthy."""
    sick: frozenset[str] = frozenset()
    """Devices on which it never is."""
    rounds: int = 1
    """How many versions come, one after the other."""
    begins: float = 0.0
    """Seconds within which each copy begins to want the next one."""


class Rumour(NamedTuple):
    """What one device said under a key; the highest number is the newest."""

    about: str
    key: str
    number: int
    body: bytes


@dataclass(slots=True)
class Device:
    """One machine: what runs on it, and its daemon while it is on."""

    name: str
    copies: dict[Slot, Copy]
    machine: Switches | None = None
    rumours: dict[tuple[str, str], Rumour] = field(default_factory=dict)
    """By device and key: all it heard, and what it said."""
    peers: dict[str, Peer] = field(default_factory=dict)
    mail: list[tuple[str, intents.Message]] = field(default_factory=list)
    stopped: dict[Slot, float] = field(default_factory=dict)
    """Copies that were stopped by a grant and are not healthy again."""
    wants: dict[Slot, int] = field(default_factory=dict)
    done: dict[Slot, int] = field(default_factory=dict)
    """How many versions each copy has been given."""
    starts: int = 0
    wakes_at: float = 0.0


class SwitchSite:
    """Everything, driven by one heap of events."""

    def __init__(self, weather: Weather, seed: int) -> None:
        """Begin with everybody on, together, at the old version."""
        self.weather, self.rng = weather, Random(seed)
        self.now = 100.0
        self.worst = 0
        """Most copies that were stopped at once."""
        self.gone: set[str] = set()
        """Devices that nobody waits for any more."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._sequence = count(), count(1)
        names = [f"n{number + 1}" for number in range(weather.devices)]
        self.group = dict.fromkeys(names, 0)
        self.devices = {name: self._made(name) for name in names}
        entries = {
            name: RosterEntry(device=name, name=name, mesh="", sign="")
            for name in names
        }
        self.roster = Roster(site="s", members=entries)
        for name in names:
            self.boot(name)
            for slot in self.devices[name].copies:
                self._begin(name, slot)

    @property
    def limit(self) -> int:
        """Return how many may be stopped at once."""
        weather = self.weather
        if weather.group_by:
            return 1
        replicas = weather.devices * weather.copies
        share = replicas * weather.limit.share // 10_000
        return max(1, weather.limit.count, share)

    @property
    def is_done(self) -> bool:
        """Return whether every copy got its turn."""
        rounds = self.weather.rounds
        return all(
            each == rounds
            for name, device in self.devices.items()
            if name not in self.gone
            for each in device.done.values()
        )

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (when, next(self._order), action))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until and not self.is_done:
            self.now, _, action = heapq.heappop(self._events)
            action()

    def boot(self, name: str) -> None:
        """Give a device power, or start its daemon."""
        device = self.devices[name]
        if device.machine is not None:
            return
        device.starts += 1
        device.machine = Switches(me=name, name=name, started_at=self.now)
        device.rumours = {}
        device.peers = {}
        for other in self.devices:
            self._notice(name, other)
            self._notice(other, name)
        for slot, copy in device.copies.items():
            if slot not in device.stopped:
                self.at(self.now + 1, partial(self._heal, name, slot))
            elif copy.version > OLD:
                self.at(self.now + 2, partial(self._healthy, name, slot))
        self._turns(name, device.starts)
        self._syncs(name, device.starts)

    def cut(self, name: str) -> None:
        """Take a device's power."""
        device = self.devices[name]
        if device.machine is None:
            return
        device.machine = None
        device.mail = []
        for slot in device.copies:
            self._serve(device, slot, 0)
        for other in self.devices:
            self._notice(other, name)

    def part(self, groups: dict[str, int]) -> None:
        """Let only devices of one group hear each other from now on."""
        self.group.update(groups)
        for one in self.devices:
            for other in self.devices:
                self._notice(one, other)

    def _made(self, name: str) -> Device:
        slots = [
            Slot(f"{NAME}/w{each}.{int(name[1:])}")
            for each in range(self.weather.copies)
        ]
        return Device(
            name=name,
            done=dict.fromkeys(slots, 0),
            copies={
                slot: Copy(
                    deployment=NAME,
                    version=OLD,
                    serves=OLD,
                    can_move=self.weather.can_move,
                )
                for slot in slots
            },
        )

    def _hears(self, one: str, other: str) -> bool:
        is_on = self.devices[one].machine and self.devices[other].machine
        return bool(is_on) and self.group[one] == self.group[other]

    def _notice(self, one: str, other: str) -> None:
        """Let a device see after a while that another one is there, or is not."""

        def look() -> None:
            device = self.devices[one]
            if device.machine is None:
                return
            known = device.peers.get(other)
            state = "alive" if self._hears(one, other) else "dead"
            if known is None and state == "dead":
                return
            if known is None or known.state != state:
                device.peers[other] = Peer(
                    device=other, name=other, state=state, since=self.now
                )
                self._turn(one)

        if one != other:
            self.at(self.now + self.rng.uniform(*SEEN_AFTER), look)

    def _turns(self, name: str, start: int) -> None:
        def again() -> None:
            if self.devices[name].machine and self.devices[name].starts == start:
                self._turn(name)
                self.at(self.now + TURN_EVERY, again)

        self.at(self.now + self.rng.uniform(0, TURN_EVERY), again)

    def _syncs(self, name: str, start: int) -> None:
        """Tell the others all we know, now and then: what got lost is healed."""

        def again() -> None:
            device = self.devices[name]
            if device.machine and device.starts == start:
                for rumour in list(device.rumours.values()):
                    self._spread(name, rumour)
                self.at(self.now + SYNC_EVERY, again)

        self.at(self.now + self.rng.uniform(0, SYNC_EVERY), again)

    def _turn(self, name: str) -> None:
        device, machine = self.devices[name], self.devices[name].machine
        if machine is None:
            return
        machine.want(device.wants)
        mail, device.mail = device.mail, []
        outcome = machine.step(self._around(device), mail, self.now)
        for key, body in outcome.intents.items():
            held = device.rumours.get((name, key))
            if held is None or held.body != body:
                rumour = Rumour(name, key, next(self._sequence), body)
                device.rumours[name, key] = rumour
                self._spread(name, rumour)
        for to, message in outcome.messages:
            self._tell(name, to, intents.encode_message(message))
        if outcome.wake_at is not None:
            self._wake(name, max(outcome.wake_at, self.now + 0.001))
        for slot in sorted(outcome.granted.keys() & device.wants.keys()):
            self._stop(name, slot)

    def _wake(self, name: str, when: float) -> None:
        device = self.devices[name]
        if self.now < device.wakes_at <= when:
            return
        device.wakes_at = when
        self.at(when, lambda: self._turn(name))

    def _stop(self, name: str, slot: Slot) -> None:
        """Do what was granted."""
        device = self.devices[name]
        device.stopped[slot] = self.now
        self._put(device, slot, version=device.wants.pop(slot), serves=0)
        stopped = sum(len(each.stopped) for each in self.devices.values())
        self.worst = max(self.worst, stopped)
        if name in self.weather.sick:
            late = self.now + self.weather.patience / 2
            self.at(late, partial(self._go_back, name, slot))
        else:
            takes = self.rng.uniform(*self.weather.takes)
            self.at(self.now + takes, partial(self._healthy, name, slot))
        self.at(self.now, lambda: self._turn(name))

    def _healthy(self, name: str, slot: Slot) -> None:
        device = self.devices[name]
        if device.machine is None or slot not in device.stopped:
            return
        if name in self.weather.sick:
            return
        del device.stopped[slot]
        self._serve(device, slot, device.copies[slot].version)
        self._finish(name, slot)

    def _go_back(self, name: str, slot: Slot) -> None:
        device = self.devices[name]
        if slot in device.stopped and device.machine is not None:
            del device.stopped[slot]
            self._put(device, slot, version=OLD, serves=OLD)
            self._finish(name, slot)

    def _finish(self, name: str, slot: Slot) -> None:
        self.devices[name].done[slot] += 1
        self._begin(name, slot)
        self._turn(name)

    def _begin(self, name: str, slot: Slot) -> None:
        """Let a copy want the next version, if there is one."""
        device = self.devices[name]
        if device.done[slot] == self.weather.rounds:
            return
        version = OLD + 1 + device.done[slot]

        def want() -> None:
            device.wants[slot] = version
            self._turn(name)

        self.at(self.now + self.rng.uniform(0, self.weather.begins), want)

    def _heal(self, name: str, slot: Slot) -> None:
        device = self.devices[name]
        if device.machine is not None and slot not in device.stopped:
            self._serve(device, slot, device.copies[slot].version)

    def _serve(self, device: Device, slot: Slot, version: int) -> None:
        self._put(device, slot, version=device.copies[slot].version, serves=version)

    def _put(self, device: Device, slot: Slot, *, version: int, serves: int) -> None:
        device.copies[slot] = Copy(
            deployment=NAME,
            version=version,
            serves=serves,
            can_move=self.weather.can_move,
        )

    def _around(self, device: Device) -> Around:
        said: dict[str, dict[str, bytes]] = {name: {} for name in self.devices}
        for each in device.rumours.values():
            said[each.about][each.key] = each.body
        del said[device.name]
        weather = self.weather
        rollout = Rollout(
            strategy="rolling",
            waves=(Wave(share=10_000),),
            max_unavailable=weather.limit,
            group_by=weather.group_by,  # type: ignore[arg-type]
            progress_deadline=weather.patience,
        )
        owners = {
            slot: each.name
            for each in self.devices.values()
            for slot in (each.copies if weather.can_move else ())
        }
        peers = {
            name: device.peers.get(name, Peer(device=name, name=name, since=NEVER))
            for name in said
        }
        return Around(
            copies=dict(device.copies),
            roster=self.roster,
            view=View(at=self.now, peers=peers, rumours=said),
            owners=owners,
            rollouts={NAME: rollout},
        )

    def _spread(self, name: str, rumour: Rumour) -> None:
        for other in self.devices:
            if other not in {name, rumour.about}:
                self._send(name, other, partial(self._hear, other, rumour))

    def _hear(self, name: str, rumour: Rumour) -> None:
        device = self.devices[name]
        known = device.rumours.get(rumour[:2])
        if known is None or known.number < rumour.number:
            device.rumours[rumour[:2]] = rumour
            self._turn(name)

    def _tell(self, name: str, to: str, body: bytes) -> None:
        def arrive() -> None:
            message = intents.decode_message(body)
            assert message is not None
            self.devices[to].mail.append((name, message))
            self._turn(to)

        for _ in range(1 + (self.rng.random() < 0.1)):  # some come twice
            self._send(name, to, arrive)

    def _send(self, one: str, other: str, arrive: Callable[[], None]) -> None:
        if self.rng.random() < self.weather.loss:
            return
        delay = self.rng.uniform(0.0005, self.weather.delay)

        def deliver() -> None:
            if self._hears(one, other):
                arrive()

        self.at(self.now + delay, deliver)
