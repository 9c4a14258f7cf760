"""A bad network and a busy processor are no death.

The worlds here are short; those of `just sim-quiet` last an hour.
"""

import pytest

from edge.sim import draws, verdict

LASTS = 120.0


@pytest.mark.parametrize("seed", [11, 12])
def test_slow_network_is_never_taken_for_a_death(seed: int) -> None:
    """20 % loss, 50 to 250 ms, one device with stalls of 300 ms."""
    found = verdict.play_quiet(draws.quiet(seed, LASTS))
    assert found.problems == ()
