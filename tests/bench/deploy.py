"""From Enter, and from the hub's accept, to three containers running on three devices.

Tutti, the floor (bare ``podman create`` and ``podman start``) and Docker Swarm take
turns in one run, each time another of them first, with the same image, the same limits
and the port published. The image is there, the daemons are warm; Podman's service is
cold, as on an idle device.

*Running* is the latest of the three times at which Podman, or Docker, says its
container started. *Answering* is the latest first 200 over HTTP, asked from outside
every ten milliseconds. *Accept* is when the hub began to judge, by its database.
*Healthy* is what each tool waits for: ``edgectl deploy`` returning, Swarm's tasks in
state running. All of it is one host and one clock.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench import answers, diary, floor, measure, swarm
from tests.bench import fleet as fleets
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report
from tests.bench.swarm import Swarm

REPLICAS = 3
WITHIN = 60.0
FLOOR_AT_MOST, SWARM_AT_MOST = 1.3, 0.9
SETTLE_FOR = 2.0  # seconds; daemons tidy up for a while after a removal
WARM_UP = 1  # rounds not counted: the first makes Podman's and Docker's networks


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """One deploy, in seconds after Enter; what a system has no word for is None."""

    running: float
    answering: float
    accepted: float | None = None
    healthy: float | None = None


def options(parser: argparse.ArgumentParser) -> None:
    """Say how often, and whether with a health check."""
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--health", action="store_true", help="with a health check")


def measured(chosen: argparse.Namespace) -> Report:
    """Let the three take turns."""
    with _stage() as (fleet, peer):
        players: dict[str, Callable[[int], Moments]] = {
            "tutti": lambda turn: _tutti(fleet, turn, health=chosen.health),
            "podman": lambda turn: _podman(fleet, turn),
            "swarm": lambda turn: _swarm(peer, turn, health=chosen.health),
        }
        turns: dict[str, list[Moments]] = {name: [] for name in players}
        for turn in range(WARM_UP + chosen.rounds):
            for name in _order(tuple(players), turn):
                time.sleep(SETTLE_FOR)
                fleet.wait_cold()
                measure.wait_quiet()
                turns[name].append(players[name](turn))
            measure.progress(f"turn {turn}: {_told(turns)}")
    return _report({name: made[WARM_UP:] for name, made in turns.items()})


def _order(players: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """Return who goes after whom: nobody always follows the same one."""
    first = turn % len(players)
    return players[first:] + players[:first]


@contextmanager
def _stage() -> Iterator[tuple[Fleet, Swarm]]:
    """Bring up a fleet and a Swarm of three machines each, image present on all."""
    with fleets.fleet("--nodes", str(REPLICAS)) as fleet:
        fleet.pull()
        archive = fleet.save_image()
        folder = fleet.folder / "s"
        with swarm.swarm(folder, fleet.octet, REPLICAS, archive) as peer:
            measure.progress("swarm is up")
            yield fleet, peer


def _tutti(fleet: Fleet, turn: int, *, health: bool) -> Moments:
    name = f"bench{turn}"
    manifest = fleet.web(name, REPLICAS, health=health)
    watch = answers.Watch(fleet.addresses, WITHIN)
    began = time.time()
    command = fleet.spawn("deploy", manifest, "--yes")
    _, complaint = command.communicate(timeout=WITHIN)
    healthy = time.time()
    if command.returncode:
        raise BenchFailed(f"cannot deploy: {complaint}{fleet.lab.logs()}")
    answering = watch.last()
    moments = Moments(
        accepted=diary.taken_at(fleet.layout, f"deployment/{name}") - began,
        running=_last(fleets.started_at(fleet.containers(name))) - began,
        answering=answering - began,
        healthy=healthy - began,
    )
    fleet.remove(name)
    answers.wait_silent(fleet.addresses)
    return moments


def _podman(fleet: Fleet, turn: int) -> Moments:
    name = f"floor{turn}"
    watch = answers.Watch(fleet.addresses, WITHIN)
    began = time.time()
    commands = floor.begin(fleet, name)
    answering = watch.last()
    floor.end(commands)
    running = _last(fleets.started_at(floor.containers(fleet)))
    floor.remove(fleet, name)
    answers.wait_silent(fleet.addresses)
    return Moments(running=running - began, answering=answering - began)


def _swarm(peer: Swarm, turn: int, *, health: bool) -> Moments:
    name = f"bench{turn}"
    more = (*swarm.PUBLISH, *(swarm.HEALTH if health else ()))
    watch = answers.Watch(peer.addresses, WITHIN)
    began = time.time()
    command = peer.spawn(*peer.create(name, REPLICAS, *more))
    answering = watch.last()
    if command.wait():
        raise BenchFailed("docker service create failed, see above")
    healthy = peer.wait_converged(name, REPLICAS)
    running = _last(peer.running_at())
    peer.remove(name)
    answers.wait_silent(peer.addresses)
    return Moments(
        running=running - began, answering=answering - began, healthy=healthy - began
    )


def _last(times: list[float]) -> float:
    if len(times) != REPLICAS:
        raise BenchFailed(f"expected {REPLICAS} containers, found {len(times)}")
    return max(times)


def _report(turns: dict[str, list[Moments]]) -> Report:
    ours = [each for each in turns["tutti"] if each.accepted is not None]
    since_accept = _figure(
        "accept → running", "tutti", [m.running - (m.accepted or 0.0) for m in ours]
    )
    figures = {
        (what, name): _figure(f"Enter → {what}", name, values)
        for what in ("accepted", "running", "answering", "healthy")
        for name, made in turns.items()
        if (values := [v for m in made if (v := getattr(m, what)) is not None])
    }
    bare, theirs = figures["running", "podman"], figures["running", "swarm"]
    mine = figures["running", "tutti"]
    return Report(
        bench="deploy",
        figures=(since_accept, *figures.values()),
        targets=(
            measure.ratio(
                "accept → running, to the floor", since_accept, bare, FLOOR_AT_MOST
            ),
            measure.ratio("Enter → running, to Swarm", mine, theirs, SWARM_AT_MOST),
        ),
    )


def _figure(what: str, who: str, values: list[float]) -> Figure:
    return Figure(what=what, who=who, unit="s", values=tuple(values))


def _told(turns: dict[str, list[Moments]]) -> str:
    return ", ".join(f"{name} {made[-1].running:.2f} s" for name, made in turns.items())
