"""A site of real membership machines on an invented network, in virtual time.

Losses, delays and cuts come from a seed. Two machines are joined by a line each way;
`cut` takes lines away. The broker is one more way, lossless, for those it joins.
"""

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from edge import sealing
from netmesh.cipher import Cipher, ClearCipher, PairCipher
from netmesh.membership import Deliver, Effect, Me, Membership, Settings
from netmesh.post import Send, SendByBroker
from netmesh.view import Address, Peer, Roster, RosterEntry
from tests.support.builders import Device

PORT = 8445


def address(name: str) -> Address:
    """Where a machine named n7 is."""
    return (f"10.0.0.{name.removeprefix('n')}", PORT)


def entry(device: Device, *, is_placed: bool = True) -> RosterEntry:
    """A device's line in the roster."""
    return RosterEntry(
        device=device.id,
        name=device.name,
        mesh=device.keys.mesh,
        sign=device.sign.public,
        addresses=(address(device.name),) if is_placed else (),
    )


def roster(devices: Iterable[Device], *, is_placed: bool = True) -> Roster:
    """The roster of a site of these."""
    entries = (entry(each, is_placed=is_placed) for each in devices)
    return Roster(site="home", members={each.device: each for each in entries})


@dataclass
class Net:
    """The machines, and everything between them."""

    count: int = 5
    seed: int = 1
    loss: float = 0.0
    delay: tuple[float, float] = (0.0002, 0.0008)
    is_sealed: bool = False
    is_placed: bool = True
    now: float = 1000.0
    machines: dict[str, Membership] = field(default_factory=dict)
    mail: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    cuts: set[tuple[str, str]] = field(default_factory=set)
    online: set[str] = field(default_factory=set)
    stalls: dict[str, float] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    states: dict[tuple[str, str], list[tuple[float, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    moved: dict[str, Address] = field(default_factory=dict)
    tap: Callable[[str, Send], None] | None = None

    def __post_init__(self) -> None:
        """Start them all at once."""
        self.rng = Random(self.seed)
        self.devices = {f"n{i + 1}": Device(f"n{i + 1}") for i in range(self.count)}
        self.names = {each.id: name for name, each in self.devices.items()}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wakes: dict[str, float] = {}
        for name in self.devices:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a machine, for the first time or anew."""
        device = self.devices[name]
        cipher: Cipher = (
            PairCipher(device.mesh, device.sign)
            if self.is_sealed
            else ClearCipher(device.id)
        )
        rng = Random(f"{self.seed} {name} {self.now}")
        me = Me(device=device.id)
        made = Membership(me, Settings(), cipher, rng, self.now)
        self.machines[name] = made
        self._wakes.pop(name, None)
        self.mail[name] = []
        places = roster(self.devices.values(), is_placed=self.is_placed)
        self.act(name, made.set_roster(places, self.now))

    def kill(self, name: str) -> None:
        """Take a machine's power."""
        del self.machines[name]

    def cut(self, *pairs: tuple[str, str]) -> None:
        """Take lines away, each in one direction."""
        self.cuts.update(pairs)

    def isolate(self, name: str) -> None:
        """Pull a machine's cable."""
        for other in self.devices:
            self.cut((name, other), (other, name))

    def heal(self) -> None:
        """Give all lines back."""
        self.cuts.clear()

    def say(self, name: str, do: Callable[[Membership], list[Effect]]) -> None:
        """Let somebody use a machine."""
        self.act(name, do(self.machines[name]))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = end

    def run_until(self, happens: Callable[[], bool], within: float) -> float:
        """Let time pass until something is so; return how long it took."""
        began = self.now
        while not happens():
            assert self.now - began < within, f"not within {within} s"
            self.run(0.01)
        return self.now - began

    def peer(self, of: str, who: str) -> Peer:
        """How one machine sees another."""
        return self.machines[of].view(self.now).peers[self.devices[who].id]

    def sees(self, of: str, who: str) -> str:
        """The state one machine holds another to be in."""
        return self.machines[of].neighbours[self.devices[who].id].state

    def is_whole(self) -> bool:
        """Whether everybody sees everybody alive."""
        names = list(self.machines)
        return all(self.sees(a, b) == "alive" for a in names for b in names if a != b)

    def everybody_sees(self, who: str, state: str) -> bool:
        """Whether all others hold a machine to be in a state."""
        others = (each for each in self.machines if each != who)
        return all(self.sees(each, who) == state for each in others)

    def deaths(self) -> list[tuple[float, str, str]]:
        """Everything anybody took for dead so far: when, who, whom."""
        return [
            (at, of, who)
            for (of, who), found in self.states.items()
            for at, state in found
            if state == "dead"
        ]

    def act(self, name: str, effects: list[Effect]) -> None:
        """Do what a machine says, and note what it thinks."""
        for each in effects:
            if isinstance(each, Send):
                self._send(name, each)
            elif isinstance(each, SendByBroker):
                self._publish(name, each)
            elif isinstance(each, Deliver):
                self.mail[name].append((self.names[each.device], each.body))
        self._note(name)
        self._arm(name)

    def _note(self, name: str) -> None:
        for device, each in self.machines[name].neighbours.items():
            seen = self.states[name, self.names[device]]
            if not seen or seen[-1][1] != each.state:
                seen.append((self.now, each.state))

    def _arm(self, name: str) -> None:
        machine = self.machines[name]
        at = max(self.now, machine.deadline, self.stalls.get(name, 0.0))
        if at < self._wakes.get(name, float("inf")):
            self._wakes[name] = at
            self._at(at, lambda: self._wake(name, machine, at))

    def _wake(self, name: str, machine: Membership, at: float) -> None:
        """Let it tick, unless another time was set in the meantime."""
        if self._wakes.get(name) != at:
            return
        del self._wakes[name]
        if self.machines.get(name) is not machine:
            return
        if max(machine.deadline, self.stalls.get(name, 0.0)) <= self.now:
            self.act(name, machine.tick(self.now))
        else:
            self._arm(name)

    def _send(self, name: str, sent: Send) -> None:
        if self.tap is not None:
            self.tap(name, sent)
        self.sent[name] += len(sent.datagram)
        places = {self.moved.get(each, address(each)): each for each in self.devices}
        target = places.get(sent.address)
        if target is None or (name, target) in self.cuts:
            return
        if self.rng.random() < self.loss:
            return
        source = self.moved.get(name, address(name))
        self._deliver(target, sent.datagram, source, self.rng.uniform(*self.delay))

    def _publish(self, name: str, sent: SendByBroker) -> None:
        target = self.names[sent.device]
        if {name, target} <= self.online:
            self._deliver(target, sent.datagram, None, 0.02)

    def _deliver(
        self, target: str, datagram: bytes, source: Address | None, after: float
    ) -> None:
        def arrive() -> None:
            stalled = self.stalls.get(target, 0.0)
            if stalled > self.now:
                self._at(stalled, arrive)
            elif target in self.machines:
                machine = self.machines[target]
                self.act(target, machine.receive(datagram, source, self.now))

        self._at(self.now + after, arrive)

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))


def key_of(device: Device) -> str:
    """The public mesh key that belongs to a device's private one."""
    return sealing.exchange_public(device.mesh)
