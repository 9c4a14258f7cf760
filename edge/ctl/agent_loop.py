"""The agent's loop: answer one request at a time until no key is left to hold."""

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
SHORTEST = 0.001  # seconds; 0 would not wait, less is not a timeout at all
PR_SET_DUMPABLE = 4  # linux/prctl.h


def serve(number: int, path: Path) -> None:
    """Serve on an inherited listening socket until no key is left."""
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
    ring, first_key_by = Keyring(), _now() + FIRST_KEY_WITHIN
    while True:
        ring.drop_expired(_now())
        end = ring.next_end if ring.was_used else first_key_by
        if end is None or end <= _now():
            return
        listener.settimeout(min(max(end - _now(), SHORTEST), LOOK_EVERY))
        with suppress(TimeoutError):
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                _answer(peer, ring)


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
