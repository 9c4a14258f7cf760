"""One start of the node's daemon: the real agent and site, turn by turn.

Two threads as in life: the mesh, which answers at once, and the rest, which waits for
the flash. Whatever a turn says or does leaves only when what it wrote is safe.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from edge.model import ReplicaStatus
from edge.sim import fleet
from edge.sim.disk import Log
from edge.sim.mesh import Ears, SimMesh
from edge.sim.place import Place
from edge.sim.site import LeaseFiles, SimMemory, SimSite
from edge.sim.uplink import Uplink
from edge.sim.work import Work
from edge.trust import Ledger
from node.agent import Agent
from node.device import Device
from node.identity import Identity
from node.wallclock import WallClock

TURN_AFTER = 0.002
"""Seconds from a reason to look to the look."""
REPORT_AFTER = 0.02
REPORT_AGAIN = 600.0
FSYNC = (0.002, 0.03)
"""Seconds of a write that is safe, on a good card."""
SLOW_FSYNC = (0.1, 1.5)
"""… and on one that is tidying up."""
SLOW_SHARE = 0.03
CATCH_UP_EVERY = 10.0
"""Seconds that a disk which was full gets before it is asked again."""


@dataclass(slots=True, kw_only=True)
class Daemon:
    """Everything that dies with the process."""

    place: Place
    rng: Random = field(init=False)
    agent: Agent = field(init=False)
    mesh: SimMesh = field(init=False)
    site: SimSite = field(init=False)
    work: Work = field(init=False)
    uplink: Uplink = field(init=False)
    wall: WallClock = field(init=False)
    frozen_until: float = 0.0
    busy_until: float = 0.0
    is_ended: bool = False
    _is_due: bool = False
    _wake_at: float = float("inf")
    _is_reporting: bool = False
    _statuses: tuple[ReplicaStatus, ...] = ()

    def __post_init__(self) -> None:
        """Start as `node.daemon` does: from the disk, and with a first decision."""
        place = self.place
        self.wall = WallClock(place.wall() - self.now)
        self.rng = place.kernel.random(f"daemon {place.names}")
        self.agent = self._read_disk()
        self.mesh = self._make_mesh()
        self.site = self._make_site()
        self.work = self._make_work()
        self.site.running = self.work
        self.uplink = Uplink(
            place=place,
            agent=self.agent,
            receive=self._receive,
            changed=self._changed,
        )
        self._turn()
        place.broker.join(self.uplink.session)
        self.later(CATCH_UP_EVERY, self._catch_up)
        self.later(REPORT_AGAIN, self._report_again)

    def end(self) -> None:
        """Die, however it came."""
        self.is_ended = self.mesh.is_ended = True
        self.place.broker.leave(self.uplink.session, is_clean=False)
        self.place.disk.power_cut()

    def freeze(self, until: float) -> None:
        """Do nothing until then: stopped, starved, or asleep with the machine."""
        self.frozen_until = max(self.frozen_until, until)
        self.mesh.frozen_until = self.frozen_until

    def look(self) -> None:
        """Take a turn soon: something happened."""
        if not self._is_due:
            self._is_due = True
            self.later(TURN_AFTER, self._turn)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after so many seconds, if this process still lives then."""
        kernel = self.place.kernel

        def go() -> None:
            ready_at = max(self.frozen_until, self.busy_until)
            if self.is_ended or ready_at == float("inf"):
                return
            if kernel.now < ready_at:
                kernel.at(ready_at, go)
            else:
                action()

        kernel.after(seconds, go)

    def leave(self) -> None:
        """Hand over what can be handed over."""
        self.site.leave()
        self.look()

    def report_soon(self) -> None:
        """Let the hub hear what is true now."""
        if not self._is_reporting:
            self._is_reporting = True
            self.later(REPORT_AFTER, self._report)

    @property
    def now(self) -> float:
        """Return the machine's CLOCK_BOOTTIME."""
        return self.place.kernel.now - self.place.booted_at

    def _turn(self) -> None:
        """Decide; act when what was decided is on disk."""
        self._is_due = False
        self.mesh.hold()
        wake_at = self.site.turn()
        self._come_back(wake_at)
        self._when_safe(self._act)

    def _act(self) -> None:
        self.place.disk.settle()
        self.mesh.release()
        self.work.arrange()
        statuses = self.work.statuses()
        if statuses != self._statuses:
            self._statuses = statuses
            self.report_soon()
            self.look()

    def _when_safe(self, action: Callable[[], None]) -> None:
        if not self.place.disk.wet:
            action()
            return
        is_slow = self.rng.random() < SLOW_SHARE
        takes = self.rng.uniform(*(SLOW_FSYNC if is_slow else FSYNC))
        self.busy_until = self.place.kernel.now + takes
        self.later(takes, action)

    def _come_back(self, wake_at: float) -> None:
        at = wake_at + self.place.booted_at
        if self._wake_at <= self.place.kernel.now or at < self._wake_at - 1e-3:
            self._wake_at = at
            self.later(max(0.0, at - self.place.kernel.now), lambda: self._woken(at))

    def _woken(self, at: float) -> None:
        if self._wake_at == at:
            self._wake_at = float("inf")
            self.look()

    def _receive(self, topic: str, payload: bytes, is_retained: bool) -> None:  # noqa: ARG002
        if "/mesh/" in topic:
            self.mesh.receive(payload, None)
        else:
            self.later(0.0, lambda: self._take(payload))

    def _take(self, payload: bytes) -> None:
        newest = self.agent.journal.newest
        is_news = self.agent.receive(payload)
        if is_news:
            self.busy_until = self.place.kernel.now + self.rng.uniform(*FSYNC)
            self.look()
        if is_news or self.agent.journal.newest > newest:
            self.report_soon()

    def _changed(self, is_up: bool) -> None:
        def take_in() -> None:
            self.mesh.set_links(is_up=is_up)
            if is_up:
                self.uplink.say("online")
                self.report_soon()

        self.later(0.0, take_in)

    def _catch_up(self) -> None:
        self.agent.look_at_clock()
        if self.agent.can_catch_up():
            self.look()
            self.place.broker.reconnect(self.uplink.session)
        self.later(CATCH_UP_EVERY, self._catch_up)

    def _report_again(self) -> None:
        self.report_soon()
        self.later(REPORT_AGAIN, self._report_again)

    def _report(self) -> None:
        self._is_reporting = False
        if not self.uplink.report(self._statuses, self.site.neighbours()):
            self.later(CATCH_UP_EVERY, self.report_soon)

    def _pass_on(self, device: str, datagram: bytes) -> None:
        self.uplink.pass_on(device, datagram)

    def _mail(self, device: str, body: bytes) -> None:
        def take() -> None:
            self.site.take_mail(device, body)
            self.look()

        self.later(0.0, take)

    def _read_disk(self) -> Agent:
        place = self.place
        ledger = Ledger(fleet=fleet.FLEET, anchor=fleet.anchor(), me=place.machine.id)
        place.disk.load(ledger)
        machine = place.machine
        identity = Identity(
            sign=machine.sign,
            seal=machine.seal,
            public=machine.keys,
            tls=b"",
            mesh=b"",
        )
        device = Device(
            identity=identity, store=place.disk, ledger=ledger, clock=place.wall
        )
        return Agent(
            device=device,
            journal=Log(place.told),
            facts=machine.facts,
            clock_set_by=lambda: self.wall.set_by(place.wall(), self.now),
        )

    def _make_mesh(self) -> SimMesh:
        place = self.place
        return SimMesh(
            device=place.machine.id,
            kernel=place.kernel,
            rng=place.kernel.random(f"mesh {place.names}"),
            ears=Ears(
                changed=self.look,
                mail=self._mail,
                send=place.send,
                send_by_broker=self._pass_on,
            ),
            booted_at=place.booted_at,
            sequence=max(0, int(place.wall() * 1000)),
        )

    def _make_site(self) -> SimSite:
        place = self.place
        return SimSite(
            agent=self.agent,
            mesh=self.mesh,
            leases=LeaseFiles(place.ram, place.containers, place.booted_at),
            memory=SimMemory(place.disk, place.ram),
            port=fleet.PORT,
            clock=lambda: self.now,
            bell=lambda: None,
            told=self.report_soon,
            learned=lambda: None,
            containers=place.containers,
            booted_at=place.booted_at,
        )

    def _make_work(self) -> Work:
        return Work(
            agent=self.agent,
            site=self.site,
            box=self.place.containers,
            later=self.later,
            look=self.look,
        )
