"""``edge-node`` started by hand on a lab's machine: with another clock, disk or name.

Whoever uses it ends the machine's own daemon first: two on one Podman undo each other.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.device import CERTIFICATE
from tests.support.labs import ROOT, Lab

FAKETIME = "libfaketime.so.1"
ENDS_WITHIN = 10.0


@dataclass(slots=True, kw_only=True)
class Hand:
    """One device: its name, its disk, and the process while it runs."""

    lab: Lab
    machine: str
    name: str
    join: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    """Added to the daemon's environment."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Path:
        """The device's disk."""
        return self.lab.machine(self.machine) / self.name

    @property
    def run(self) -> Path:
        """Its memory."""
        return Path("/run/tutti") / self.lab.name / self.machine / f"node-{self.name}"

    @property
    def log(self) -> Path:
        """What the daemon says; a new file with each start."""
        return self.lab.folder / f"{self.name}.log"

    @property
    def said(self) -> str:
        """Return what the daemon said since its last start."""
        return self.log.read_text() if self.log.exists() else ""

    def words(self, verb: str) -> list[str]:
        """Return the command line of a verb of edge-node for this device."""
        inside = f"--net=/run/netns/{self.lab.name}-{self.machine}"
        folders = ["--state", str(self.state), "--run", str(self.run)]
        node = [sys.executable, "-m", "node.cli", verb]
        return ["nsenter", inside, *node, *folders]

    def start(self) -> None:
        """Start the daemon; it goes on by itself."""
        socket = Path("/run/tutti") / self.lab.name / self.machine / "podman.sock"
        words = [*self.words("run"), "--name", self.name, "--join", str(self.join)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*words, "--podman", f"unix://{socket}"],
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.extra},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the daemon; return its exit code. One that ended already is fine."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(ENDS_WITHIN)
            raise

    def code(self, within: float = 20.0) -> int:
        """Return the exit code of a daemon that ends by itself."""
        assert self.process is not None
        return self.process.wait(within)

    @property
    def is_alive(self) -> bool:
        """Whether the daemon runs."""
        return self.process is not None and self.process.poll() is None

    def ask(self, verb: str) -> Any:
        """Return what ``edge-node VERB -o json`` prints, None while it cannot."""
        done = subprocess.run(
            [*self.words(verb), "-o", "json"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    def events(self, kind: str) -> list[str]:
        """Return the texts of the device's own events of a kind."""
        return [each["text"] for each in self.ask("events") if each["kind"] == kind]

    def is_ready(self) -> bool:
        """Whether the hub lists it as ready."""
        return self.state_at_hub() == "ready"

    def state_at_hub(self) -> str:
        """Return what the hub says of it, "" when it knows nothing."""
        rows = self.lab.rows("get", "nodes")
        return next((row["state"] for row in rows if row["name"] == self.name), "")

    @property
    def certificate(self) -> bytes:
        """The client certificate, as it is on disk."""
        return (self.state / CERTIFICATE).read_bytes()


@contextmanager
def hand(lab: Lab, machine: str, name: str, join: Path, **extra: str) -> Iterator[Hand]:
    """Lend a device that is not started yet; end it afterwards, whatever happens."""
    device = Hand(lab=lab, machine=machine, name=name, join=join, extra=extra)
    try:
        yield device
    finally:
        device.end(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Clock:
    """A wall clock to put before a daemon: it can be set while the daemon runs."""

    path: Path

    def set(self, when: str) -> None:
        """Set it: ``@1970-01-02 00:00:00`` goes on from there, ``+0`` is the truth."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(when)
        fresh.replace(self.path)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program believe it; the monotonic clocks stay as they are."""
        return {
            "LD_PRELOAD": faketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def faketime() -> str:
    """Return the library that lies about the time (Debian package libfaketime)."""
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    assert found, "libfaketime is not installed: run ./dev, or apt-get install faketime"
    return str(found[0])


def daemon(lab: Lab, machine: str, program: str = "edge-node") -> int:
    """Return the pid of a machine's own program, as the lab wrote it down."""
    record = lab.state / "processes" / f"{machine}.{program}"
    return int(json.loads(record.read_bytes())["pid"])


def end_daemon(
    lab: Lab, machine: str, program: str = "edge-node", within: float = 10.0
) -> None:
    """End a machine's own program, by its pid, and wait until it is gone."""
    pid = daemon(lab, machine, program)
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        end = time.monotonic() + within
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end, f"{program} on {machine} does not end"
            time.sleep(0.02)
    finally:
        os.close(descriptor)
