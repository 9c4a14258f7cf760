"""What every test runs under: repeatable examples, and a limit on each test's time."""

import os
from pathlib import Path

import hypothesis
import pytest

REAL_PARTS = Path(__file__).parent / "integration"

# A lab of three devices boots in 15 s; a machine twice as slow must still pass.
REAL_PARTS_TIMEOUT = 300

# No deadline for one example: a busy neighbour on two cores is not a bug of ours.
hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
# CI tries the same examples each time, so that red means the change and nothing else.
hypothesis.settings.register_profile(
    "repeatable", parent=hypothesis.settings.get_profile("here"), derandomize=True
)
# `./dev check` looks at each law; `./dev test` tries to break it.
hypothesis.settings.register_profile(
    "quick", parent=hypothesis.settings.get_profile("repeatable"), max_examples=10
)
hypothesis.settings.load_profile("repeatable" if "CI" in os.environ else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives real parts, and give it the time they need."""
    for item in items:
        if REAL_PARTS in item.path.parents:
            item.add_marker(pytest.mark.integration)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(REAL_PARTS_TIMEOUT))
