"""What a simulated world leaves to tell: a timeline, and what became of each replica.

Second 0 of a story is when every device had met the others and everything ran.
"""

from collections.abc import Callable

import msgspec

from edge.ctl import render
from edge.sim import fates
from edge.sim.fates import Fate
from edge.sim.kernel import Line
from edge.sim.scenario import Scenario
from edge.sim.world import World

SETTLED = 30.0
"""The world's time of second 0."""
STEP = 10.0
"""Seconds of the world between two words on how far it is."""
LEFT_OUT = frozenset({"alive", "moved"})
"""What every device says of every other, and people need not read: JSON has it."""
SHOWN_GAP = 0.05
"""Seconds of a gap that are worth a word."""


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one replica."""

    replica: str
    nodes: tuple[str, ...]
    """Who runs it at the end."""
    term: int
    gaps: tuple[tuple[float, float], ...]
    """When nobody answered: from, to."""
    takeovers: int
    doubled_seconds: float
    why: str
    """Why nobody runs it, "" if somebody does."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the story."""

    at: float
    node: str
    kind: str
    replica: str = ""
    term: int = 0
    text: str = ""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; what ``-o json`` prints."""

    seed: int
    seconds: float
    devices: dict[str, int]
    """Site → how many."""
    timeline: tuple[Told, ...]
    replicas: tuple[Replica, ...]
    unmatched: tuple[str, ...]
    """Workloads that no device is for."""
    digest: str
    """The same for the same question to the same version, to the last datagram."""


def play(asked: Scenario, tick: Callable[[float], None] = lambda _: None) -> Story:
    """Let it happen, and tell it; ``tick`` hears the seconds that were played."""
    world = World(asked)
    _run(world, tick)
    unmatched = world.hub.state.placement.unmatched
    return Story(
        seed=asked.seed,
        seconds=asked.lasts - SETTLED,
        devices=dict(asked.sites),
        timeline=(*_beginning(world), *_lines(world)),
        replicas=tuple(_replica(each) for each in fates.fates(world, SETTLED)),
        unmatched=tuple(f"{each.deployment}/{each.workload}" for each in unmatched),
        digest=world.trace.digest,
    )


def told(story: Story) -> str:
    """Return it for people: what happened in order, then each replica."""
    lines = [_line(each) for each in story.timeline if each.kind not in LEFT_OUT]
    titles = ("REPLICA", "AT THE END", "NO ANSWER", "TAKEOVERS", "TWICE")
    rows = (_row(each) for each in story.replicas)
    lost = [f"{each}: no device is for it; see --label" for each in story.unmatched]
    return "\n".join([*lines, "", render.table(titles, rows), *lost])


def _run(world: World, tick: Callable[[float], None]) -> None:
    end = world.scenario.lasts
    while world.kernel.now < end:
        before = world.kernel.now
        world.run(min(end, before + STEP))
        tick(world.kernel.now - before)


def _beginning(world: World) -> list[Told]:
    """Return who ran what when the story begins."""
    ran = fates.holders(world.record, SETTLED)
    return [
        Told(at=0.0, node=each.node, kind="runs", replica=each.slot, term=each.term)
        for each in ran
    ]


def _lines(world: World) -> list[Told]:
    return [_told(each) for each in world.trace.lines if each.at > SETTLED]


def _told(line: Line) -> Told:
    return Told(
        at=round(line.at - SETTLED, 3),
        node=line.node,
        kind=line.kind.partition(" ")[0],
        replica=line.slot,
        term=line.term,
        text=line.text,
    )


def _replica(fate: Fate) -> Replica:
    gaps = ((a - SETTLED, b - SETTLED) for a, b in fate.gaps if b - a >= SHOWN_GAP)
    return Replica(
        replica=fate.slot,
        nodes=fate.nodes,
        term=fate.term,
        gaps=tuple((round(a, 3), round(b, 3)) for a, b in gaps),
        takeovers=fate.takeovers,
        doubled_seconds=round(fate.doubled, 3),
        why=fate.why,
    )


def _line(told: Told) -> str:
    term = f" (term {told.term})" if told.term else ""
    subject = f"{told.replica}{term}" if told.replica else ""
    said = told.text
    if told.kind == "takeover":  # why was said when the device was held dead
        said = said.partition(" (")[0]
    text = ": ".join(each for each in (subject, said) if each)
    return f"{told.at:9.3f} s  {told.node:<6}  {told.kind:<9} {text}".rstrip()


def _row(replica: Replica) -> tuple[str, ...]:
    where = ", ".join(replica.nodes) or f"nobody: {replica.why}"
    gone = " + ".join(f"{end - begin:.1f} s" for begin, end in replica.gaps)
    twice = f"{replica.doubled_seconds:.1f} s" if replica.doubled_seconds else ""
    return (replica.replica, where, gone, str(replica.takeovers or ""), twice)
