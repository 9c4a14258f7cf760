"""The same seed gives the same world, whatever else the process did before."""

import os
import subprocess
import sys

import pytest

from edge.sim import __main__ as sim


def digest(seed: int, kind: str) -> str:
    """The identity of everything that happened."""
    return sim.replay(seed, kind).digest


@pytest.mark.parametrize("kind", ["general", "strict"])
def test_same_seed_gives_the_same_trace(kind: str) -> None:
    """Or no failure could be looked at twice."""
    assert digest(7, kind) == digest(7, kind)


def test_another_seed_gives_another_trace() -> None:
    """Or every world were the same."""
    assert digest(7, "general") != digest(8, "general")


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_order_of_sets_changes_nothing(hash_seed: str) -> None:
    """Python orders strings in sets differently in each process."""
    done = subprocess.run(
        [sys.executable, "-m", "edge.sim", "7"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == f"digest {digest(7, 'general')}"
