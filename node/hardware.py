"""What the hardware says of itself, read from /sys and /proc. Standard library only.

Nothing here is proof of anything: whoever owns a device can make it say what they like.
"""

import re
from contextlib import suppress
from pathlib import Path

MODEL_FILES = ("proc/device-tree/model", "sys/class/dmi/id/product_name")
SERIAL_FILES = ("proc/device-tree/serial-number", "sys/class/dmi/id/product_serial")
TEXT_MAX = 256
DEVICE = re.compile(
    r"(video[0-9]+|tty(USB|ACM|AMA)[0-9]+|i2c-[0-9]+|spidev[0-9.]+|gpiochip[0-9]+"
    r"|(dri/)?renderD[0-9]+|(snd/)?pcm[0-9A-Za-z]+|kvm)"
)
"""Device nodes people pass to containers, below /dev: as the kernel names the device,
or with the folder its node is in."""
NODE = "DEVNAME="
"""Begins the line of a device's uevent that says where its node is, below /dev."""
ETHERNET = "1"
"""ARPHRD_ETHER (if_arp.h): wireless cards say it as well."""
MEANINGLESS = frozenset(
    {
        "",
        "0",
        "0000000000000000",
        "0123456789",
        "1234567890",
        "default string",
        "n/a",
        "none",
        "not applicable",
        "not specified",
        "system serial number",
        "to be filled by o.e.m.",
        "unknown",
    }
)
"""What makers leave where a serial number belongs, in small letters."""


def model(root: Path) -> str:
    """Return what the maker calls this machine, "" where nothing says."""
    return next(filter(None, (text(root / name) for name in MODEL_FILES)), "")


def serial(root: Path) -> str:
    """Return the machine's serial number, "" where none is worth the name."""
    found = (text(root / name) for name in SERIAL_FILES)
    return next((each for each in found if each.lower() not in MEANINGLESS), "")


def mac(root: Path) -> str:
    """Return the hardware address of the first network card, "" without any.

    Bridges, tunnels and what containers bring have no device behind them.
    """
    for card in sorted((root / "sys/class/net").glob("*")):
        is_card = (card / "device").exists() and text(card / "type") == ETHERNET
        if is_card and (address := text(card / "address")):
            return address
    return ""


def cameras(root: Path) -> int:
    """Return how many devices take pictures; each has several nodes, one index 0."""
    nodes = (root / "sys/class/video4linux").glob("*/index")
    return sum(text(each) == "0" for each in nodes)


def devices(root: Path) -> tuple[str, ...]:
    """Return the nodes of devices that people pass to containers, sorted.

    From the kernel's list, not from /dev: our unit has a /dev of its own without any.
    """
    found: set[str] = set()
    with suppress(OSError):  # no sysfs
        for device in (root / "sys/dev/char").iterdir():
            # Most are terminals and cost no more than this.
            if DEVICE.fullmatch(_kernel_name(device)):
                found.add(_node(device))
    return tuple(sorted(f"/dev/{node}" for node in found if node))


def _kernel_name(device: Path) -> str:
    try:
        return device.readlink().name
    except OSError:
        return ""


def _node(device: Path) -> str:
    """Return where a device's node is below /dev: perhaps in a folder."""
    lines = text(device / "uevent").splitlines()
    node = next((each[len(NODE) :] for each in lines if each.startswith(NODE)), "")
    return node if DEVICE.fullmatch(node) else ""


def text(path: Path) -> str:
    """Return the first characters of a small file, "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(TEXT_MAX)
    except OSError:
        return ""
    # The device tree ends its strings with a zero byte.
    return content.decode(errors="replace").strip("\0\n\t ")
