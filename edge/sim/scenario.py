"""What a world is played from: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.model import Workload
from edge.sim.faults import Fault
from edge.sim.network import CLEAN, Weather


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A fleet, what runs in it, and its bad luck."""

    seed: int
    sites: Mapping[str, int]
    """How many devices each site has."""
    deployments: Mapping[str, tuple[Workload, ...]]
    lasts: float
    weather: Weather = CLEAN
    faults: tuple[Fault, ...] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels by name of the device."""
    voters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who votes by site, where it is not all of a site's devices."""
    busy: tuple[str, ...] = ()
    """Devices whose processor somebody else wants as well."""
