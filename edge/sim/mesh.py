"""The mesh's thread of a simulated daemon: the real membership on invented wires.

It answers at once, also while the daemon waits for its disk; a daemon that is paused or
starved of its processor does not. What arrives meanwhile waits in the socket.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from edge.sim.kernel import Kernel
from netmesh.cipher import ClearCipher
from netmesh.membership import Changed, Deliver, Effect, Me, Membership, Settings
from netmesh.post import Send, SendByBroker
from netmesh.view import Address, Roster, View

LOOK_EVERY = 1.0
"""Seconds between pictures of the site when nothing changed: `netmesh.mesh`."""
NEVER = float("inf")
ROUNDING = 1e-6
"""Seconds that may be lost between the world's clock and a machine's."""
Request = Callable[[Membership, float], list[Effect]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Whom the mesh tells what."""

    changed: Callable[[], None]
    mail: Callable[[str, bytes], None]
    send: Callable[[bytes, Address], None]
    send_by_broker: Callable[[str, bytes], None]


@dataclass(slots=True, kw_only=True)
class SimMesh:
    """Implements `node.site.Mesh`."""

    device: str
    kernel: Kernel
    rng: Random
    ears: Ears
    booted_at: float
    sequence: int
    frozen_until: float = 0.0
    is_ended: bool = False
    held: list[Request] | None = None
    """What the daemon asked for in a turn whose words are not on disk yet."""
    machine: Membership = field(init=False)
    _view: View | None = None
    _armed: float = NEVER

    def __post_init__(self) -> None:
        """Begin to tick."""
        self.machine = Membership(
            Me(device=self.device, sequence=self.sequence),
            Settings(),
            ClearCipher(self.device),
            self.rng,
            self.now,
        )

    @property
    def now(self) -> float:
        """Return the machine's CLOCK_BOOTTIME."""
        return self.kernel.now - self.booted_at

    @property
    def view(self) -> View:
        """Return the newest picture of the site."""
        if self._view is None or self.now - self._view.at >= LOOK_EVERY:
            self._view = self.machine.view(self.now)
        return self._view

    def set_roster(self, roster: Roster) -> None:
        """Say who belongs to the site."""
        self._ask(lambda machine, now: machine.set_roster(roster, now))

    def set_links(self, *, is_up: bool) -> None:
        """Say whether hub and broker are reached."""
        self._perform(
            lambda machine, now: machine.set_links(hub=is_up, broker=is_up, now=now)
        )

    def announce(self, key: str, body: bytes) -> None:
        """Tell everybody, and keep telling newcomers."""
        self._ask(lambda machine, now: machine.announce(key, body, now))

    def withdraw(self, key: str) -> None:
        """End what was announced."""
        self._ask(lambda machine, now: machine.withdraw(key, now))

    def tell(self, device: str, body: bytes) -> None:
        """Send one message, best effort."""
        self._ask(lambda machine, now: machine.tell(device, body, now))

    def leave(self) -> None:
        """Tell everybody that we go."""
        self._ask(lambda machine, now: machine.leave(now))

    def hold(self) -> None:
        """Keep what is asked for until `release`."""
        self.held = self.held or []

    def release(self) -> None:
        """Do what was asked for."""
        waiting, self.held = self.held or [], None
        for each in waiting:
            self._perform(each)

    def receive(self, datagram: bytes, source: Address | None) -> None:
        """Take in what a wire or the broker brought."""
        if self.is_ended:
            return
        if self.kernel.now < self.frozen_until:
            self._when_thawed(lambda: self.receive(datagram, source))
            return
        self.act(self.machine.receive(datagram, source, self.now))

    def _ask(self, request: Request) -> None:
        if self.held is not None:
            self.held.append(request)
        else:
            self._perform(request)

    def _perform(self, request: Request) -> None:
        if not self.is_ended:
            self.act(request(self.machine, self.now))

    def act(self, effects: list[Effect]) -> None:
        """Do what the machine says."""
        ears, is_changed = self.ears, False
        for each in effects:
            if isinstance(each, Send):
                ears.send(each.datagram, each.address)
            elif isinstance(each, Deliver):
                ears.mail(each.device, each.body)
            elif isinstance(each, Changed):
                is_changed = True
            elif isinstance(each, SendByBroker):
                ears.send_by_broker(each.device, each.datagram)
        if is_changed:
            self._view = None
            ears.changed()
        self._arm()

    def _arm(self, deadline: float | None = None) -> None:
        if deadline is None:
            deadline = self.machine.deadline
        due = deadline + self.booted_at
        if due < self._armed:
            self._armed = due
            self.kernel.at(due, lambda: self._wake(due))

    def _wake(self, due: float) -> None:
        """Tick, unless another time was set since."""
        if self.is_ended or self._armed != due:
            return
        if self.kernel.now < self.frozen_until:
            self._when_thawed(lambda: self._wake(due))
            return
        self._armed = NEVER
        deadline = self.machine.deadline
        if deadline <= self.now + ROUNDING:
            self.act(self.machine.tick(max(self.now, deadline)))
        else:
            self._arm(deadline)

    def _when_thawed(self, action: Callable[[], None]) -> None:
        if self.frozen_until < NEVER:
            self.kernel.at(self.frozen_until, action)
