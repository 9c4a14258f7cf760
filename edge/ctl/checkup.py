"""What is wrong with a fleet, from one look at it, and what to do about each thing.

`examine` is given what was seen and says what it means. A *problem* keeps something
from working now, a *warning* will; both come with the next command to type.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.ctl.shapes import Event, NodeRow, ReplicaRow
from edge.ctl.voting import Standing

Level = Literal["ok", "warning", "problem"]
DAY = 86400.0
KEY_WARNED = 30 * DAY  # seconds before an operator's key ends
CERTIFICATE_WARNED = 14 * DAY  # the hub renews its own long before
CLOCK_WARNED = 60.0  # seconds; join tokens are cut with five minutes to spare
NAMED_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``advice`` is empty when nothing is to be done."""

    level: Level
    subject: str
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything one look saw; what could not be seen is None or empty."""

    now: float
    operator: str
    key_ends_at: float | None
    """When root's trust in this machine's key ends, None when it has none."""
    certificate_ends_at: float | None = None
    hub_clock: float | None = None
    hub_asks_for: str = ""
    """What a restored hub waits for; it decides nothing meanwhile."""
    broker_problem: str = ""
    nodes: tuple[NodeRow, ...] = ()
    replicas: tuple[ReplicaRow, ...] = ()
    events: tuple[Event, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    """What the hub refused, by kind and reason."""
    missing_secrets: tuple[str, ...] = ()
    lacking_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Secret → devices that should hold its newest version and do not."""
    voters: tuple[Standing, ...] = ()
    """Of sites that have voters, or ``strict`` replicas and none."""
    documents: tuple[str, ...] = ()
    """Sentences about documents the hub showed or hid."""


def examine(picture: Picture) -> tuple[Finding, ...]:
    """Return what was found, in the order one would mend it."""
    return tuple(found for check in _CHECKS for found in check(picture))


def problem(subject: str, text: str, advice: str) -> Finding:
    """Return a finding that keeps something from working."""
    return Finding(level="problem", subject=subject, text=text, advice=advice)


def warning(subject: str, text: str, advice: str) -> Finding:
    """Return a finding that will keep something from working."""
    return Finding(level="warning", subject=subject, text=text, advice=advice)


