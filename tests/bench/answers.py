"""When does it answer? Asks every ten milliseconds from outside, over HTTP.

The same for every system measured. A question that hangs is given up soon and asked
again on a new connection: while a container's network is being made a packet may get
lost, and the kernel would repeat it only after a second.
"""

import http.client
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from tests.bench.measure import BenchFailed

PORT = 8080
PATH = "/healthz"  # a file: the ready-made image answers / by starting a program
ASK_EVERY = 0.01
"""Seconds; three askers then take 3 % of a core from what they watch."""
PATIENCE = 0.2  # seconds for one answer; a container with a quarter of a core needs 0.1
OK = 200


def answers(address: str, port: int = PORT, patience: float = PATIENCE) -> bool:
    """Return whether a 200 comes back now, within ``patience`` seconds."""
    with closing(http.client.HTTPConnection(address, port, timeout=patience)) as asked:
        try:
            asked.request("GET", PATH)
            return asked.getresponse().status == OK
        except (OSError, http.client.HTTPException):
            return False


def first(address: str, within: float, port: int = PORT) -> float:
    """Return the wall-clock time of the first answer, in seconds since the epoch."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if answers(address, port):
            return time.time()
        time.sleep(ASK_EVERY)
    raise BenchFailed(f"no answer from {address}:{port} within {within:g} s")


class Watch:
    """Waits for the first answer of several addresses at once, beside other work."""

    def __init__(self, addresses: Iterable[str], within: float) -> None:
        """Begin to ask now."""
        wanted = tuple(addresses)
        self._pool = ThreadPoolExecutor(len(wanted))
        self._found = [self._pool.submit(first, each, within) for each in wanted]

    def last(self) -> float:
        """Return the wall-clock time when the last of them gave its first answer."""
        try:
            return max(each.result() for each in self._found)
        finally:
            self._pool.shutdown(cancel_futures=True)


def wait_silent(addresses: Iterable[str], within: float = 60.0) -> None:
    """Return when none of them answers any more."""
    end = time.monotonic() + within
    for address in addresses:
        while answers(address):
            if time.monotonic() > end:
                raise BenchFailed(f"{address} still answers after {within:g} s")
            time.sleep(ASK_EVERY)
