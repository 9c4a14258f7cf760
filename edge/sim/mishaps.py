"""What an operator wants to go wrong: options such as ``n2@10s`` to faults.

Whoever is given back power, or a wire that is healed, ends the fault that began it;
``all@60s`` heals every wire. Times count from the moment the fleet has settled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edge.errors import ConfigError
from edge.sim import faults
from edge.sim.faults import Fault, Kind
from edge.sim.network import BROKER, HUB

ON_NODE: tuple[Kind, ...] = ("kill", "crash", "pause", "suspend", "leave")
RESTARTED_AFTER = 1.0
"""Seconds until systemd starts a daemon that died."""
EVERYTHING = "all"


def read(
    asked: Mapping[str, Iterable[str]], nodes: Sequence[str], settled: float
) -> tuple[Fault, ...]:
    """Return faults in order of time; raise `ConfigError` for what makes no sense.

    ``asked``: ``kill``, ``crash``, ``pause``, ``suspend``, ``leave``, ``cut``,
    ``partition``, ``boot``, ``heal``. ``settled`` is the world's time of second 0.
    """
    found = [*_on_nodes(asked, nodes), *_cuts(asked, nodes)]
    found.sort(key=lambda each: each.at)
    for text in asked.get("boot", ()):
        _boot(found, text, nodes)
    for text in asked.get("heal", ()):
        _heal(found, text, nodes)
    return tuple(_later(_finished(each), settled) for each in found)


def _on_nodes(
    asked: Mapping[str, Iterable[str]], nodes: Sequence[str]
) -> Iterable[Fault]:
    for kind in ON_NODE:
        for text in asked.get(kind, ()):
            yield faults.on_node(kind, text, nodes)


def _cuts(asked: Mapping[str, Iterable[str]], nodes: Sequence[str]) -> Iterable[Fault]:
    for text in asked.get("cut", ()):
        yield faults.cut(text, nodes)
    for text in asked.get("partition", ()):
        yield faults.partition(text, nodes)


def _boot(found: list[Fault], text: str, nodes: Sequence[str]) -> None:
    wanted = faults.on_node("kill", text, nodes)
    for at, each in _open(found, wanted.at):
        if each.node == wanted.node and each.kind != "leave":
            found[at] = replace(each, until=wanted.at)
            return
    raise ConfigError(f"cannot boot {text}: {wanted.node} is on at that time")


def _heal(found: list[Fault], text: str, nodes: Sequence[str]) -> None:
    subject, _, when = text.rpartition("@")
    is_all = subject == EVERYTHING
    if is_all:
        wanted = faults.cut(f"{HUB}-{BROKER}@{when}", nodes)
    else:
        wanted = _parted(text, nodes)
    healed = 0
    for at, each in _open(found, wanted.at):
        if each.kind == "cut" and (is_all or set(each.pairs) == set(wanted.pairs)):
            found[at] = replace(each, until=wanted.at)
            healed += 1
    if not healed:
        raise ConfigError(f"cannot heal {text}: nothing like it is cut at that time")


def _parted(text: str, nodes: Sequence[str]) -> Fault:
    parse = faults.partition if "|" in text else faults.cut
    return parse(text, nodes)


def _open(found: Sequence[Fault], at: float) -> list[tuple[int, Fault]]:
    """Return what began before ``at`` and has no end, the newest first."""
    known = [(i, e) for i, e in enumerate(found) if e.at < at and e.until is None]
    return known[::-1]


def _finished(fault: Fault) -> Fault:
    if fault.kind == "crash" and fault.until is None:
        return replace(fault, until=fault.at + RESTARTED_AFTER)
    return fault


def _later(fault: Fault, seconds: float) -> Fault:
    until = None if fault.until is None else fault.until + seconds
    return replace(fault, at=fault.at + seconds, until=until)
