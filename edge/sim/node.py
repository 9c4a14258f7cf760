"""A device in the simulator: power, sleep, disk, clock, and a daemon while it runs.

What decides is real: `node.agent` (judging, storing, sharing), `node.site` with
`node.failover`, `netmesh.membership`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.sim import fleet
from edge.sim.broker import Broker
from edge.sim.daemon import Daemon
from edge.sim.disk import Content, Disk
from edge.sim.fleet import Machine
from edge.sim.kernel import Kernel, Line, Trace
from edge.sim.network import Network
from edge.sim.place import Place
from edge.sim.runtime import Containers, Interval
from edge.sim.site import Ram
from edge.trust import Accepted, Ledger, judge
from netmesh.view import Address
from node.journal import Event

UP_AT = 5.0
"""CLOCK_BOOTTIME when the daemon of a fresh boot begins."""
RESTARTS_AFTER = (0.5, 2.0)
"""Seconds until systemd starts a daemon that died."""
SHOWN = frozenset(
    {
        "alive", "brake", "clock", "damaged", "dead", "failed", "homeless", "kept",
        "leaving", "moved", "refused", "takeover", "yielded",
    }
)  # fmt: skip
"""Kinds of events that belong into a timeline."""


@dataclass(slots=True, kw_only=True)
class Around:
    """The world as a device sees it."""

    kernel: Kernel
    network: Network
    broker: Broker
    trace: Trace
    record: list[Interval]
    names: dict[str, str]
    """Device id → name."""
    at: dict[Address, "Node"] = field(default_factory=dict)
    """Who has which address."""


@dataclass(slots=True, kw_only=True)
class Node:
    """One device."""

    machine: Machine
    around: Around
    disk: Disk = field(init=False)
    containers: Containers = field(init=False)
    ram: Ram = field(default_factory=Ram)
    daemon: Daemon | None = None
    address: str = ""
    booted_at: float = 0.0
    clock_is_off: float = 0.0
    """Seconds the wall clock is ahead of the world's."""
    is_on: bool = False
    is_asleep: bool = False
    wakes_at: float = 0.0
    backups: list[Content] = field(default_factory=list)
    starts: int = 0
    restored: int = 0
    """How often an old disk was put back."""
    checked: Callable[["Node"], None] = lambda _: None
    """Called after each start of the daemon."""

    def __post_init__(self) -> None:
        """Stand there, enrolled and without power."""
        name, around = self.machine.name, self.around
        self.disk = Disk(around.kernel.random(f"disk {name}"))
        self._enrol()
        self.containers = Containers(
            node=name,
            kernel=around.kernel,
            trace=around.trace,
            rng=around.kernel.random(f"containers {name}"),
            told=self._look,
            record=around.record,
        )
        self.move(self.machine.address)

    @property
    def name(self) -> str:
        """Return the name people know it by."""
        return self.machine.name

    def boot(self) -> None:
        """Give it power."""
        if self.is_on:
            return
        self.is_on = True
        self.booted_at = self.around.kernel.now - UP_AT
        self.ram = Ram()
        self.containers.guard()
        self.say("boot", "boots")
        self.start()

    def kill(self) -> None:
        """Take its power."""
        if not self.is_on:
            return
        self.say("kill", "loses power")
        self.is_on = self.is_asleep = False
        self.end()
        self.containers.power_cut()

    def start(self) -> None:
        """Start its daemon."""
        if not self.is_on or self.daemon is not None:
            return
        self.starts += 1
        self.daemon = Daemon(place=self._place())
        if self.is_asleep:
            self.daemon.freeze(self.wakes_at)
        self.checked(self)

    def end(self) -> None:
        """End its daemon at once."""
        if self.daemon is not None:
            self.daemon.end()
            self.daemon = None

    def sleep(self, until: float) -> None:
        """Suspend the whole machine."""
        if self.is_on and not self.is_asleep:
            self.say("suspend", "falls asleep")
            self.is_asleep, self.wakes_at = True, until
            self.containers.sleep()
            self.freeze(until)

    def wake(self) -> None:
        """Let it go on."""
        if self.is_asleep:
            self.say("resume", "wakes up")
            self.is_asleep = False
            self.containers.wake()

    def freeze(self, until: float) -> None:
        """Stop its daemon, not what it runs."""
        if self.daemon is not None:
            self.daemon.freeze(until)

    def move(self, address: str) -> None:
        """Give it another address, as a DHCP server does."""
        at = self.around.at
        at.pop((self.address, fleet.PORT), None)
        self.address = address
        at[(address, fleet.PORT)] = self
        if self.daemon is not None:
            self.daemon.report_soon()

    def receive(self, datagram: bytes, source: Address) -> None:
        """Take in what its wire brought."""
        if self.daemon is not None and not self.is_asleep:
            self.daemon.mesh.receive(datagram, source)

    def wall(self) -> float:
        """Return its wall clock."""
        return max(0.0, fleet.EPOCH + self.around.kernel.now + self.clock_is_off)

    def say(self, kind: str, text: str, slot: str = "") -> None:
        """Put something into the timeline."""
        now = self.around.kernel.now
        line = Line(at=now, kind=kind, node=self.name, text=text, slot=slot)
        self.around.trace.add(line)

    def _look(self) -> None:
        if self.daemon is not None:
            self.daemon.look()

    def _send(self, datagram: bytes, address: Address) -> None:
        around = self.around
        target = around.at.get(address)
        if target is None:
            return
        after = around.network.datagram(self.name, target.name, len(datagram))
        if after is not None:
            source = (self.address, fleet.PORT)
            around.kernel.after(after, lambda: target.receive(datagram, source))

    def _told(self, event: Event) -> None:
        if event.kind in SHOWN:
            slot = event.subject if "/" in event.subject else ""
            text = event.text if slot else f"{event.subject}: {event.text}"
            self.say(event.kind, text, slot)

    def _place(self) -> Place:
        around = self.around
        return Place(
            machine=self.machine,
            kernel=around.kernel,
            broker=around.broker,
            disk=self.disk,
            ram=self.ram,
            containers=self.containers,
            booted_at=self.booted_at,
            wall=self.wall,
            address=lambda: self.address,
            told=self._told,
            send=self._send,
            name_of=lambda device: around.names.get(device, ""),
            names=f"{self.name} {self.starts}",
        )

    def _enrol(self) -> None:
        """Put on its disk what enrolling leaves there."""
        site = self.machine.site
        ledger = Ledger(fleet=fleet.FLEET, anchor=fleet.anchor(), me=self.machine.id)
        member = fleet.member(self.name, site)[1]
        for data in (fleet.trust(), fleet.voucher(site), member):
            verdict = judge(data, ledger, fleet.EPOCH)
            assert isinstance(verdict, Accepted), verdict  # noqa: S101 - made here
            ledger.record(verdict)
            self.disk.keep([verdict], ledger)
