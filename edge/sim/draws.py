"""Worlds drawn from a seed: ordinary bad days, the strict campaign, the quiet one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from edge.model import Rejoin, Workload
from edge.sim import faults, fleet
from edge.sim.faults import Dice
from edge.sim.network import CLEAN, Weather
from edge.sim.scenario import Scenario

GENERAL_FOR = 200.0
STRICT_FOR = 360.0
QUIET_FOR = 3600.0
ROUGH = Weather(loss=0.2, delay=0.05, jitter=0.2)
"""20 % loss, 50 to 250 ms: the worst in which nobody may be taken for dead."""
SETTLES_AFTER = faults.SETTLES


def workload(name: str, failover: str, replicas: int, **more: object) -> Workload:
    """Return an invented workload."""
    given = {"name": name, "failover": failover, "replicas": replicas, **more}
    return Workload(image=fleet.image("registry.example/app:1"), **given)  # type: ignore[arg-type]


def general(seed: int) -> Scenario:
    """Return a fleet of one or two sites on a bad day."""
    rng = _rng(seed, "general")
    sites = rng.choice([{"a": 2}, {"a": 3}, {"a": 3}, {"a": 5}, {"a": 3, "b": 2}])
    policy: Rejoin = rng.choice(["keep_original", "keep_taker", "keep_longest"])
    web = workload("web", "available", rng.randint(1, 3), rejoin=policy)
    fixed = workload("fixed", "none", 1)
    weather = rng.choice([CLEAN, CLEAN, Weather(loss=0.05), ROUGH])
    rec = workload("rec", "strict", 1, lease=_lease(weather, rng))
    scenario = Scenario(
        seed=seed,
        sites=sites,
        deployments={"web": (web, fixed), "rec": (rec,)},
        lasts=GENERAL_FOR,
        weather=weather,
    )
    names = tuple(each.name for each in fleet.machines(sites))
    dice = Dice(nodes=names, lasts=GENERAL_FOR, has_voters=len(sites) == 1)
    return replace(scenario, faults=faults.draw(dice, rng))


def strict(seed: int) -> Scenario:
    """Return one ``strict`` replica at a site of 2, 3 or 5, on a very bad day."""
    rng = _rng(seed, "strict")
    count = (2, 3, 5)[seed % 3]
    weather = rng.choice([CLEAN, CLEAN, CLEAN, Weather(loss=0.1), ROUGH])
    rec = workload("rec", "strict", 1, lease=_lease(weather, rng))
    scenario = Scenario(
        seed=seed,
        sites={"a": count},
        deployments={"rec": (rec,)},
        lasts=STRICT_FOR,
        weather=weather,
    )
    names = tuple(f"n{each + 1}" for each in range(count))
    dice = Dice(nodes=names, lasts=STRICT_FOR, most=30, weights=faults.STRICT)
    return replace(scenario, faults=faults.draw(dice, rng))


def quiet(seed: int, lasts: float = QUIET_FOR) -> Scenario:
    """Return five healthy devices on a bad network, one of them busy."""
    web = workload("web", "available", 3)
    rec = workload("rec", "strict", 1)
    return Scenario(
        seed=seed,
        sites={"a": 5},
        deployments={"web": (web,), "rec": (rec,)},
        lasts=lasts,
        weather=ROUGH,
        busy=("n3",),
    )


KINDS: Mapping[str, Callable[[int], Scenario]] = {
    "general": general,
    "strict": strict,
    "quiet": quiet,
}


def _lease(weather: Weather, rng: Random) -> float:
    """Return a lease that the network allows: a short one needs a good one."""
    return rng.choice([8.0, 15.0] if weather.loss else [3.0, 4.0, 8.0, 8.0, 15.0])


def _rng(seed: int, purpose: str) -> Random:
    return Random(f"{seed} {purpose}")  # noqa: S311 - a game, not a secret
