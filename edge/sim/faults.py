"""What goes wrong, and when: written by a person, or drawn from a seed.

A fault begins ``at`` and ends ``until``; without an end it stays. Times are seconds
since the world began.

    n2@10s            of one device, for good
    n2@10s-60s        … until then
    n3-n4@20s         of the wire between two
    n3>n4@20s         of one direction of it
    n1,n2|n3@30s-60s  of everything between groups
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from edge.errors import ConfigError
from edge.sim import network
from edge.sim.network import BROKER, HUB, Pair

Kind = Literal[
    "kill", "crash", "pause", "suspend", "clock", "full", "cut", "wipe", "old-disk",
    "voters", "restart", "weather", "stop", "address", "leave",
]  # fmt: skip
"""kill: power cut. crash: the daemon dies. pause: the daemon hangs (SIGSTOP).
suspend: the machine sleeps. clock: the wall clock is set. full: the disk takes nothing.
wipe: the broker loses its database. old-disk: a power cut, and a disk from a backup
or a damaged one.
voters: the operator names others. restart: the hub starts anew. stop: a container's
program ends by itself. address: DHCP gives another one. leave: somebody shuts the
device down in an orderly way."""

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
QUIET = 15.0
"""Seconds in which a fleet finds itself before anything is drawn to go wrong."""
SETTLES = 90.0
"""Seconds without faults at the end, in which everything must come right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    kind: Kind
    at: float
    until: float | None = None
    node: str = ""
    pairs: tuple[Pair, ...] = ()
    value: float = 0.0
    """Seconds the clock is off; the share of datagrams lost."""
    names: tuple[str, ...] = ()
    """Who votes from now on if it did not, and no more if it did."""
    text: str = ""

    def __str__(self) -> str:
        """Return it as people say it."""
        what = self.text or f"{self.kind} {self.node}".rstrip()
        end = f"-{self.until:g}s" if self.until is not None else ""
        return f"{what}@{self.at:g}s{end}"


