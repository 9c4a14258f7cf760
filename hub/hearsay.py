"""What devices say of their neighbours, and what that makes of each (DESIGN §7).

- Words count of devices of the same site that the hub hears itself. They decide
  nothing: they are for people, and for knowing why a device is silent.
- *relayed*: not heard here, but a signed sign of life rose within the last moments
  (`hub.beats`). *Cut from hub*: neighbours say it is alive, and nothing proves it.
- *dead*: neighbours say so, none says otherwise, and the hub hears nothing.
- *partitioned*: the hub hears it, and neighbours that the hub hears as well do not.
  Of a site in parts the largest is taken for the site; of equal parts none is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.model import Neighbour
from edge.names import NodeName
from hub.beats import Beat, is_fresh
from hub.fleet import Standing

Word = Literal[
    "heard", "leaving", "partitioned", "relayed", "dead", "cut from hub", "offline"
]
LOST = frozenset({"dead", "suspect"})
NAMED_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a device is connected, and who says so."""

    word: Word
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one device says of another."""

    by: NodeName
    of: Neighbour


@dataclass(slots=True, kw_only=True)
class _Site:
    """The devices of a site by id, and what is worth a look."""

    devices: dict[str, Standing] = field(default_factory=dict)
    said: dict[str, list[Said]] = field(default_factory=dict)


def links(
    standings: Mapping[NodeName, Standing], beats: Mapping[str, Beat], now: float
) -> dict[NodeName, Link]:
    """Return how every device is connected, by name."""
    sites: dict[str, _Site] = {}
    for standing in standings.values():
        if not standing.is_revoked:
            site = sites.setdefault(standing.site, _Site())
            site.devices[standing.device] = standing
    found: dict[NodeName, Link] = {}
    for site in sites.values():
        _listen(site)
        apart = _apart(site)
        for device, standing in site.devices.items():
            said = site.said.get(device, [])
            if standing.is_reporting:
                found[standing.name] = _heard(said, apart.get(device, ()))
            else:
                fresh = is_fresh(beats.get(device), now)
                found[standing.name] = _silent(said, is_proven=fresh)
    return found


def _listen(site: _Site) -> None:
    """Collect what is said; that one who is heard is alive is no news."""
    is_whole = all(each.is_reporting for each in site.devices.values())
    for standing in site.devices.values():
        if not standing.is_reporting or standing.heard is None:
            continue
        heard = standing.heard
        for each in heard.doubts if is_whole else heard.report.neighbours:
            about = site.devices.get(each.device)
            if about is None or (each.state == "alive" and about.is_reporting):
                continue
            said = Said(by=standing.name, of=each)
            site.said.setdefault(each.device, []).append(said)


def _silent(said: list[Said], *, is_proven: bool) -> Link:
    """Return what a device is that the hub does not hear."""
    alive = _by(said, {"alive", "suspect"})
    if is_proven:
        who = f"{_named(alive)} passed on" if alive else "neighbours passed on"
        return Link(word="relayed", reason=f"{who} its sign of life")
    if alive:
        text = f"alive, {_says(alive)}; nothing of it arrives here"
        return Link(word="cut from hub", reason=text)
    leaving = _by(said, {"leaving"})
    if leaving:
        return Link(word="leaving", reason=f"it said goodbye, {_says(leaving)}")
    dead = _by(said, {"dead"})
    if dead:
        return Link(word="dead", reason=f"dead, {_says(dead)}{_why(said)}")
    return Link(word="offline")


def _heard(said: list[Said], others: Sequence[str]) -> Link:
    """Return what a device is that the hub hears; ``others`` it does not reach."""
    leaving = _by(said, {"leaving"})
    if leaving:
        return Link(word="leaving", reason=f"it hands over, {_says(leaving)}")
    if not others:
        return Link(word="heard")
    lost = _by(said, LOST)
    if lost:
        text = f"{_named(lost)} cannot reach it, the hub can{_why(said)}"
    else:
        text = f"it cannot reach {_named(others)}, the hub can"
    return Link(word="partitioned", reason=text)


def _apart(site: _Site) -> dict[str, list[str]]:
    """Return the devices that are heard and not in the largest part of the site.

    With each the names of those it does not reach.
    """
    heard = {d: each for d, each in site.devices.items() if each.is_reporting}
    parts = _parts(site, heard)
    most = max((len(part) for part in parts), default=0)
    largest = [part for part in parts if len(part) == most]
    found: dict[str, list[str]] = {}
    for part in parts:
        if len(parts) > 1 and largest != [part]:
            others: list[str] = sorted(heard[each].name for each in heard.keys() - part)
            found |= dict.fromkeys(part, others)
    return found


def _parts(site: _Site, heard: Mapping[str, Standing]) -> list[set[str]]:
    """Return the devices that are heard, in parts that do not reach each other."""
    names = {each.name: device for device, each in heard.items()}
    apart = {
        frozenset({names[each.by], device})
        for device, said in site.said.items()
        if device in heard
        for each in said
        if each.of.state in LOST
    }
    if not apart:
        return [set(heard)]
    parts: list[set[str]] = []
    left = set(heard)
    while left:
        part = _reached(min(left), left, apart)
        left -= part
        parts.append(part)
    return parts


def _reached(first: str, among: set[str], apart: set[frozenset[str]]) -> set[str]:
    part, edge = {first}, [first]
    while edge:
        here = edge.pop()
        near = {e for e in among - part if frozenset({here, e}) not in apart}
        part |= near
        edge += sorted(near)
    return part


def _by(said: Iterable[Said], states: Iterable[str]) -> list[str]:
    return [each.by for each in said if each.of.state in states]


def _says(names: list[str]) -> str:
    return f"{'says' if len(names) == 1 else 'say'} {_named(names)}"


def _why(said: Iterable[Said]) -> str:
    reasons = [each.of.reason for each in said if each.of.reason]
    return f" ({reasons[0]})" if reasons else ""


def _named(names: Sequence[str]) -> str:
    if len(names) > NAMED_MAX:
        return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
