"""Lets faults happen to a world, and ends them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge.sim import network
from edge.sim.broker import Broker
from edge.sim.faults import Fault
from edge.sim.kernel import Kernel
from edge.sim.network import Network, Weather
from edge.sim.node import Node
from edge.sim.operator import Operator
from edge.sim.watch import Watch
from node.memory import MEMORY

BACKUPS_AT = (3.0, 14.0)
"""When the disks are copied that a fault puts back: before and after the deploy."""
DAMAGED = b"\0damaged"
BOOT_TAKES = (2.0, 6.0)
"""Seconds from power to the start of the daemon."""
STALL_EVERY = 0.5
"""Seconds between stalls of a busy processor, on average."""
STALL_MAX = 0.3
MOVES_BY, ADDRESSES = 120, 240
"""How far an address moves, within how many: the second move is back."""


@dataclass(slots=True, kw_only=True)
class Luck:
    """Everything that goes wrong."""

    kernel: Kernel
    network: Network
    broker: Broker
    operator: Operator
    watch: Watch
    weather: Weather
    """How the wires are when nothing is wrong with them."""
    say: Callable[[str, str, str], None]
    """Kind, device, text: for the timeline."""

    def come(self, faults: Iterable[Fault], busy: Iterable[str]) -> None:
        """Put into the calendar what is to happen."""
        for each in faults:
            self._arrange(each)
        for name in busy:
            self._stall(self._nodes[name])
        for at in BACKUPS_AT:
            self.kernel.at(at, self._back_up)

    @property
    def _nodes(self) -> Mapping[str, Node]:
        return self.operator.nodes

    def _arrange(self, fault: Fault) -> None:
        self.kernel.at(fault.at, lambda: self._begin(fault))
        if fault.until is not None:
            self.kernel.at(fault.until, lambda: self._end(fault))

    def _begin(self, fault: Fault) -> None:
        if fault.kind not in {"kill", "suspend", "old-disk"}:
            self.say(f"fault {fault.kind}", fault.node, fault.text or fault.kind)
        begin = self._on_node(fault) if fault.node else self._on_world(fault)
        begin()

    def _on_node(self, fault: Fault) -> Callable[[], None]:
        node = self._nodes[fault.node]
        until = fault.until if fault.until is not None else float("inf")
        found: dict[str, Callable[[], None]] = {
            "kill": lambda: self._kill(node, fault),
            "old-disk": lambda: self._kill(node, fault),
            "crash": node.end,
            "pause": lambda: node.freeze(until),
            "suspend": lambda: self._suspend(node, until),
            "clock": lambda: setattr(node, "clock_is_off", fault.value),
            "full": lambda: setattr(node.disk, "is_full", True),
            "address": lambda: self._move(node),
            "leave": lambda: node.daemon.leave() if node.daemon else None,
            "stop": lambda: self._stop(node),
        }
        return found[fault.kind]

    def _on_world(self, fault: Fault) -> Callable[[], None]:
        match fault.kind:
            case "cut":
                return lambda: self.network.cut(fault.pairs)
            case "weather":
                return lambda: setattr(self.network, "weather", self._weather(fault))
            case "wipe":
                return self.broker.wipe
            case "restart":
                return self.operator.hub.restart
            case _:
                site = self._nodes[fault.names[0]].machine.site
                return lambda: self.operator.change_voters(site, fault.names[0])

    def _end(self, fault: Fault) -> None:
        node = self._nodes.get(fault.node)
        match fault.kind:
            case "kill" | "old-disk" if node is not None:
                self._boot(node)
            case "crash" if node is not None:
                node.start()
            case "suspend" if node is not None:
                self.network.heal(network.around(node.name, self._everywhere))
                node.wake()
            case "clock" if node is not None:
                node.clock_is_off = 0.0
            case "full" if node is not None:
                node.disk.is_full = False
            case "cut":
                self.say("heal", fault.node, fault.text.replace("cut ", "heal "))
                self.network.heal(fault.pairs)
            case "weather":
                self.network.weather = self.weather
            case _:
                pass

    def _kill(self, node: Node, fault: Fault) -> None:
        node.kill()
        if fault.kind == "old-disk":
            self._spoil(node)
            self.watch.restored(node)

    def _spoil(self, node: Node) -> None:
        """Put an old disk back, or damage what failover remembered on this one."""
        found = [*node.backups, None]
        backup = self.kernel.random(f"spoil {node.name} {node.starts}").choice(found)
        if backup is None:
            node.disk.content.files[MEMORY] = DAMAGED
            node.say("old-disk", "forgets who holds what: the file is damaged")
        else:
            node.disk.restore(backup)
            node.say("old-disk", "gets a disk from an old backup")

    def _boot(self, node: Node) -> None:
        takes = self.kernel.random(f"boot {node.name} {node.starts}")
        self.kernel.after(takes.uniform(*BOOT_TAKES), node.boot)

    def _suspend(self, node: Node, until: float) -> None:
        self.network.cut(network.around(node.name, self._everywhere))
        node.sleep(until)

    def _move(self, node: Node) -> None:
        head, _, last = node.address.rpartition(".")
        node.move(f"{head}.{(int(last) + MOVES_BY) % ADDRESSES}")

    def _stop(self, node: Node) -> None:
        for slot in sorted(node.containers.running)[:1]:
            node.containers.crash(slot)

    def _weather(self, fault: Fault) -> Weather:
        now = self.weather
        return Weather(loss=fault.value, delay=now.delay, jitter=now.jitter)

    @property
    def _everywhere(self) -> list[str]:
        return [*sorted(self._nodes), network.HUB, network.BROKER]

    def _back_up(self) -> None:
        for node in self._nodes.values():
            node.backups.append(node.disk.snapshot())

    def _stall(self, node: Node) -> None:
        rng = self.kernel.random(f"busy {node.name}")

        def stall() -> None:
            node.freeze(self.kernel.now + rng.random() * STALL_MAX)
            self.kernel.after(rng.expovariate(1 / STALL_EVERY), stall)

        self.kernel.after(rng.random(), stall)
