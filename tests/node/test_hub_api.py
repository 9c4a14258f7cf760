"""Calls to a hub end, whatever is at the other end of the wire."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from edge import tls
from edge.errors import Unreachable
from node import hub_api
from node.hub_api import HubApi

BEGIN = bytes.fromhex("16 0303 4000")
"""A TLS record of a handshake, of 16 KiB (RFC 8446, section 5.1)."""


@contextmanager
def dripping() -> Iterator[str]:
    """Serve a hub that is never silent and never done; yield its URL."""
    ended = threading.Event()

    def serve() -> None:
        with suppress(OSError):  # the other side has had enough
            talking, _ = listening.accept()
            with talking:
                talking.sendall(BEGIN)
                while not ended.wait(0.02):
                    talking.sendall(b"\0")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def test_a_hub_that_is_never_done_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an end to the whole call this would not return: no byte is late."""
    monkeypatch.setattr(hub_api, "CALL_MAX", 0.3)
    with dripping() as url, pytest.raises(Unreachable, match="no whole answer in"):
        HubApi(url, tls.unverified_context()).trust(0)


def test_a_hub_that_is_gone_is_named() -> None:
    """Nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        url = f"https://127.0.0.1:{once.getsockname()[1]}"
    with pytest.raises(Unreachable, match=f"cannot reach the hub at {url}"):
        HubApi(url, tls.unverified_context()).trust(0)
