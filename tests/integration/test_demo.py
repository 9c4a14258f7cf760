"""README's first command does what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.lab import demo

ROOT = Path(__file__).parent.parent.parent


def traces() -> set[str]:
    """Namespaces and switches that a demo left on this machine."""
    places = (Path("/run/netns"), Path("/sys/class/net"), Path("/run/tutti"))
    return {
        str(path)
        for place in places
        for path in (place.iterdir() if place.is_dir() else ())
        if path.name == demo.NAME or path.name.startswith(f"{demo.NAME}-")
    }


@pytest.mark.timeout(300)
def test_the_demo_plays_to_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    """Every step did what it says, and the machine is as it was."""
    played = subprocess.run(
        [sys.executable, "-m", "edge.lab.demo"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    )
    assert played.returncode == 0, played.stdout[-2000:] + played.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []
    assert traces() == set()
