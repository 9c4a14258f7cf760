"""A shop of blank devices: an image built by edgectl, booted beside a lab's hub."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.image import packing
from edge.image.machine import Hardware
from edge.image.parts import Architecture
from edge.image.run import Guest
from edge.lab import guests, processes, state
from tests.support.labs import Lab, lab, wait

RECIPE = os.environ.get("TUTTI_RECIPE", "debian-amd64")
ARCHITECTURE: Architecture = "arm64" if RECIPE.endswith("arm64") else "amd64"
SITE = "shop"
JOINS_WITHIN = 400.0
"""Seconds for two emulated devices on two busy cores; alone, one takes 60."""
STEP = 2**30
"""Bytes that qemu-io writes at a time; it takes less than two billion."""
SSH = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")


@dataclass(frozen=True, slots=True)
class Shop:
    """A hub's lab, an image for its devices, and the devices."""

    lab: Lab
    image: Path
    guests: list[Guest] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    @property
    def key(self) -> Path:
        """The private key whose public half the image has."""
        return self.lab.folder / "key"

    def plug_in(self, number: int, clock: str = "utc") -> Guest:
        """Put a blank device on the lab's switch; it is off, and its clock says so."""
        made = state.recover(self.lab.name, self.lab.folder / "labs")
        cable = guests.attach(made, number)
        hardware = Hardware(
            architecture=ARCHITECTURE,
            serial=f"S{number}",
            mac=cable.mac,
            tap=cable.tap,
            clock=clock,
        )
        folder = self.lab.folder / f"guest{number}"
        guest = Guest(self.image, folder, hardware, cable.enter)
        self.guests.append(guest)
        self.addresses.append(cable.address)
        return guest

    def inside(self, number: int, command: str) -> str:
        """Run a shell command on device ``number``, counted from 0, as root."""
        done = self._ssh(number, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def code(self, number: int, command: str) -> int:
        """Return the exit code of a shell command on a device."""
        return self._ssh(number, command).returncode

    def wait_inside(self, number: int, command: str, within: float = 300.0) -> None:
        """Wait until a shell command succeeds on a device."""
        wait(lambda: self.code(number, command) == 0, command, within=within)

    def _ssh(self, number: int, command: str) -> subprocess.CompletedProcess[str]:
        words = ("ssh", "-q", *SSH, "-o", "ConnectTimeout=30", "-i", str(self.key))
        target = f"root@{self.addresses[number]}"
        return subprocess.run(
            [*words, target, command], capture_output=True, text=True, check=False
        )

    def end(self, process: str) -> None:
        """Kill one of the lab's processes: ``dhcp``, ``hub.edge-hub``."""
        os.kill(self._pid(process), signal.SIGKILL)

    @contextmanager
    def paused(self, process: str) -> Iterator[None]:
        """Let one of the lab's processes stand still: it takes calls, says nothing."""
        pid = self._pid(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _pid(self, process: str) -> int:
        made = state.recover(self.lab.name, self.lab.folder / "labs")
        found = processes.recall(made.processes / process)
        assert found is not None, process
        return found.pid

    def wipe(self, number: int, label: str) -> None:
        """Cut a device's power, and fill one partition of its disk with zeros."""
        block = (
            f"/sys/class/block/$(basename $(realpath /dev/disk/by-partlabel/{label}))"
        )
        told = self.inside(number, f"cat {block}/start {block}/size")
        start, size = (int(each) * 512 for each in told.split())
        guest = self.guests[number]
        guest.kill()
        for at in range(start, start + size, STEP):
            count = min(STEP, start + size - at)
            words = ("qemu-io", "-f", "qcow2", "-c", f"write -z {at} {count}")
            disk = str(guest.folder / "disk.qcow2")
            subprocess.run([*words, disk], check=True, capture_output=True)

    def members(self) -> list[dict[str, Any]]:
        """Return the devices that came from images and are ready."""
        rows = self.lab.rows_or_none("get", "nodes")
        return [
            r for r in rows if r["name"].startswith("tutti-") and r["state"] == "ready"
        ]

    def wait_for_members(self, count: int) -> list[dict[str, Any]]:
        """Return the members, once there are so many."""
        told = f"{count} devices are ready"
        try:
            wait(lambda: len(self.members()) == count, told, within=JOINS_WITHIN)
        except AssertionError as error:
            consoles = "\n".join(guest.console()[-1500:] for guest in self.guests)
            raise AssertionError(f"{error}\n{consoles}") from error
        return self.members()

    def serves(self, number: int, within: float = JOINS_WITHIN) -> None:
        """Wait until a device answers on its port."""
        words = ("curl", "-s", "-m", "2", f"http://{self.addresses[number]}:8080/")

        def answers() -> bool:
            return subprocess.run(words, capture_output=True, check=False).stdout != b""

        wait(answers, f"device {number} serves", within=within)


@contextmanager
def shop(folder: Path, *, uses: int = 3) -> Iterator[Shop]:
    """Build an image for a new lab's hub; devices are killed at the end."""
    with lab(folder, "--nodes", "1") as made:
        opened = Shop(made, folder / "shop.img")
        keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(opened.key))
        subprocess.run(keygen, check=True)
        (folder / "network.toml").write_text(
            f'insecure_registries = ["{made.registry}"]\n'
        )
        token = made.edgectl("token", "create", "--site", SITE, "--uses", str(uses))
        (folder / "join.toml").write_text(token.stdout)
        build(made)
        packing.unpack(
            folder / "shop.img.zst", opened.image, lambda _what, _share: None
        )
        try:
            yield opened
        finally:
            for guest in opened.guests:
                guest.kill()


def build(made: Lab) -> None:
    """Build the image as a person would."""
    began_at = time.monotonic()
    made.edgectl(
        *("image", "build", RECIPE, "--join", "join.toml"),
        *("--network", "network.toml", "--ssh-key", "key.pub", "-o", "shop.img.zst"),
    )
    size = (made.folder / "shop.img.zst").stat().st_size
    took = time.monotonic() - began_at
    print(f"\nimage: {size / 1e6:.0f} MB, built in {took:.0f} s")
