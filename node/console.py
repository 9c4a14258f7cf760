"""What a device without a keyboard shows: who it is, where, and how far it has come.

``python -m node.console TTY…`` writes to each terminal there is, whenever something
changed and never otherwise: a serial port has a reader who scrolls. Nothing is read
from a terminal: nobody logs in. The QR code carries the line an operator compares.
"""

import fcntl
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from edge import legible

LOOK_EVERY = 3.0
"""Seconds; a look costs three small reads."""
RUN = Path("/run/tutti-node")
PREPARED = Path("/run/tutti")
"""Where what runs before us says what is wrong with the card, and with the disk."""
NOTE_MAX = 1024 * 1024
SIOCGIFADDR = 0x8915  # netdevice(7)
IFREQ = "256s"
CLEAR = "\x1b[2J\x1b[H"
"""Empties a screen; a terminal that logs shows it as two lines of nothing."""
STATES = {
    "waiting": "waits",
    "looking": "looks for its hub",
    "refused": "was refused",
    "enrolled": "is enrolled",
    "damaged": "begins anew: its state was damaged",
    "starts": "starts",
}


def facts(run: Path, prepared: Path) -> dict[str, Any]:
    """Return what there is to show; what cannot be read is left out."""
    note, status = _read(run / "enrolment.json"), _read(run / "status.json")
    return {
        "name": socket.gethostname(),
        "addresses": addresses(Path("/")),
        "card": _read(prepared / "card.json").get("problem", ""),
        "disk": _read(prepared / "state.json").get("problem", ""),
        "note": {key: note.get(key, "") for key in ("state", "text", "device", "hub")},
        "status": {
            key: status[key]
            for key in ("name", "device", "fleet", "site", "ready", "hub")
            if key in status
        },
        "running": len(status.get("replicas", ())),
    }


def paint(shown: Mapping[str, Any], code: str) -> str:
    """Return the lines of the console; ``code`` is a QR code in text, "" for none."""
    note, status = shown["note"], shown["status"]
    rows = (
        ("Tutti", status.get("name") or shown["name"]),
        ("state", _state(note, status, shown["running"])),
        ("", "" if status else note["text"]),
        *((part, shown[part]) for part in ("disk", "card")),
        ("address", " ".join(shown["addresses"]) or "none yet"),
        ("hub", note["hub"]),
        ("device", fingerprint(shown)),
    )
    # Nothing but this program begins a line: a hub that lies might add a fingerprint.
    lines = [f"{part:<8}{legible.line(str(text))}" for part, text in rows if text]
    return "\r\n".join(("", *lines, *code.splitlines(), ""))


def fingerprint(shown: Mapping[str, Any]) -> str:
    """Return the device's identifier: the hash of its keys, "" before it has any."""
    return str(shown["status"].get("device") or shown["note"]["device"] or "")


def _state(note: Mapping[str, str], status: Mapping[str, Any], running: int) -> str:
    if not status:
        return STATES.get(note["state"] or "starts", note["state"])
    ready = "ready" if status.get("ready") else "enrolled, waits for an operator's word"
    place = f"{status.get('fleet', '')}/{status.get('site', '')}"
    work = "1 replica" if running == 1 else f"{running} replicas"
    return f"{ready} in {place}, {work}, hub {status.get('hub', '')}"


def addresses(root: Path) -> list[str]:
    """Return the addresses of network cards, IPv4 first; loopback is none."""
    cards = sorted((root / "sys/class/net").glob("*/device"))
    names = [card.parent.name for card in cards]
    return [*filter(None, map(_ipv4, names)), *_ipv6(root, names)]


def _ipv4(card: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack(IFREQ, card[:15].encode())
        try:
            answer = fcntl.ioctl(any_socket, SIOCGIFADDR, request)
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def _ipv6(root: Path, names: Sequence[str]) -> list[str]:
    try:
        lines = (root / "proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    found = sorted((w[5], IPv6Address(bytes.fromhex(w[0]))) for w in words)
    return [str(address) for name, address in found if name in names]


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(NOTE_MAX))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def qr(text: str) -> str:
    """Return a QR code as text, two dots a character; "" without the library."""
    import io

    import segno  # 2 MiB, and nothing to show before a device has its keys

    out = io.StringIO()
    segno.make(text, micro=False, error="m").terminal(out, compact=True, border=2)
    return out.getvalue()


def write(terminals: Sequence[Path], text: str) -> None:
    """Write to every terminal that is there."""
    for terminal in terminals:
        with suppress(OSError):
            # Never our controlling terminal, and one that is stuck is passed by.
            flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
            descriptor = os.open(terminal, flags)
            try:
                os.write(descriptor, (CLEAR + text).encode())
            finally:
                os.close(descriptor)


def main() -> None:
    """Show what changed, for ever."""
    terminals = [Path(each) for each in sys.argv[1:]]
    last, code, coded = None, "", ""
    while True:
        shown = facts(RUN, PREPARED)
        if shown != last:
            if (device := fingerprint(shown)) != coded:
                code, coded = qr(device), device
            write(terminals, paint(shown, code))
            last = shown
        time.sleep(LOOK_EVERY)


if __name__ == "__main__":
    main()
