"""The signed limits of a rollout: frozen parts of a deployment.

Everything is resolved: counts and selectors are names, percentages are shares of all
devices by hash, times are seconds. `edge.manifest.rollout` makes these from what a
person wrote.
"""

from typing import Annotated, Literal

from msgspec import Meta

from edge.model import Value
from edge.names import Counter, Name, Seconds, Short

Strategy = Literal["rolling", "canary", "blue-green", "all-at-once"]
OnFailure = Literal["rollback", "pause"]
Order = Literal["auto", "start-first", "stop-first"]
WHOLE = 10_000
Share = Annotated[int, Meta(ge=0, le=WHOLE)]
"""Ten-thousandths: 2,500 is a quarter."""


class Wave(Value, frozen=True):
    """Devices that may change together: by name, and by a share of all."""

    nodes: Annotated[tuple[Name, ...], Meta(max_length=1024)] = ()
    share: Share = 0
    """Of all devices by hash, those of earlier waves included."""


class Limit(Value, frozen=True):
    """So many replicas, or that share of them; one of both is 0."""

    count: Counter = 0
    share: Share = 0


class Window(Value, frozen=True):
    """When a change may begin."""

    opens: Short
    """Five fields as in crontab(5)."""
    lasts: Seconds
    zone: Short = "UTC"
    """A name of the IANA time zone database."""
    spread: Seconds = 0.0
    """Seconds over which the devices' starts are spread, each at its own moment."""


class Rollout(Value, frozen=True):
    """How a deployment may change what runs."""

    strategy: Strategy
    waves: Annotated[tuple[Wave, ...], Meta(min_length=1, max_length=32)]
    """Each holds those before it; the last one is the whole fleet."""
    max_unavailable: Limit = Limit(count=1)
    group_by: Literal["", "site"] = ""
    """``site``: besides, never two replicas of one site at once."""
    healthy_for: Seconds = 10.0
    """Seconds a new version must be healthy until it has proved itself."""
    progress_deadline: Seconds = 600.0
    """Seconds in which a device must get there."""
    on_failure: OnFailure = "rollback"
    order: Order = "auto"
    window: Window | None = None
    keep_for: Seconds = 3600.0
    """Seconds the old set of a blue-green rollout stays after the switch."""
