"""Plays many worlds on several processors and says how many broke a law.

    python -m tests.sim.campaign --seeds 10000 -j2 strict
    python -m tests.sim.campaign --seconds 180 --seeds 300 general

``--seeds`` are played at least; with ``--seconds`` more of them until that has passed.
Seeds begin at ``--first``, by default a fresh number each time.
"""

import argparse
import gc
import multiprocessing
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from itertools import count

from edge.sim import __main__ as sim
from tests.sim import rollouts

SAID_EVERY = 10.0  # seconds between lines of progress
FAILURES_MAX = 5  # then it is enough
FRESH = 2**31
ROLLOUTS = "rollouts"
GARBAGE_AFTER = 100_000  # objects: a world is short, looking for its cycles costs 20 %


@dataclass(frozen=True)
class Played:
    """One world's result, small enough to be handed between processes."""

    seed: int
    problems: tuple[str, ...]


@dataclass
class Tally:
    """What came of all of them so far."""

    kind: str
    played: int = 0
    failed: list[Played] = field(default_factory=list)
    began_at: float = field(default_factory=time.monotonic)

    @property
    def lasted(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began_at

    def add(self, found: Played) -> None:
        """Count one, and show a failure with the command that plays it again."""
        self.played += 1
        if found.problems:
            self.failed.append(found)
            say(f"seed {found.seed} broke a law; again: {replay(found, self.kind)}")
            for each in found.problems[:3]:
                say(f"    {each}")


def replay(found: Played, kind: str) -> str:
    """The command that plays a world again."""
    if kind == ROLLOUTS:
        return f"python -m tests.sim.rollouts {found.seed}"
    return f"python -m edge.sim {found.seed} {kind}"


def say(text: str) -> None:
    """Print at once: somebody is waiting."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def play(work: tuple[str, int]) -> Played:
    """Play one world."""
    gc.set_threshold(GARBAGE_AFTER)
    kind, seed = work
    try:
        if kind == ROLLOUTS:
            return Played(seed, rollouts.replay(seed).problems)
        found = sim.replay(seed, kind)
    except Exception as error:  # noqa: BLE001 - one world must not end the others
        return Played(seed, (f"the simulator failed: {error!r}",))
    return Played(seed, found.problems)


def run(kind: str, first: int, seeds: int, seconds: float, jobs: int) -> Tally:
    """Play until both are over, the number and the time.

    A worker that is killed from outside ends all of it, with an error.
    """
    tally, said_at = Tally(kind), time.monotonic()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting: set[Future[Played]] = set()
        for work in _work(tally, first, seeds, seconds):
            waiting.add(pool.submit(play, work))
            if len(waiting) >= 2 * jobs:
                waiting = _count(tally, waiting)
            if time.monotonic() - said_at >= SAID_EVERY:
                said_at = time.monotonic()
                per_seed = tally.lasted * jobs / max(1, tally.played)
                say(f"{tally.played} of {seeds} played, {per_seed:.2f} s each")
        while waiting:
            waiting = _count(tally, waiting)
    return tally


def _count(tally: Tally, waiting: set[Future[Played]]) -> set[Future[Played]]:
    """Wait for one at least; return those that still play."""
    done, others = wait(waiting, return_when=FIRST_COMPLETED)
    for each in done:
        tally.add(each.result())
    return others


def _work(
    tally: Tally, first: int, seeds: int, seconds: float
) -> Iterator[tuple[str, int]]:
    """Seeds in order, until there were enough of them, or enough broke a law."""
    for number in count():
        is_enough = number >= seeds and tally.lasted >= seconds
        if is_enough or len(tally.failed) >= FAILURES_MAX:
            return
        yield tally.kind, first + number


def main() -> int:
    """Play, and return 1 if a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["general", "strict", "quiet", ROLLOUTS])
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--first", type=int)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    asked = parser.parse_args()
    first = secrets.randbelow(FRESH) if asked.first is None else asked.first
    say(f"{asked.kind} worlds from seed {first} on")
    tally = run(asked.kind, first, asked.seeds, asked.seconds, asked.jobs)
    verdict = f"{len(tally.failed)} broke a law" if tally.failed else "every law held"
    say(f"{tally.played} {asked.kind} worlds in {tally.lasted:.0f} s: {verdict}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
