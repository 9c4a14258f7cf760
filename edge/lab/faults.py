"""What can go wrong on a lab that is up, beyond power and cables: `edgectl lab …`.

Each fault lasts until it is ended, by its own verb or by `heal`; a hog ends by itself.
Loss, one-way lines and partitions are the switch's and outlive a machine's power; a
delay, a frozen program and a hog go with it.
"""

import os
import signal
from collections.abc import Iterable, Sequence

from edge.errors import LabError
from edge.lab import delay, filters, processes
from edge.lab.filters import Direction
from edge.lab.layout import LabLayout, Machine
from edge.lab.substrate import Substrate

HOG = "hog"
HOG_FOR = 30.0
# $1 loops for $2 seconds; SIGTERM takes them along.
HOG_SCRIPT = """
trap 'trap - TERM; kill 0' TERM
while [ "$1" -gt "${count:=0}" ]; do
    timeout --foreground "$2" sh -c 'while :; do :; done' &
    count=$((count + 1))
done
wait
"""
STOPPED = "T"  # proc(5), /proc/PID/stat


class Faults:
    """The faults of one lab. Every method raises `LabError` when it cannot."""

    def __init__(self, substrate: Substrate) -> None:
        self._substrate = substrate
        self._lab: LabLayout = substrate.lab

    def one_way(self, name: str, direction: Direction) -> None:
        """Drop all a machine sends (``out``), or all it would receive (``in``)."""
        filters.set_one_way(self._lab, self._lab.machine(name), direction)

    def delay(self, name: str, least: float, most: float) -> None:
        """Hold up every frame each way for ``least`` to ``most`` seconds; 0 ends it."""
        self._substrate.enter(name)
        machine = self._lab.machine(name)
        if most > 0:
            delay.put(self._lab, machine, least, most)
        else:
            delay.take_away(self._lab, machine)

    def partition(self, groups: Sequence[Iterable[str]]) -> None:
        """Let no machine of a group reach one of another; who is in none reaches all.

        It replaces the partition before.
        """
        machines = [[self._lab.machine(name) for name in group] for group in groups]
        named = [machine.name for group in machines for machine in group]
        if len(set(named)) < len(named) or not all(machines):
            raise LabError("cannot divide the lab: name each machine in one group")
        filters.partition(self._lab, machines)

    def freeze(self, name: str, title: str) -> None:
        """Stop a program of a machine where it is; its kernel answers on."""
        os.kill(self._pid(name, title), signal.SIGSTOP)

    def thaw(self, name: str, title: str) -> None:
        """Let a frozen program go on; one that runs is left alone."""
        os.kill(self._pid(name, title), signal.SIGCONT)

    def hog(self, name: str, loops: int, seconds: float = HOG_FOR) -> None:
        """Keep processors busy from a machine, at no lower priority than anybody."""
        self._substrate.end(name, HOG)
        words = ("sh", "-c", HOG_SCRIPT, "sh", str(loops), f"{seconds:g}")
        self._substrate.start(name, HOG, words, {})

    def heal(self, name: str, title: str) -> None:
        """End every fault of a machine; power it has lost stays lost."""
        machine = self._lab.machine(name)
        filters.end_one_way(self._lab, machine)
        filters.release(self._lab, machine)
        delay.take_away(self._lab, machine)
        self._substrate.end(name, HOG)
        self._substrate.heal(name)
        if self._substrate.pid_of(name, title) is not None:
            self.thaw(name, title)

    def heal_all(self, titles: dict[str, str]) -> None:
        """End every fault of every machine that has power, and the partition.

        ``titles`` names the program of each machine.
        """
        filters.end_partition(self._lab)
        for condition in self._substrate.conditions():
            name = condition.machine.name
            if condition.powered:
                self.heal(name, titles.get(name, ""))
            else:
                filters.end_one_way(self._lab, condition.machine)
                filters.set_loss(self._lab, condition.machine, 0)

    def shown(self, titles: dict[str, str]) -> dict[str, tuple[str, ...]]:
        """Return the faults of each machine in words; loss and power are conditions."""
        one_ways, groups = filters.one_ways(self._lab), filters.groups(self._lab)
        return {
            machine.name: (
                *_one_way(one_ways.get(machine.port)),
                *_delay(delay.of(self._lab, machine)),
                *_partition(machine, groups),
                *self._programs(machine, titles.get(machine.name, "")),
            )
            for machine in self._lab.machines
        }

    def _programs(self, machine: Machine, title: str) -> Iterable[str]:
        pid = self._substrate.pid_of(machine.name, title) if title else None
        if pid is not None and processes.state(pid) == STOPPED:
            yield f"{title} is frozen"
        if self._substrate.pid_of(machine.name, HOG) is not None:
            yield "a hog is busy"

    def _pid(self, name: str, title: str) -> int:
        pid = self._substrate.pid_of(name, title)
        if pid is None:
            raise LabError(f"cannot find {title or 'a program'} on {name}: none runs")
        return pid


def _one_way(direction: Direction | None) -> Iterable[str]:
    if direction is not None:
        verb = {"in": "receives", "out": "sends"}[direction]
        yield f"nothing it {verb} arrives"


def _delay(span: tuple[float, float] | None) -> Iterable[str]:
    if span is not None:
        yield f"{span[0] * 1000:g} to {span[1] * 1000:g} ms late"


def _partition(machine: Machine, groups: Sequence[Sequence[str]]) -> Iterable[str]:
    for group in groups:
        if machine.port in group:
            rest = [port for port in group if port != machine.port]
            yield f"divided off with {', '.join(rest) or 'nobody'}"
