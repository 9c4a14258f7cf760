"""The first command of the README, as it stands."""

import subprocess
import sys
from pathlib import Path

from tests.support import labs


def test_the_demo_plays_and_leaves_nothing_behind(tmp_path):
    """Exit code 0, every step told, no namespace and no folder left."""
    with labs.subnet() as octet:
        done = subprocess.run(
            [sys.executable, "-m", "edge.lab.demo", "--octet", str(octet)],
            env={**labs.python_environment(), "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    steps = ("n3    ready", "3 of 3 work", "nowhere", "answers again", "took over")
    for told in (*steps, "web server", "later"):
        assert told in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
    assert not list(Path("/run/netns").glob(f"demo{octet}-*"))
