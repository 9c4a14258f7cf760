"""How long ``edgectl --help`` takes, beside a Python that does nothing.

Both are started as a person's shell would start them, the tool through its installed
script, with its bytecode compiled, as it is from the second start on. They take turns.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import measure
from tests.bench.measure import Figure, Report, Target

AT_MOST_MS = 150.0
MILLI = 1000
WARM_UP = 2  # starts not counted: the first reads everything from the disk


def options(parser: argparse.ArgumentParser) -> None:
    """Say how often."""
    parser.add_argument("--rounds", type=int, default=20)


def measured(chosen: argparse.Namespace) -> Report:
    """Start both in turns and time them from outside."""
    edgectl = (str(Path(sys.executable).with_name("edgectl")), "--help")
    nothing = (sys.executable, "-c", "pass")
    with tempfile.TemporaryDirectory() as folder:
        environment = measure.compiled(os.environ, Path(folder))
        turns = [
            (_wall(edgectl, environment), _wall(nothing, environment))
            for _ in range(WARM_UP + chosen.rounds)
        ]
    ours, bare = zip(*turns[WARM_UP:], strict=True)
    figure = Figure(what="--help", who="edgectl", unit="ms", values=ours)
    return Report(
        bench="cli",
        figures=(figure, Figure(what="-c pass", who="python", unit="ms", values=bare)),
        targets=(
            Target(
                what="edgectl --help",
                value=figure.median,
                at_most=AT_MOST_MS,
                unit="ms",
            ),
        ),
    )


def _wall(words: tuple[str, ...], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
    return (time.perf_counter() - began) * MILLI