def fine(subject: str, text: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(level="ok", subject=subject, text=text)


def _key(picture: Picture) -> Iterator[Finding]:
    name, ends = picture.operator, picture.key_ends_at
    advice = f"edgectl operator renew {name}, where the root key is"
    if ends is None:
        text = "root names no operator with this machine's key"
        yield problem("key", text, "edgectl operator add, where the root key is")
    elif ends <= picture.now:
        yield problem("key", f"{name}'s key ended {_days(picture.now - ends)}", advice)
    elif ends <= picture.now + KEY_WARNED:
        yield warning("key", f"{name}'s key ends {_days(ends - picture.now)}", advice)
    else:
        yield fine("key", f"{name} may sign for {_days(ends - picture.now)}")


def _certificate(picture: Picture) -> Iterator[Finding]:
    ends = picture.certificate_ends_at
    if ends is None:
        return
    left = _days(ends - picture.now)
    if ends <= picture.now + CERTIFICATE_WARNED:
        advice = "look at the hub's log: it renews its certificate by itself"
        yield warning("certificate", f"the hub's holds for {left} more", advice)
    else:
        yield fine("certificate", f"the hub's holds for {left} more")


def _recovery(picture: Picture) -> Iterator[Finding]:
    if picture.hub_asks_for:
        text = f"decides nothing: it lost {picture.hub_asks_for}, and asks the devices"
        step = "wait a minute; what edgectl events calls lost, deploy again"
        yield warning("hub", text, step)


def _clock(picture: Picture) -> Iterator[Finding]:
    if picture.hub_clock is None:
        return
    apart = picture.hub_clock - picture.now
    if abs(apart) > CLOCK_WARNED:
        side = "ahead of" if apart > 0 else "behind"
        text = f"the hub's is {abs(apart):.0f} s {side} this machine's"
        yield warning("clock", text, "set the wrong one: timedatectl set-ntp true")
    else:
        yield fine("clock", "hub and this machine agree")


def _broker(picture: Picture) -> Iterator[Finding]:
    if picture.broker_problem:
        advice = "devices play on; start it, or the hub that runs it"
        yield problem("broker", picture.broker_problem, advice)
    else:
        yield fine("broker", "answers, with a certificate of the fleet")


def _documents(picture: Picture) -> Iterator[Finding]:
    advice = "if the hub was restored from a backup, its devices bring the rest back"
    for text in picture.documents[:NAMED_MAX]:
        yield warning("documents", text, advice)


STATES = {
    "offline": "look at the device's power and network: edge-node status there",
    "dead": "its neighbours took over what may move; look at its power and network",
    "partitioned": "look at the network between it and its neighbours",
    "cut from hub": "look at its uplink; it goes on, and gets nothing new",
    "relayed": "look at its uplink; it goes on, and gets nothing new",
    "pending": "edgectl node approve NAME, if you know the device",
}
"""State of a device that is worth a warning → what to do about it."""


def _nodes(picture: Picture) -> Iterator[Finding]:
    for state, next_step in STATES.items():
        found = [row.name for row in picture.nodes if row.state == state]
        if found:
            yield warning("devices", f"{_named(found)} {state}", next_step)
    for row in picture.nodes:
        if row.alarm:
            step = f"edgectl node revoke {row.name}, and enrol the true one anew"
            yield problem("devices", f"{row.name}: {row.alarm}", step)
    ready = sum(row.state == "ready" for row in picture.nodes)
    yield fine("devices", f"{ready} of {len(picture.nodes)} are ready")


def _replicas(picture: Picture) -> Iterator[Finding]:
    ill = [row for row in picture.replicas if not row.healthy]
    for row in ill[:NAMED_MAX]:
        name = f"{row.deployment}/{row.replica}"
        place = f" on {row.node}" if row.node else ""
        text = f"{name}{place} {row.state}: {row.reason or 'not healthy'}"
        step = f"edgectl describe node {row.node}" if row.node else "make room for it"
        yield problem("replicas", text, step)
    if len(ill) > NAMED_MAX:
        text = f"and {len(ill) - NAMED_MAX} more that are not healthy"
        yield problem("replicas", text, "edgectl ps")
    healthy = len(picture.replicas) - len(ill)
    yield fine("replicas", f"{healthy} of {len(picture.replicas)} are healthy")


def _refusals(picture: Picture) -> Iterator[Finding]:
    """Refusals are counted since the hub started; each kind has a name."""
    counted = {name: count for name, count in picture.counters.items() if count}
    if not counted:
        return
    last = [each.text for each in picture.events if each.kind == "refused"][-1:]
    text = f"{sum(counted.values())} since the hub started ({_named(counted)})"
    said = "".join(f", the last: {each}" for each in last)
    yield warning("refusals", text + said, "edgectl events: who sends what is wrong?")


def _secrets(picture: Picture) -> Iterator[Finding]:
    for name in picture.missing_secrets:
        step = f"edgectl secret set {name} --from-file FILE"
        yield problem("secrets", f"{name} is used and was never set", step)
    for name, devices in sorted(picture.lacking_secrets.items()):
        text = f"{name} is not sealed to {_named(devices)}"
        yield problem("secrets", text, "edgectl secret sync")


def _voters(picture: Picture) -> Iterator[Finding]:
    heard = {row.name for row in picture.nodes if row.reporting}
    for each in picture.voters:
        site, step = each.site, f"edgectl site voters {each.site}"
        silent = sorted(set(each.voters) - heard)
        if not each.version:
            text = f"site {site} has none, so its strict replicas do not run"
            yield problem("voters", text, f"{step} --set N1,N2,N3")
        elif len(each.voters) - len(silent) < each.majority:
            text = f"site {site}: {_named(silent)} not heard of, {each.majority} needed"
            yield warning("voters", f"{text} for a lease", step)
        for gone in each.gone:
            text = f"site {site}: {gone} votes and is no approved device there"
            yield warning("voters", text, f"{step} --remove {gone}")


_CHECKS: tuple[Callable[[Picture], Iterator[Finding]], ...] = (
    _key,
    _recovery,
    _clock,
    _certificate,
    _broker,
    _documents,
    _nodes,
    _secrets,
    _voters,
    _replicas,
    _refusals,
)


def _named(names: Iterable[str]) -> str:
    found = sorted(names)
    if len(found) <= NAMED_MAX:
        return ", ".join(found)
    return f"{', '.join(found[:NAMED_MAX])} and {len(found) - NAMED_MAX} more"


def _days(seconds: float) -> str:
    return f"{seconds / DAY:.0f} days"
