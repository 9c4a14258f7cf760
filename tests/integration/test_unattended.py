"""`edge-node run --unattended` with a real hub: nobody helps but a card."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.lab import state
from tests.support import images
from tests.support.labs import Lab, lab, python_environment, wait

NAME = "blank"
WATCHDOG = 6_000_000  # microseconds; systemd's own unit


class Device:
    """A device beside a lab's, whose init system and card we are."""

    def __init__(self, made: Lab, folder: Path) -> None:
        """Make its folders, an empty card, and the socket its init listens on."""
        self.lab, self.folder = made, folder
        self.card = folder / "card"
        self.card.mkdir(parents=True)
        self.init = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.init.bind(str(folder / "notify"))
        self.init.settimeout(30)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def join(self) -> Path:
        """The join file on its card."""
        return self.card / "join.toml"

    def start(self) -> None:
        """Start the daemon as the image's unit does."""
        found = state.recover(self.lab.name, self.lab.folder / "labs").machine("n1")
        enter = ("nsenter", f"--net=/run/netns/{found.namespace}")
        words = ("-m", "node.cli", "run", "--unattended", "--join", str(self.join))
        folders = ("--state", str(self.folder / "state"), "--run", str(self.run))
        others = ("--name", NAME, "--podman", f"unix://{self.folder}/no.sock")
        environment = {
            **python_environment(),
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "WATCHDOG_USEC": str(WATCHDOG),
            "EDGE_NODE_MESH_PORT": "8446",  # the lab's own device has the other
        }
        command = [*enter, sys.executable, *words, *folders, *others]
        self.process = subprocess.Popen(command, env=environment)

    @property
    def run(self) -> Path:
        """Its run folder."""
        return self.folder / "run"

    def stop(self) -> None:
        """End the daemon as systemd does, and wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None
            (self.run / "status.json").unlink(missing_ok=True)

    def heard(self) -> str:
        """Return the next message to its init."""
        return self.init.recv(4096).decode()

    def note(self) -> dict[str, Any]:
        """Return what its console is told."""
        try:
            return json.loads((self.run / "enrolment.json").read_text())
        except (OSError, ValueError):
            return {}

    def wait_for(self, text: str) -> None:
        """Wait until its console is told something."""
        wait(lambda: text in self.note().get("text", ""), text)

    def serves(self) -> bool:
        """Whether the daemon got to work."""
        return (self.run / "status.json").exists()

    def names(self) -> set[str]:
        """Return who is in the fleet."""
        return {row["name"] for row in self.lab.rows("get", "nodes")}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """Return a blank device on the LAN of a lab."""
    with lab(tmp_path_factory.mktemp("unattended"), "--nodes", "1") as made:
        blank = Device(made, made.folder / NAME)
        yield blank
        blank.stop()
        blank.init.close()


@pytest.fixture(scope="module")
def good(device: Device) -> str:
    """Return the text of a join file that two devices may use."""
    return device.lab.edgectl("token", "create", "--site", "shop", "--uses", "2").stdout


def test_without_a_join_file_it_waits_and_lives(device: Device) -> None:
    """Its init hears that it is up, and goes on hearing of it."""
    device.start()
    assert device.heard() == "READY=1"
    device.wait_for("no join file on the card")
    assert "WATCHDOG=1" in device.heard()
    assert device.process is not None
    assert device.process.poll() is None


def test_a_damaged_join_file_is_said(device: Device) -> None:
    """The reason is the parser's own."""
    device.join.write_text("fleet = ")
    device.wait_for("it is damaged")
    assert device.note()["state"] == "waiting"
    assert device.join.exists()


def test_a_good_one_makes_it_a_member(device: Device, good: str) -> None:
    """Without a hand; the file is removed, the daemon serves and says that it lives."""
    device.join.write_text(good)
    wait(device.serves, "it serves")
    assert NAME in device.names()
    assert not device.join.exists()
    heard = [device.heard() for _ in range(3)]
    assert "WATCHDOG=1" in heard[-1]


def test_another_fleet_s_card_changes_nothing(device: Device) -> None:
    """It stays what it is, and the file, which is not ours, stays where it is."""
    device.stop()
    device.join.write_text(images.join_text("other"))
    device.start()
    wait(device.serves, "it serves")
    assert device.join.exists()
    device.join.unlink()


def test_damaged_keys_are_kept_and_a_new_device_joins(
    device: Device, good: str
) -> None:
    """Only when a card allows it, and under another name."""
    device.stop()
    for path in (device.folder / "state").glob("keys*"):
        path.write_bytes(b"\0" * path.stat().st_size)
    device.start()
    device.wait_for("no join file on the card")
    assert not device.serves()
    kept = device.folder / "state" / "aside" / "1"
    assert (kept / "keys.json").exists()
    device.join.write_text(good)
    wait(device.serves, "it serves")
    assert {NAME, f"{NAME}-2"} <= device.names()
