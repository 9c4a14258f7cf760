"""Faults on real parts, in an order that only the seed decides.

Each is begun, lasts for a while, and is ended. Up to two at a time; never more than one
device without power, so that a majority of three can carry on.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from edge.errors import LabError
from edge.lab import state
from edge.lab.fleet import NODE_PROGRAM, LabFleet
from edge.lab.layout import BROKER, HUB
from edge.lab.substrate import Substrate
from tests.support.hands import faketime
from tests.support.labs import Lab

AT_ONCE = 2
SHORTEST, LONGEST = 1.5, 9.0  # seconds a fault lasts
APART = 1.5
YEAR = 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, and how it is ended."""

    name: str
    node: str
    end: Callable[[], None]


@dataclass(slots=True)
class Storm:
    """A lab and what is wrong with it."""

    lab: Lab
    seed: int
    fleet: LabFleet = field(init=False)
    rng: Random = field(init=False)
    log: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _open: list[tuple[float, Fault]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the lab's parts."""
        found = state.load(self.lab.name, self.lab.folder / "labs")
        assert found is not None
        self.fleet = LabFleet(Substrate(found), self.log.append)
        self.rng = Random(self.seed)

    @property
    def nodes(self) -> list[str]:
        """The names of all devices."""
        return [each.name for each in self.fleet.lab.nodes]

    def rage(self, seconds: float) -> None:
        """Let things go wrong for a while, then end all of it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._end_due(time.monotonic())
            if len(self._open) < AT_ONCE:
                self._begin()
            time.sleep(self.rng.uniform(APART / 2, APART))
        self.calm()

    def calm(self) -> None:
        """End every fault, give everybody power, start what is not running."""
        self._end_due(float("inf"))
        for name in (HUB, BROKER, *self.nodes):
            with suppress(LabError):
                self.fleet.boot(name)
        self.fleet.heal(None)
        for name in (HUB, *self.nodes):
            self.fleet.start(name)

    def _begin(self) -> None:
        busy = {each.node for _, each in self._open}
        node = self.rng.choice([each for each in self.nodes if each not in busy])
        kinds = [each for each in KINDS if not (each is power and self._is_dark())]
        kind = self.rng.choice(kinds)
        lasts = self.rng.uniform(SHORTEST, LONGEST)
        self._say(f"{kind.__name__} {node} for {lasts:.1f} s")
        fault = kind(self, node)
        self._open.append((time.monotonic() + lasts, fault))

    def _is_dark(self) -> bool:
        return any(each.name == "power" for _, each in self._open)

    def _end_due(self, now: float) -> None:
        for due, fault in [each for each in self._open if each[0] <= now]:
            self._open.remove((due, fault))
            self._say(f"end of {fault.name} {fault.node}")
            fault.end()

    def _say(self, text: str) -> None:
        line = f"{time.monotonic() - self.began:6.1f}  {text}"
        self.log.append(line)
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress


def nothing() -> None:
    """What ends by itself."""


def daemon(storm: Storm, node: str) -> Fault:
    """Kill edge-node with -9; its init starts it again after a while."""
    _kill_program(storm, node)
    return Fault(name="daemon", node=node, end=lambda: storm.fleet.start(node))


def guard(storm: Storm, node: str) -> Fault:
    """Kill the guard with -9; the daemon finds out."""
    for pid in _mentioning("guard.sh", f"/{storm.lab.name}/{node}/"):
        _kill(pid)
    return Fault(name="guard", node=node, end=nothing)


def container(storm: Storm, node: str) -> Fault:
    """Kill the first process of every container with -9; it is started again."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (path / "environ").read_bytes()
            if b"EDGE_NODE=" + node.encode() + b"\0" in environment:
                mounts = (path / "mountinfo").read_text()
                if f"{storm.lab.state}/" in mounts:
                    _kill(int(path.name))
    return Fault(name="container", node=node, end=nothing)


def power(storm: Storm, node: str) -> Fault:
    """Take a device's power; what it had not written is gone."""
    storm.fleet.substrate.kill(node)
    return Fault(name="power", node=node, end=lambda: storm.fleet.boot(node))


def cable(storm: Storm, node: str) -> Fault:
    """Pull a device's cable."""
    storm.fleet.substrate.cut(node)
    return Fault(name="cable", node=node, end=lambda: storm.fleet.substrate.heal(node))


def deaf(storm: Storm, node: str) -> Fault:
    """Drop all that a device would receive."""
    storm.fleet.faults.one_way(node, "in")
    return Fault(name="deaf", node=node, end=lambda: storm.fleet.heal(node))


def mute(storm: Storm, node: str) -> Fault:
    """Drop all that a device sends."""
    storm.fleet.faults.one_way(node, "out")
    return Fault(name="mute", node=node, end=lambda: storm.fleet.heal(node))


def loss(storm: Storm, node: str) -> Fault:
    """Lose a fifth of everybody's packets."""
    for each in storm.nodes:
        storm.fleet.substrate.lose(each, 20)

    def end() -> None:
        for each in storm.nodes:
            storm.fleet.substrate.lose(each, 0)

    return Fault(name="loss", node=node, end=end)


def hang(storm: Storm, node: str) -> Fault:
    """Stop edge-node where it is (SIGSTOP)."""
    with suppress(LabError):
        storm.fleet.freeze(node)

    def end() -> None:
        with suppress(LabError):
            storm.fleet.thaw(node)

    return Fault(name="hang", node=node, end=end)


def hog(storm: Storm, node: str) -> Fault:
    """Keep a processor busy."""
    storm.fleet.faults.hog(node, 1, LONGEST)
    return Fault(name="hog", node=node, end=nothing)


def partition(storm: Storm, node: str) -> Fault:
    """Divide one device from the others; hub and broker are reached by all."""
    others = [each for each in storm.nodes if each != node]
    storm.fleet.faults.partition([[node], others])
    return Fault(name="partition", node=node, end=lambda: storm.fleet.heal(node))


def clock(storm: Storm, node: str) -> Fault:
    """Set a device's wall clock back by years; its daemon starts anew with it."""
    _kill_program(storm, node)
    machine = storm.fleet.lab.machine(node)
    words, environment = storm.fleet.program(node)
    lies = {
        "LD_PRELOAD": faketime(),
        "FAKETIME": f"-{storm.rng.randrange(1, 40) * YEAR}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    storm.fleet.substrate.start(
        machine.name, NODE_PROGRAM, words, {**environment, **lies}
    )

    def end() -> None:
        _kill_program(storm, node)
        storm.fleet.start(node)

    return Fault(name="clock", node=node, end=end)


def away(storm: Storm, node: str) -> Fault:
    """Cut hub and broker off."""
    for each in (HUB, BROKER):
        storm.fleet.substrate.cut(each)

    def end() -> None:
        for each in (HUB, BROKER):
            storm.fleet.substrate.heal(each)

    return Fault(name="away", node=node, end=end)


def wiped(storm: Storm, node: str) -> Fault:
    """Kill the broker with -9 and delete what it kept."""
    home = storm.fleet.lab.hub.state
    for pid in _mentioning("mosquitto", str(home)):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "mosquitto":
            _kill(pid)
    for path in home.rglob("mosquitto.db"):
        path.unlink(missing_ok=True)
    return Fault(name="wiped", node=node, end=nothing)


def hub(storm: Storm, node: str) -> Fault:
    """Kill the hub with -9; its init starts it again after a while."""
    pid = storm.fleet.substrate.pid_of(HUB, storm.fleet.program_of(HUB))
    if pid is not None:
        _kill(pid)
    return Fault(name="hub", node=node, end=lambda: storm.fleet.start(HUB))


KINDS: tuple[Callable[[Storm, str], Fault], ...] = (
    *(daemon, guard, container, power, power, cable, cable, deaf, mute, loss),
    *(hang, hog, partition, clock, away, wiped, hub),
)


def _kill_program(storm: Storm, node: str) -> None:
    pid = storm.fleet.substrate.pid_of(node, NODE_PROGRAM)
    if pid is not None:
        _kill(pid)
        with suppress(OSError):
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.01)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _mentioning(*words: str) -> Iterator[int]:
    """Yield the processes whose command line has all of these."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if all(word in line for word in words):
                yield int(path.name)
