"""A client under constant load: it knows the addresses, and retries the next one."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bench import answers

PAUSE = 0.01
"""Seconds between two requests of one client."""
PATIENCE = 2.0
"""Seconds for one answer: who refuses does so at once, a busy machine is slow."""
CLIENTS = 2


@dataclass(slots=True)
class Load:
    """What became of the requests."""

    addresses: Sequence[str]
    answered: int = 0
    failed: int = 0
    """Requests that no address answered."""
    refused: Counter[str] = field(default_factory=Counter)
    """Tries that an address did not answer."""
    most_refused: int = 0
    """The most addresses that did not answer one request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, first: int) -> None:
        """Make one request, beginning with one of the addresses."""
        refused = []
        for turn in range(len(self.addresses)):
            address = self.addresses[(first + turn) % len(self.addresses)]
            if answers.answers(address, patience=PATIENCE):
                break
            refused.append(address)
        self._count(refused)

    def _count(self, refused: list[str]) -> None:
        with self.lock:
            is_failed = len(refused) == len(self.addresses)
            self.failed += is_failed
            self.answered += not is_failed
            self.refused.update(refused)
            self.most_refused = max(self.most_refused, len(refused))


@contextmanager
def load(addresses: Sequence[str]) -> Iterator[Load]:
    """Ask all the time, each client at another address first, until the block ends."""
    made, ended = Load(addresses), threading.Event()

    def client(number: int) -> None:
        turn = number
        while not ended.is_set():
            made.ask(turn)
            turn += 1
            time.sleep(PAUSE)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for each in threads:
        each.start()
    try:
        yield made
    finally:
        ended.set()
        for each in threads:
            each.join()
