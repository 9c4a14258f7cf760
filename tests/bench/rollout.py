"""A new version on three devices, one after the other, under constant load.

The image is there; what changes is a value of the environment. Each device has to be
healthy for ``--healthy-for`` seconds before the next one begins. The time is from Enter
to the end of ``edgectl deploy``. *Beyond* is what is left for each device when the time
it had to be healthy is taken off.

Swarm has the same three machines, one service with its host port, `service update` with
one task at a time. It never waits for a task to stay healthy before it goes on, so it
is measured twice: with a delay between two tasks as long as ours waits, and as it is.

Meanwhile two clients ask all the time, each with all three addresses; a request fails
when none of them answers.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import fleet as fleets
from tests.bench import measure, swarm
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.bench.swarm import Swarm
from tests.support import clients
from tests.support.clients import Load

DEVICES = 3
BEYOND_AT_MOST = 2.0
WITHIN = 120.0
SERVICE = "web"
ROLLOUT = """
[rollout]
strategy = "rolling"
max_unavailable = 1
healthy_for = "{healthy_for:g}s"
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Say how often."""
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--swarm-rounds", type=int, default=5)
    parser.add_argument("--healthy-for", type=float, default=2.0, help="seconds")


def measured(chosen: argparse.Namespace) -> Report:
    """Change versions of ours, then of Swarm's."""
    with fleets.fleet("--nodes", str(DEVICES)) as fleet:
        fleet.pull()
        ours, load = _ours(fleet, chosen)
    waiting, plain = _theirs(chosen) if chosen.swarm_rounds else ([], [])
    return _report(chosen, ours, load, (waiting, plain))


def _ours(fleet: Fleet, chosen: argparse.Namespace) -> tuple[list[float], Load]:
    fleet.edgectl("deploy", fleet.web(SERVICE, DEVICES, health=True), "--yes")
    limits = ROLLOUT.format(healthy_for=chosen.healthy_for)
    with clients.load(fleet.addresses) as load:
        took = [
            _timed(
                lambda n=turn: fleet.edgectl(
                    "deploy", _next(fleet, n, limits), "--yes"
                ),
                "tutti",
            )
            for turn in range(chosen.rounds)
        ]
    return took, load


def _next(fleet: Fleet, turn: int, limits: str) -> str:
    """Write the manifest of the next version; return its path."""
    path = Path(fleet.web(SERVICE, DEVICES, health=True))
    text = path.read_text().replace('"hello"', f'"hello {turn}"')
    return fleet.lab.manifest(SERVICE, text + limits)


def _theirs(chosen: argparse.Namespace) -> tuple[list[float], list[float]]:
    with fleets.fleet("--nodes", "1") as room:
        archive = room.save_image()
        with swarm.swarm(room.folder / "s", room.octet, DEVICES, archive) as peer:
            peer.docker(*peer.create(SERVICE, DEVICES, *swarm.HEALTH, *swarm.PUBLISH))
            peer.wait_converged(SERVICE, DEVICES)
            return tuple(  # type: ignore[return-value]
                [
                    _timed(lambda n=turn, d=delay: _update(peer, n, d), "swarm")
                    for turn in range(chosen.swarm_rounds)
                ]
                for delay in (chosen.healthy_for, 0.0)
            )


def _update(peer: Swarm, turn: int, delay: float) -> None:
    peer.docker(
        *("service", "update", "--detach", "--no-resolve-image", "--quiet"),
        *("--update-parallelism", "1", "--update-order", "stop-first"),
        *("--update-delay", f"{delay:g}s", "--update-monitor", "1s"),
        *("--env-add", f"GREETING=hello {delay} {turn}", SERVICE),
    )
    end = time.monotonic() + WITHIN
    while _state(peer) != "completed":
        if time.monotonic() > end:
            raise BenchFailed(f"swarm's update is {_state(peer)}")
        time.sleep(swarm.LOOK_EVERY)


def _state(peer: Swarm) -> str:
    (shown,) = json.loads(peer.docker("service", "inspect", SERVICE))
    return str(shown.get("UpdateStatus", {}).get("State", "none"))


def _timed(change: Callable[[], object], who: str) -> float:
    measure.wait_quiet()
    began = time.monotonic()
    change()
    took = time.monotonic() - began
    measure.progress(f"{who}: {took:.2f} s")
    return took


def _report(
    chosen: argparse.Namespace,
    ours: list[float],
    load: Load,
    theirs: tuple[list[float], list[float]],
) -> Report:
    what = "a new version on three devices"
    whole = Figure(what=what, who="tutti", unit="s", values=tuple(ours))
    beyond = Figure(
        what="beyond healthy_for, each device",
        who="tutti",
        unit="s",
        values=tuple((each - DEVICES * chosen.healthy_for) / DEVICES for each in ours),
    )
    targets = [
        Target(what=beyond.what, value=beyond.median, at_most=BEYOND_AT_MOST, unit="s"),
        Target(what="failed requests", value=load.failed, at_most=0, unit=""),
        Target(
            what="devices away at once", value=load.most_refused, at_most=1, unit=""
        ),
    ]
    figures = [whole, beyond]
    for who, values in zip(("swarm, waits", "swarm"), theirs, strict=True):
        if values:
            figures.append(Figure(what=what, who=who, unit="s", values=tuple(values)))
            targets.append(measure.ratio(f"{what}, to {who}", whole, figures[-1], 1.0))
    asked = f"{load.answered} requests answered, {load.refused.total()} tries retried"
    note = f"healthy_for {chosen.healthy_for:g} s; {asked} at the next address"
    return Report(
        bench="rollout", figures=tuple(figures), targets=tuple(targets), notes=(note,)
    )
