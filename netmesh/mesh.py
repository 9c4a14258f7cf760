"""The membership machine in a thread of its own, with one UDP socket.

A daemon that waits for a slow card must not look dead to its neighbours, so the mesh
answers from its own thread and shares nothing with the daemon but a queue of requests
and the newest `View`. Everything here may be called from any thread; the callbacks are
called from the mesh's own.
"""

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random, SystemRandom

from netmesh import wire
from netmesh.cipher import Cipher
from netmesh.membership import Changed, Deliver, Effect, Me, Membership, Settings
from netmesh.post import Send, SendByBroker
from netmesh.view import Address, Roster, View

AT_ONCE = 64  # datagrams taken in before the machine ticks again
BUFFER = 256 * 1024  # bytes the kernel keeps while we are busy
LOOK_EVERY = 1.0  # seconds between views when nothing changed
AGAIN_AFTER = 1.0  # seconds until a machine that failed starts anew
REQUESTS_MAX = 4096

Request = Callable[[Membership, float], list[Effect]]


def boot_time() -> float:
    """Return seconds since boot, sleep included; never jumps with the wall clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Whom the mesh tells what; each is called from its thread and must be quick."""

    on_change: Callable[[], None] = lambda: None
    on_message: Callable[[str, bytes], None] = lambda _device, _body: None
    send_by_broker: Callable[[str, bytes], None] = lambda _device, _datagram: None
    on_error: Callable[[str], None] = lambda _text: None


@dataclass(slots=True, kw_only=True)
class Mesh:
    """One device's part in its site's mesh."""

    device: str
    cipher: Cipher
    ears: Ears
    address: Address = ("0.0.0.0", 0)  # noqa: S104 - the LAN is who we talk to
    """Where to listen; port 0 takes a free one."""
    rng: Random = field(default_factory=SystemRandom)
    view: View = field(default_factory=lambda: View(at=float("-inf")))
    """The newest picture of the site."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Datagrams that changed nothing, by why."""
    _requests: deque[Request] = field(
        default_factory=lambda: deque(maxlen=REQUESTS_MAX)
    )
    _kept: dict[str, Request] = field(default_factory=dict)
    """What a new machine must be told again, should this one fail."""
    _socket: socket.socket | None = None
    _bell: tuple[int, int] = (-1, -1)
    _thread: threading.Thread | None = None
    _is_stopping: bool = False

    def start(self) -> None:
        """Open the socket and begin; raise OSError when the port is taken."""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            made.settimeout(0.0)
            made.bind(self.address)
        except OSError:
            made.close()
            raise
        self._socket, self.address = made, made.getsockname()
        self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="mesh", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the socket; nothing more is called afterwards."""
        self._is_stopping = True
        self._ring()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            for each in self._bell:
                os.close(each)

    def set_roster(self, roster: Roster) -> None:
        """Say who belongs to the site."""
        self._keep("roster", lambda machine, now: machine.set_roster(roster, now))

    def set_links(self, *, hub: bool, broker: bool) -> None:
        """Say whether we reach the hub, and may use the broker."""
        self._keep(
            "links",
            lambda machine, now: machine.set_links(hub=hub, broker=broker, now=now),
        )

    def announce(self, key: str, body: bytes) -> None:
        """Tell everybody, and keep telling newcomers."""
        self._keep(f"/{key}", lambda machine, now: machine.announce(key, body, now))

    def withdraw(self, key: str) -> None:
        """End what was announced."""
        self._kept.pop(f"/{key}", None)
        self._ask(lambda machine, now: machine.withdraw(key, now))

    def tell(self, device: str, body: bytes) -> None:
        """Send one message of up to 600 bytes, best effort."""
        self._ask(lambda machine, now: machine.tell(device, body, now))

    def hint(self, device: str, address: Address) -> None:
        """Try an address for a member; anybody may have said it."""
        self._ask(lambda machine, now: machine.hint(device, address, now))

    def receive_by_broker(self, datagram: bytes) -> None:
        """Take in a datagram that a member left at the broker."""
        self._ask(lambda machine, now: machine.receive(datagram, None, now))

    def leave(self) -> None:
        """Tell everybody that we go."""
        self._keep("leave", lambda machine, now: machine.leave(now))

    def restart(self) -> None:
        """Tell everybody that our silence, soon, only is a new start of ours."""
        self._ask(lambda machine, now: machine.restart(now))

    def _keep(self, what: str, request: Request) -> None:
        self._kept[what] = request
        self._ask(request)

    def _ask(self, request: Request) -> None:
        self._requests.append(request)
        self._ring()

    def _ring(self) -> None:
        with suppress(OSError):  # full: it rings already
            os.write(self._bell[1], b".")

    def _run(self) -> None:
        while not self._is_stopping:
            machine = self._begin()
            try:
                self._serve(machine)
            except Exception as error:  # noqa: BLE001 - the neighbours need us alive
                self.ears.on_error(f"the mesh starts anew: {error!r}")
                time.sleep(AGAIN_AFTER)

    def _begin(self) -> Membership:
        """Start a machine and tell it what the one before knew."""
        # Wall-clock milliseconds: rumours of this life are newer than the last one's.
        me = Me(device=self.device, sequence=int(time.time() * 1000))
        machine = Membership(me, Settings(), self.cipher, self.rng, boot_time())
        self._requests.clear()
        self._requests.extend(request for _, request in sorted(self._kept.items()))
        return machine

    def _serve(self, machine: Membership) -> None:
        waiting, shown_at = select.poll(), float("-inf")
        for each in (self._bell[0], self._open):
            waiting.register(each, select.POLLIN)
        while not self._is_stopping:
            until = min(machine.deadline, shown_at + LOOK_EVERY) - boot_time()
            ready = {each for each, _ in waiting.poll(max(0.0, until) * 1000)}
            if self._bell[0] in ready:  # before looking: a later ring comes again
                os.read(self._bell[0], 4096)
            effects = self._obey(machine)
            if self._open.fileno() in ready:
                effects += self._take_in(machine)
            now = boot_time()
            if machine.deadline <= now:
                effects += machine.tick(now)
            is_changed = any(isinstance(each, Changed) for each in effects)
            if is_changed or now - shown_at >= LOOK_EVERY:
                self.view, shown_at = machine.view(now), now
                self.refused = dict(machine.post.refused)
            self._perform(effects)
            if is_changed:
                self.ears.on_change()
        self._perform(self._obey(machine))  # what was asked for before the end

    @property
    def _open(self) -> socket.socket:
        if self._socket is None:
            raise OSError("the mesh is closed")
        return self._socket

    def _obey(self, machine: Membership) -> list[Effect]:
        """Do what was asked for."""
        effects: list[Effect] = []
        while self._requests:
            effects += self._requests.popleft()(machine, boot_time())
        return effects

    def _take_in(self, machine: Membership) -> list[Effect]:
        effects: list[Effect] = []
        for _ in range(AT_ONCE):
            try:
                datagram, source = self._open.recvfrom(wire.DATAGRAM_MAX + 1)
            except BlockingIOError:
                break
            except OSError:  # what an earlier datagram met on its way (ICMP)
                continue
            effects += machine.receive(datagram, source[:2], boot_time())
        return effects

    def _perform(self, effects: list[Effect]) -> None:
        for each in effects:
            match each:
                case Send():
                    # No route, a full queue, a filter: as good as lost on the way.
                    with suppress(OSError, ValueError):
                        self._open.sendto(each.datagram, each.address)
                case SendByBroker():
                    self.ears.send_by_broker(each.device, each.datagram)
                case Deliver():
                    self.ears.on_message(each.device, each.body)
                case Changed():
                    pass
