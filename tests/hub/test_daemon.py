from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.errors import ConfigError
from hub import daemon
from hub.state import State
from tests.support.builders import DAY, HUB, NOW, empty_ledger


def state(floor: float) -> State:
    """A hub whose fleet reached that time."""
    return State(hub=HUB.public, ledger=empty_ledger(floor=floor))


def test_a_hub_does_not_start_in_the_past() -> None:
    """Its broker would refuse every device."""
    with pytest.raises(ConfigError, match="says 1970-01-01, the fleet had 2027-01-14"):
        daemon.check_clock(state(NOW), 0.0)


def test_an_operators_clock_may_be_a_little_ahead() -> None:
    """And a hub without a fleet may boot at any time."""
    daemon.check_clock(state(NOW), NOW - DAY / 2)
    daemon.check_clock(state(0.0), 0.0)


def test_one_folder_has_one_hub(tmp_path: Path) -> None:
    """Two would sign different things with the same numbers."""
    with (
        daemon.locked(tmp_path),
        pytest.raises(ConfigError, match="running already"),
        daemon.locked(tmp_path),
    ):
        pass
    with daemon.locked(tmp_path):
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the next command."""
    with (
        pytest.raises(ConfigError, match="edge-hub init"),
        daemon.locked(tmp_path / "nowhere"),
    ):
        pass


@dataclass
class Waiting:
    """What the loop asks of a desk."""

    state: State
    now: float = NOW

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("decides_at", "seconds"),
    [(None, 60.0), (NOW + 5.0, 5.0), (NOW - 5.0, 0.1), (NOW + 999.0, 60.0)],
)
def test_a_rollout_says_when_it_is_looked_at_again(
    decides_at: float | None, seconds: float
) -> None:
    """Never in a hurry, and never later than everything else."""
    made = state(NOW)
    made.decides_at = decides_at
    assert daemon.patience(Waiting(made)) == seconds