def seconds(text: str) -> float:
    """Return a duration such as ``10s`` or ``1.5m``; raise `ConfigError`."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise ConfigError(f"cannot read {text!r} as a time; write 500ms, 10s or 2m")
    return float(found[1]) * UNITS[found[2]]


def on_node(kind: Kind, text: str, nodes: Sequence[str]) -> Fault:
    """Return a fault of one device from ``n2@10s`` or ``n2@10s-60s``."""
    subject, at, until = _parts(text)
    _known(subject, nodes, text)
    return Fault(kind=kind, at=at, until=until, node=subject)


def cut(text: str, nodes: Sequence[str]) -> Fault:
    """Return a cut from ``n3-n4@20s``, ``n3>n4@20s``, ``n3@20s`` or ``hub@5s``."""
    subject, at, until = _parts(text)
    places = [*nodes, HUB, BROKER]
    one, sign, other = subject.partition(">" if ">" in subject else "-")
    for each in (one, other) if sign else (one,):
        _known(each, places, text)
    if not sign:
        pairs = network.around(one, places)
    else:
        pairs = ((one, other),) if sign == ">" else network.both([(one, other)])
    return Fault(kind="cut", at=at, until=until, pairs=pairs, text=f"cut {subject}")


def partition(text: str, nodes: Sequence[str]) -> Fault:
    """Return a partition from ``n1,n2|n3@30s-60s``; who is not named is with nobody."""
    subject, at, until = _parts(text)
    groups = [part.split(",") for part in subject.split("|")]
    for each in (name for group in groups for name in group):
        _known(each, [*nodes, HUB, BROKER], text)
    pairs = network.split(*groups)
    what = f"partition {subject}"
    return Fault(kind="cut", at=at, until=until, pairs=pairs, text=what)


def share(text: str) -> float:
    """Return 0.2 for ``20%``; raise `ConfigError`."""
    number = text.removesuffix("%")
    try:
        value = float(number) / 100
    except ValueError as error:
        problem = f"cannot read {text!r} as a share; write 20%"
        raise ConfigError(problem) from error
    if not 0 <= value <= 1:
        raise ConfigError(f"cannot lose {text}: between 0% and 100%")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Dice:
    """What may be drawn: how many, within which time."""

    nodes: tuple[str, ...]
    lasts: float
    most: int = 9
    has_voters: bool = True
    weights: tuple[tuple[Kind, int], ...] | None = None
    """How likely each kind is; None: as on an ordinary bad day."""

    @property
    def ends(self) -> float:
        """Return when the last fault is over."""
        return self.lasts - SETTLES


def draw(dice: Dice, rng: Random) -> tuple[Fault, ...]:
    """Return a bad day, every fault of which ends in time."""
    found = [_one(dice, rng) for _ in range(rng.randint(2, dice.most))]
    if dice.has_voters:
        found += _votes(dice, rng)
    return tuple(sorted(found, key=lambda each: (each.at, each.kind, each.node)))


def _one(dice: Dice, rng: Random) -> Fault:
    at = rng.uniform(QUIET, dice.ends - 1)
    lasts = rng.choice([rng.uniform(0.2, 3), rng.uniform(3, 20), rng.uniform(20, 90)])
    until = min(at + lasts, dice.ends)
    at, until = round(at, 3), round(until, 3)
    kind = _kind(dice.weights or GENERAL, rng)
    if kind in _ON_NODE:
        value = rng.choice([-1e9, -3600.0, 40.0, 86400.0, 1e9])
        node = rng.choice(dice.nodes)
        return Fault(kind=kind, at=at, until=until, node=node, value=value)
    if kind == "weather":
        value = rng.choice([0.05, 0.2, 0.4])
        return Fault(kind=kind, at=at, until=until, value=value, text=f"loss {value}")
    if kind == "cut":
        pairs, text = _cut(list(dice.nodes), rng)
        return Fault(kind=kind, at=at, until=until, pairs=pairs, text=text)
    return Fault(kind=kind, at=at, until=until)


_ON_NODE = frozenset(
    {
        "kill", "crash", "pause", "suspend", "clock", "full", "old-disk", "stop",
        "address",
    }
)  # fmt: skip
GENERAL: tuple[tuple[Kind, int], ...] = (
    ("kill", 6),
    ("crash", 4),
    ("pause", 5),
    ("suspend", 3),
    ("clock", 1),
    ("full", 1),
    ("cut", 14),
    ("wipe", 1),
    ("old-disk", 1),
    ("restart", 1),
    ("weather", 3),
    ("stop", 2),
    ("address", 1),
)
STRICT: tuple[tuple[Kind, int], ...] = (
    ("kill", 6),
    ("crash", 5),
    ("pause", 8),
    ("suspend", 8),
    ("cut", 16),
    ("weather", 2),
    ("stop", 1),
    ("old-disk", 1),
)
"""What might make two copies run."""


def _kind(weights: tuple[tuple[Kind, int], ...], rng: Random) -> Kind:
    kinds = [kind for kind, _ in weights]
    return rng.choices(kinds, [weight for _, weight in weights])[0]


def _cut(nodes: list[str], rng: Random) -> tuple[tuple[Pair, ...], str]:
    """Return one of all the ways a network breaks."""
    way = rng.choice(["shape", "shape", "node", "wire", "one-way", "hub", "broker"])
    if way in {HUB, BROKER}:
        return network.around(way, [*nodes, HUB, BROKER]), f"cut {way}"
    if way == "node":
        one = rng.choice(nodes)
        return network.around(one, [*nodes, BROKER]), f"cut {one}"
    if way == "shape":
        name = rng.choice(sorted(network.SHAPES))
        pairs = network.SHAPES[name](nodes, rng)
        if rng.random() < 0.5:  # noqa: PLR2004 - as likely as not
            return pairs, f"partition {name}"
        pairs += network.around(BROKER, [*nodes, HUB])
        return pairs, f"partition {name} without broker"
    one, other = rng.sample(nodes, 2)
    if way == "one-way":
        return ((one, other),), f"cut {one}>{other}"
    return network.both([(one, other)]), f"cut {one}-{other}"


def _votes(dice: Dice, rng: Random) -> Iterable[Fault]:
    """Return changes of the voters, of one device each."""
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        at, name = rng.uniform(QUIET, dice.ends), rng.choice(dice.nodes)
        text = f"voter {name} or not"
        yield Fault(kind="voters", at=round(at, 3), names=(name,), text=text)


def _parts(text: str) -> tuple[str, float, float | None]:
    subject, sign, when = text.rpartition("@")
    if not sign or not subject:
        raise ConfigError(f"cannot read {text!r}: write WHAT@WHEN, such as n2@10s")
    begin, sign, end = when.partition("-")
    at, until = seconds(begin), seconds(end) if sign else None
    if until is not None and until <= at:
        raise ConfigError(f"cannot read {text!r}: it ends before it begins")
    return subject, at, until


def _known(name: str, places: Sequence[str], text: str) -> None:
    if name not in places:
        there = ", ".join(places)
        raise ConfigError(f"cannot read {text!r}: there is no {name!r} among {there}")
