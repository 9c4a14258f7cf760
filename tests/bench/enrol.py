"""Twenty devices enrol at once: from the start of each one's daemon to *ready*.

A device is ready when the hub has its first report: it has its keys, proved its join
token, got its certificate, connected to the broker over TLS and was heard. The time is
the one the hub wrote beside the report; the row shows up within a second, and may by
then be that of a second report, so the figure is never too small.

All daemons share the machine's cores with the hub, the broker and each other: on a real
fleet each has its own.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from edge.lab import layout
from edge.lab.fleet import LabFleet
from edge.lab.layout import LabLayout
from edge.lab.substrate import Substrate
from node import status
from tests.bench import diary, measure
from tests.bench.fleet import FOLDER_PREFIX
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.support import labs

DEVICES = 20
AT_MOST = 10.0
SHARE = 0.95
WITHIN = 120.0
LOOK_EVERY = 0.1


class Recruits(LabFleet):
    """A lab that remembers when it started what, and asks the hub nothing meanwhile."""

    def __init__(self, substrate: Substrate) -> None:
        super().__init__(substrate, measure.progress)
        self.started: dict[str, float] = {}

    def start(self, name: str) -> None:
        """Start a machine's program and note when."""
        self.started[name] = time.time()
        super().start(name)

    def wait_ready(self) -> None:
        """Wait until the hub has a report of every device."""
        end = time.monotonic() + WITHIN
        while len(found := diary.reported_at(self.lab)) < len(self.lab.nodes):
            if time.monotonic() > end:
                raise BenchFailed(f"only {len(found)} devices enrolled")
            time.sleep(LOOK_EVERY)

    def took(self) -> list[float]:
        """Return each device's seconds from start to ready, in the order of starts."""
        reported = diary.reported_at(self.lab)
        return [
            reported[_device(self.lab, node.name)] - self.started[node.name]
            for node in self.lab.nodes
        ]


def options(parser: argparse.ArgumentParser) -> None:
    """Say how many."""
    parser.add_argument("--devices", type=int, default=DEVICES)


def measured(chosen: argparse.Namespace) -> Report:
    """Bring a lab up and time its devices."""
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder,
        labs.subnet() as octet,
    ):
        _use(Path(folder))
        places = layout.parse_places(chosen.devices, None)
        home = layout.homes(os.environ)
        lab = layout.plan(f"t{octet}", f"10.{octet}.0.0/24", places, home)
        recruits = Recruits(Substrate(lab))
        try:
            recruits.up()
            values = recruits.took()
        finally:
            recruits.down()
    return _report(values, recruits.started)


def _use(folder: Path) -> None:
    """Keep keys and lab below ``folder``: this process and what it starts."""
    os.environ["EDGE_HOME"] = str(folder / "home")
    os.environ["EDGE_LAB_HOME"] = str(folder / "labs")
    os.environ["PYTHONPATH"] = str(measure.ROOT)


def _device(lab: LabLayout, node: str) -> str:
    run = lab.machine(node).run / "node"
    return str(status.read(run)["device"])


def _report(values: list[float], started: dict[str, float]) -> Report:
    figure = Figure(what="start → ready", who="tutti", unit="s", values=tuple(values))
    at = [when for name, when in started.items() if name.startswith("n")]
    return Report(
        bench="enrol",
        figures=(figure,),
        targets=(
            Target(
                what=f"start → ready, p95 of {len(values)} devices",
                value=figure.percentile(SHARE),
                at_most=AT_MOST,
                unit="s",
            ),
        ),
        notes=(f"all were started within {max(at) - min(at):.1f} s",),
    )
