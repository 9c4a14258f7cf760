"""The agent itself: one small process that holds operator keys until their time is up.

Started by `edge.ctl.agent` with a socket that listens already. Other processes of the
same user may ask it, as with ssh-agent; none may look into it (it is not dumpable,
which also keeps it out of core files). It leaves when it holds nothing.
"""

import ctypes
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.ctl import agent, keyring
from edge.ctl.keyring import Keyring

REQUEST_WITHIN = 5.0  # seconds; a silent peer must not keep the others waiting longer
FIRST_KEY_WITHIN = 30.0  # seconds; who started it brings the key at once
LOOK_EVERY = 60.0  # seconds; sleeping longer would outlast a suspended machine's clock
PR_SET_DUMPABLE = 4  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Serve on an inherited socket until no key is left."""
    number, path = int(arguments[0]), Path(arguments[1])
    _hide()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(fileno=number) as listener:
        try:
            _serve(listener)
        finally:
            # Before the socket closes: whoever finds no socket starts another agent.
            with suppress(OSError):
                path.unlink()


def _serve(listener: socket.socket) -> None:
    ring, first_end = Keyring(), _now() + FIRST_KEY_WITHIN
    while True:
        now = _now()
        ring.drop_expired(now)
        end = ring.next_end or first_end
        if end <= now:
            return
        listener.settimeout(min(end - now, LOOK_EVERY))
        try:
            peer, _ = listener.accept()
        except TimeoutError:
            continue
        with peer, suppress(OSError):
            _answer(peer, ring)
        if not ring.held:
            first_end = min(first_end, _now() + REQUEST_WITHIN)


def _answer(peer: socket.socket, ring: Keyring) -> None:
    if not agent.is_ours(peer):
        return
    peer.settimeout(REQUEST_WITHIN)
    with peer.makefile("rb") as stream:
        line = stream.readline(keyring.MESSAGE_MAX)
    peer.sendall(msgspec.json.encode(ring.answer(line, _now())) + b"\n")


def _hide() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


if __name__ == "__main__":
    main(sys.argv[1:])
