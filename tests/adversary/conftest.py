"""The seed of an attack, told to whoever watches the run."""

import sys

import pytest

from tests.adversary import attack


@pytest.fixture(scope="session")
def the_seed() -> int:
    """Return the seed; the same for all targets of one process."""
    return attack.seed()


@pytest.fixture
def seed(the_seed: int, capfd: pytest.CaptureFixture[str]) -> int:
    """Return the seed after it was told, so that a failure can be repeated."""
    with capfd.disabled():
        sys.stderr.write(f"\nadversary: TUTTI_SEED={the_seed}\n")
    return the_seed
