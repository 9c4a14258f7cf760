"""Tells systemd how this daemon is: the sd_notify protocol, without its library.

systemd.service(5), ``Type=notify`` and ``WatchdogSec=``: a daemon whose loop hangs is
ended and started again, and its containers, which are not its children, go on. Where
nobody supervises, nothing is said.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from edge import legible

SOCKET = "NOTIFY_SOCKET"
WATCHDOG = "WATCHDOG_USEC"
SHARE = 3
"""A sign of life comes this many times in what systemd allows between two."""
MICRO = 1e-6


def tell(*lines: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send lines such as ``READY=1``; a supervisor that does not listen is no fault.

    Each stays one line: what a hub said, in a ``STATUS=``, could order ``MAINPID=``.
    """
    address = environment.get(SOCKET, "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, as systemd spells it
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0)
        sender.sendto("\n".join(map(legible.line, lines)).encode(), address)


def alive_every(environment: Mapping[str, str] = os.environ) -> float:
    """Return seconds between signs of life, 0 where nobody waits for any."""
    allowed = environment.get(WATCHDOG, "")
    return int(allowed) * MICRO / SHARE if allowed.isdigit() else 0.0
