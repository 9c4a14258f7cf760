"""Before the network, at every boot of an image: who this device is, and how it talks.

Reads ``network.toml`` from the card, names the device and writes what the system's
programs read, all below /run. A card that is missing, damaged or wrong never stops a
boot: the device then uses DHCP, and its console says what is wrong with the card.
``python -m node.firstboot``, because the small start is worth it on a slow board.
"""

import hashlib
import json
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge import networkfile
from edge.errors import ConfigError
from edge.networkfile import NetworkFile
from node import hardware, hostfiles

CARD = "run/tutti/card"
NAMES = "var/lib/tutti-firstboot/name"
NOTE = "run/tutti/card.json"
"""What was wrong with the card, for the console."""
NO_CARD = "the partition TUTTI cannot be read"
NAME_BYTES = 4
NAME = re.compile(r"tutti-[0-9a-f]{8}")


def prepare(root: Path, is_there: Callable[[Path], bool] = Path.is_mount) -> str:
    """Write everything below ``root``/run; return the host name to be set.

    ``is_there`` tells a card from the empty folder it would be mounted on.
    """
    card = root / CARD
    network, problem = NetworkFile(), NO_CARD
    with suppress(OSError):  # a worn-out card fails when it is only looked at
        if is_there(card):
            network, problem = read_card(card)
    name = network.hostname or own_name(root)
    for place, text in hostfiles.render(network, name).items():
        _write(root / "run" / place, text)
    _write(root / NOTE, json.dumps({"problem": problem}))
    return name


def read_card(card: Path) -> tuple[NetworkFile, str]:
    """Return what the card says, and what is wrong with it: "" for nothing."""
    try:
        with (card / "network.toml").open("rb") as file:
            text = file.read(networkfile.FILE_MAX + 1).decode()
        return networkfile.parse(text), ""
    except FileNotFoundError:
        return NetworkFile(), ""
    except (OSError, UnicodeDecodeError) as error:
        return NetworkFile(), f"cannot read network.toml: {error}"
    except ConfigError as error:
        return NetworkFile(), str(error)


def own_name(root: Path) -> str:
    """Return the name this device gave itself, or gives itself now, from its hardware.

    It is kept: a network card that is found late must not rename a device.
    """
    kept = hardware.text(root / NAMES)
    if NAME.fullmatch(kept):
        return kept
    told = f"{hardware.serial(root)} {hardware.mac(root)}".strip()
    digest = hashlib.sha256(told.encode()).digest() if told else secrets.token_bytes(8)
    name = f"tutti-{digest[:NAME_BYTES].hex()}"
    try:
        _write(root / NAMES, name)
    except OSError as error:
        print(f"firstboot: cannot keep the name {name}: {error}", file=sys.stderr)
    return name


def _write(path: Path, text: str) -> None:
    """Write a file that is whole or not there; readable for the program it is for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)  # it may hold passwords, from its first byte on
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.chmod(0o600 if path.suffix == ".conf" and "wpa" in path.parts else 0o644)
    fresh.replace(path)


def main() -> None:
    """Prepare this device; exit 1 when not even /run takes a file."""
    try:
        name = prepare(Path("/"))
        socket.sethostname(name)
    except OSError as error:
        sys.exit(f"firstboot: cannot prepare this device: {error}")
    print(f"firstboot: this is {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
