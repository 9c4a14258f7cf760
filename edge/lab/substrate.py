"""A lab from the outside: up, down, and the faults of its machines.

`Substrate` puts the parts together: the switch, machines with power or without, the
registry with its ready-made images, Podman's sockets, and processes that others start
on the machines. What is true is read from the host each time, never remembered, so
any command may follow a crash of any other. One command at a time: they wait for each
other on the lab's folder.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge import files
from edge.errors import LabError
from edge.lab import (
    filters,
    network,
    podman,
    power,
    processes,
    programs,
    registry,
    sockets,
    state,
    web,
)
from edge.lab.layout import LabLayout, Machine

ENDS_WITHIN = 5.0  # what a daemon gets to end by itself before it is killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is true of a machine now: ``loss`` is in per cent, each way."""

    machine: Machine
    powered: bool
    connected: bool
    loss: float


class Substrate:
    """The machines of one lab. Every method raises `LabError` when it cannot."""

    def __init__(self, lab: LabLayout) -> None:
        self.lab = lab

    def up(self) -> None:
        """Bring up everything that is missing; take it all back if that fails.

        A lab that is up gets back what it lost: machines without power are booted.
        """
        programs.check()
        state.check_claim(self.lab)
        existing = state.load(self.lab.name, self.lab.home)
        if existing is not None and existing != self.lab:
            problem = f"cannot bring up lab {self.lab.name}: another is there"
            raise LabError(f"{problem}; `edgectl lab down` it first, or use --name")
        with self._alone():
            state.claim(self.lab)
            try:
                self._up()
                if existing is None:
                    registry.check_reachable(self.lab, self.lab.hub)
            except BaseException:
                if existing is None:
                    self._down()
                raise

    def down(self) -> None:
        """Remove the lab and all traces of it; nothing there is fine.

        Give it the layout from `edge.lab.state.recover`: it works without a record.
        """
        state.check_claim(self.lab)
        with self._alone():
            self._down()

    def boot(self, name: str) -> Machine:
        """Give a machine its power back; its disk is as the last power loss left it."""
        machine = self.lab.machine(name)
        with self._alone():
            if _is_powered(self.lab, machine):
                raise LabError(f"cannot boot {name}: it has power; kill it first")
            self._boot(machine)
            sockets.ensure(self.lab)
        return machine

    def kill(self, name: str) -> None:
        """Take a machine's power: the link first, then everything on it."""
        machine = self.lab.machine(name)
        with self._alone():
            power.cut_off(self.lab, machine)

    def cut(self, name: str) -> None:
        """Pull the machine's cable."""
        network.set_link(self.lab, self._powered(name), up=False)

    def heal(self, name: str) -> None:
        """Plug the cable in again, and end the loss on it."""
        machine = self._powered(name)
        filters.set_loss(self.lab, machine, 0)
        network.set_link(self.lab, machine, up=True)

    def lose(self, name: str, percent: float) -> None:
        """Lose ``percent`` of the packets each way; 0 ends it."""
        filters.set_loss(self.lab, self.lab.machine(name), percent)

    def conditions(self) -> tuple[Condition, ...]:
        """Return what is true of every machine now."""
        ports, losses = network.ports(self.lab), filters.losses(self.lab)
        return tuple(
            Condition(
                machine=machine,
                powered=machine.namespace_path.exists() and machine.port in ports,
                connected=ports.get(machine.port, False),
                loss=losses.get(machine.port, 0.0),
            )
            for machine in self.lab.machines
        )

    def enter(self, name: str) -> tuple[str, ...]:
        """Return the prefix that runs a command line on a machine."""
        return ("nsenter", f"--net={self._powered(name).namespace_path}")

    def podman(self, name: str) -> tuple[str, ...]:
        """Return the command line of a node's Podman, up to its verb."""
        machine = self._powered(name)
        if not machine.has_podman:
            raise LabError(f"cannot run podman on {name}: only nodes run containers")
        return podman.command(machine)

    def start(
        self, name: str, title: str, argv: Sequence[str], environ: Mapping[str, str]
    ) -> int:
        """Start a detached process on a machine and return its pid.

        ``title`` is what `end` and `pid_of` know it by; its log is `log_of` it.
        ``environ`` is its whole environment: nothing of the caller's gets in.
        """
        machine = self._powered(name)
        if self.pid_of(name, title) is not None:
            raise LabError(f"cannot start {title} on {name}: it runs; end it first")
        process = processes.start(
            argv,
            environ=environ,
            log=self.log_of(name, title),
            namespace=machine.namespace_path,
        )
        processes.record(self._record(name, title), process)
        return process.pid

    def end(self, name: str, title: str, *, within: float = ENDS_WITHIN) -> None:
        """End a process that `start` started: SIGTERM, then SIGKILL; gone is fine."""
        path = self._record(name, title)
        process = processes.recall(path)
        if process is not None:
            processes.end(process, within=within)
        files.remove(path)

    def pid_of(self, name: str, title: str) -> int | None:
        """Return the pid of a process that `start` started, None when it is gone."""
        process = processes.recall(self._record(name, title))
        return process.pid if process else None

    def log_of(self, name: str, title: str) -> Path:
        """Return where a process that `start` started writes to; it outlives boots."""
        return self.lab.logs / f"{name}.{title}.log"

    def _up(self) -> None:
        state.save(self.lab)
        network.lay(self.lab)
        registry.start(self.lab)
        for machine in self.lab.machines:
            if not _is_powered(self.lab, machine):
                self._boot(machine)
        sockets.ensure(self.lab)
        registry.wait(self.lab)
        web.push(self.lab)

    def _boot(self, machine: Machine) -> None:
        # What a crash or a reboot of the host left is cleared as a power loss would.
        power.cut_off(self.lab, machine)
        power.turn_on(self.lab, machine)

    def _down(self) -> None:
        sockets.stop(self.lab)
        for machine in self.lab.machines:
            power.cut_off(self.lab, machine)
        registry.stop(self.lab)
        network.remove(self.lab)
        # Nothing may be mounted when folders are emptied: it would be emptied too.
        power.unmount(self.lab.run, self.lab.folder)
        shutil.rmtree(self.lab.run, ignore_errors=True)
        state.release(self.lab)
        _remove(self.lab.folder)

    def _powered(self, name: str) -> Machine:
        machine = self.lab.machine(name)
        if not machine.namespace_path.exists():
            raise LabError(f"cannot reach {name}: it has no power; boot it first")
        return machine

    def _record(self, name: str, title: str) -> Path:
        return self.lab.processes / f"{name}.{title}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lab's folder, made if need be, against other commands."""
        descriptor = _lock(self.lab.folder)
        try:
            yield
        finally:
            os.close(descriptor)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise LabError(f"cannot remove {folder}: {error.strerror}") from error


def _lock(folder: Path) -> int:
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_same(folder, descriptor):
            return descriptor
        os.close(descriptor)  # `down` removed it while we waited


def _is_same(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_powered(lab: LabLayout, machine: Machine) -> bool:
    return machine.namespace_path.exists() and machine.port in network.ports(lab)
