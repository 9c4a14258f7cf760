"""`node.store` through real power cuts; needs root.

A device's disk is cut while documents, counters and the share are written: what boots
afterwards is the device before the step or after it, whole, never damaged.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from edge import trust
from node.store import Store
from tests.integration import test_files_power
from tests.integration.test_files_power import stand_still, told
from tests.support import builders as a

machine = test_files_power.machine

N1 = a.Device("n1")
CUTS = 30
LONGEST_LIFE = 0.03  # seconds between two cuts: a few steps

LIVE = """
import sys
from pathlib import Path
from tests.integration.test_store_power import live
live(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def live(folder: Path, count: Path) -> None:
    """Be a device that gets a newer revision all the time, and never end.

    The number noted is 2 n when revision n is kept, 2 n + 1 when the share says so.
    """
    store, ledger = Store(folder), a.empty_ledger(me=N1.id, counts_uses=False)
    for each in a.enrolled(N1):
        keep(store, ledger, each)
    number = 0
    while True:
        number += 1
        keep(store, ledger, a.signed(a.deployment("web", number)))
        told(count, 2 * number)
        places = [a.place("web/web.1", number)]
        store.write_places(places)
        store.prune(ledger, places)
        told(count, 2 * number + 1)


def keep(store: Store, ledger: trust.Ledger, data: bytes) -> None:
    """Take one document as the agent does."""
    verdict = trust.judge(data, ledger, a.NOW)
    assert isinstance(verdict, trust.Accepted)
    ledger.record(verdict)
    store.keep([verdict], ledger)


@contextmanager
def living(folder: Path, count: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let a device live in a process of its own until the block ends."""
    count.write_bytes(b"")
    words = [sys.executable, "-c", LIVE, str(folder), str(count)]
    process = subprocess.Popen(words, cwd=Path(__file__).parents[2])
    try:
        end = time.monotonic() + 30
        while not count.stat().st_size:
            assert process.poll() is None, "the device failed"
            assert time.monotonic() < end, "the device does nothing"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_cut_anywhere_leaves_the_device_before_or_after_a_step(machine, tmp_path):
    """Its newest revision, its share, and the revision that the share names."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    rng = Random(seed)
    with living(machine.disk / "state", tmp_path / "count") as process:
        for _ in range(CUTS):
            time.sleep(rng.uniform(0, LONGEST_LIFE))
            stand_still(process)
            done = int((tmp_path / "count").read_bytes())
            with machine.booted() as disk:
                check(Store(disk / "state"), done)
            process.send_signal(signal.SIGCONT)


def check(store: Store, done: int) -> None:
    """Hold a device that boots to what it had been told."""
    store.sweep()
    ledger = a.empty_ledger(me=N1.id, counts_uses=False)
    store.load(ledger)
    assert (store.damaged, store.mended, store.missing) == ([], [], set())
    assert ledger.members[N1.id].member.name == "n1"
    assert ledger.deployments["web"].version in {done // 2, (done + 1) // 2}
    runs = [place.version for place in store.read_places()] or [0]
    assert runs[0] in {(done - 1) // 2, done // 2}
    if runs[0]:
        assert store.deployment("web", runs[0]) is not None
