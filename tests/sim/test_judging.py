"""The laws themselves: what they find, and what they let pass."""

from typing import Any

from edge.sim import fleet, laws
from edge.sim.draws import workload
from edge.sim.laws import FENCED_FOR
from edge.sim.runtime import Interval

SLOT = "rec/rec.1"


def run(node: str, term: int, began_at: float, ended_at: float | None) -> Interval:
    """One run of a strict replica."""
    return Interval(
        slot=SLOT,
        node=node,
        term=term,
        version=1,
        is_strict=True,
        began_at=began_at,
        ended_at=ended_at,
    )


def strict(record: list[Interval], now: float = 100.0) -> list[str]:
    """What the law of leases says of it."""
    return [str(each) for each in laws.overlaps(record, now)]


def test_two_strict_copies_at_once_are_found() -> None:
    """Even for a tenth of a second."""
    (found,) = strict([run("n1", 1, 0.0, 10.1), run("n2", 2, 10.0, None)])
    who = "strict rec/rec.1 ran on n1 (term 1) and on n2 (term 2)"
    assert found == f"{who} for 0.100 s from 10.000 s"


def test_one_after_the_other_is_no_overlap() -> None:
    """That is a takeover."""
    assert strict([run("n1", 1, 0.0, 10.0), run("n2", 2, 10.0, None)]) == []


def test_copy_on_a_sleeping_machine_does_not_run() -> None:
    """Nobody executes it; it is behind the fence until the guard looked."""
    slept = run("n1", 1, 0.0, 50.3)
    slept.sleeps.append((5.0, 50.0))
    assert strict([slept, run("n2", 2, 20.0, None)]) == []


def test_fence_holds_only_until_the_guards_next_look() -> None:
    """A guard that came too late is found."""
    slept = run("n1", 1, 0.0, 50.0 + FENCED_FOR + 1.0)
    slept.sleeps.append((5.0, 50.0))
    assert strict([slept, run("n2", 2, 20.0, None)]) != []


def test_what_nobody_signed_is_found() -> None:
    """Another version, and a replica too many."""
    document, _ = fleet.deployment("rec", (workload("rec", "strict", 1),))
    signed = {("rec", 1): document}
    fine: dict[str, Any] = {"node": "n1", "term": 1, "is_strict": True, "began_at": 0.0}
    record = [
        Interval(slot=SLOT, version=1, **fine),
        Interval(slot=SLOT, version=2, **fine),
        Interval(slot="rec/rec.2", version=1, **fine),
    ]
    assert len(laws.unsigned(record, signed)) == 2


def test_replica_that_runs_twice_or_nowhere_at_the_end_is_found() -> None:
    """Whatever happened before."""
    both = [run("n1", 1, 0.0, None), run("n2", 2, 5.0, None)]
    assert laws.once(both, [SLOT], is_down=frozenset()) != []
    assert laws.once(both, [SLOT], is_down=frozenset({"n1"})) == []
    assert laws.once([], [SLOT], is_down=frozenset()) != []


def test_doubled_seconds_and_gaps_are_measured() -> None:
    """What an operator asks about."""
    record = [run("n1", 1, 0.0, 10.0), run("n2", 2, 8.0, 20.0)]
    assert laws.doubled(record, 30.0) == {SLOT: 2.0}
    assert laws.gaps(record, 30.0, since=0.0) == {SLOT: [(20.0, 30.0)]}
