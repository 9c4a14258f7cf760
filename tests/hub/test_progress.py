from dataclasses import replace
from typing import Any

import pytest

from edge.staging.shapes import Rollout, Wave
from hub import progress
from hub.stage import Fleet, Memory, Moment, Unit
from tests.support import builders

OLD, NEW = 1, 2
LIMITS = Rollout(
    strategy="canary",
    waves=(Wave(nodes=("n1",)), Wave(nodes=("n2", "n3")), Wave(share=10_000)),
)


def unit(number: int, **changes: Any) -> Unit:
    """A healthy replica of the old version; n1 is in wave 0, n2 and n3 in wave 1."""
    wave = {1: 0, 2: 1, 3: 1}.get(number, 2)
    name = f"n{number}"
    made = Unit(slot=name, node=name, wave=wave, has=OLD, assigned=OLD, healthy=True)
    return replace(made, **changes)


def proved(number: int, **changes: Any) -> Unit:
    """One where the new version proved itself."""
    told = {"has": NEW, "assigned": NEW, "proved": True, **changes}
    return unit(number, **told)


def moment(*units: Unit, control: Any = None, **remembered: Any) -> Moment:
    """A rollout of these units at 100 s."""
    fleet = Fleet(
        deployment="web", version=NEW, fallback=OLD, units=units, control=control
    )
    memory = Memory(**{"since": 0.0, "progress_at": 0.0, **remembered})
    return Moment(rollout=LIMITS, fleet=fleet, memory=memory, now=100.0)


def advance(*units: Unit, is_halted: bool = False, **changes: Any) -> Memory:
    """What is remembered after a look at these."""
    return progress.advance(moment(*units, **changes), is_halted=is_halted)


def test_waves_open_one_after_the_other() -> None:
    """Each when all before it proved the version."""
    assert advance(unit(1), unit(2), unit(3)).wave == 0
    assert advance(proved(1), unit(2), unit(3)).wave == 1
    assert advance(proved(1), proved(2), unit(3), wave=1).wave == 1
    assert advance(proved(1), proved(2), proved(3), unit(4)).wave == 2


def test_who_is_away_or_excused_is_not_waited_for() -> None:
    """As long as the proofs are enough: half of the devices a wave names."""
    assert advance(proved(1), proved(2), unit(3, online=False), wave=1).wave == 2
    assert advance(proved(1), proved(2), unit(3), wave=1, failing=("n3",)).wave == 2
    away = (unit(2, online=False), unit(3, online=False))
    assert advance(proved(1), *away, wave=1).wave == 1


def test_a_device_with_a_failure_proves_nothing() -> None:
    """Its report says both, and its neighbours would not believe it."""
    worker = unit(1, slot="other", bad=True)
    assert advance(proved(1), worker, harmless=("other",)).wave == 0


def test_a_halted_rollout_opens_nothing() -> None:
    """What has proved itself is counted all the same."""
    memory = advance(proved(1), unit(2), is_halted=True)
    assert (memory.wave, memory.proved, memory.progress_at) == (0, 1, 100.0)


def test_a_promote_opens_waves_up_to_the_one_it_names() -> None:
    """No further than there are; what is said later carries it on."""
    for wave, opened in ((0, 0), (1, 1), (9, 2)):
        word = builders.control(target=NEW, action="promote", wave=wave)
        assert advance(unit(1), control=word).wave == opened
    word = builders.control(target=NEW, action="resume", wave=1)
    assert advance(unit(1), control=word).wave == 1


def test_it_is_done_when_the_last_wave_has_proved_it() -> None:
    """Nothing paused, nothing doubted, and something proved."""
    assert advance(proved(1), proved(2), proved(3)).verdict == "done"
    assert advance(proved(1), proved(2), proved(3), unit(4)).verdict == ""
    assert advance(unit(4, online=False), wave=2).verdict == ""
    last = (proved(1), proved(2), proved(3), proved(4))
    assert advance(*last, is_halted=True).verdict == ""
    assert advance(*last, doubted={"n4": 0.0}).verdict == ""


def timed(*units: Unit, **changes: Any) -> tuple[Memory, float | None]:
    """Until when somebody has to prove it; all windows are open."""
    at = moment(*units, **changes)
    opens = {u.slot: 100.0 for u in units if not at.fleet.is_given(u) and u.wave == 0}
    return progress.timed(at, opens, is_halted=False)


def test_the_time_begins_when_there_is_somebody_to_wait_for() -> None:
    """And again with everything that proves itself or begins."""
    memory, ends_at = timed(unit(1))
    assert (memory.is_timed, ends_at) == (True, 700.0)
    assert timed(unit(1), is_timed=True, progress_at=50.0)[1] == 650.0
    assert timed(unit(1), is_timed=True, changing={"n1": 80.0})[1] == 680.0


def test_who_waits_for_one_that_went_away_has_its_time_afterwards() -> None:
    """It holds their room until it is given up; one on its way waits for nobody."""
    gone = unit(1, slot="gone", assigned=NEW, online=False)
    changes: dict[str, Any] = {"is_timed": True, "changing": {"gone": 80.0}}
    assert timed(unit(1), gone, **changes)[1] == 80.0 + 600.0 + 600.0
    assert timed(unit(1, has=NEW), gone, **changes)[1] == 80.0 + 600.0


def test_nobody_waits_for_who_is_away_or_whose_window_is_shut() -> None:
    """There is no deadline then."""
    assert timed(unit(1, online=False), is_timed=True) == (
        Memory(since=0.0, progress_at=0.0),
        None,
    )
    at = moment(unit(1), is_timed=True)
    assert progress.timed(at, {"n1": 900.0}, is_halted=False)[1] is None
    assert progress.timed(at, {"n1": 100.0}, is_halted=True)[1] is None
    assert timed(unit(1), verdict="done")[1] is None
    assert timed()[1] is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "n1 on n1: waits for its turn"),
        ({"assigned": NEW}, "n1 on n1: healthy, not for long enough"),
        ({"assigned": NEW, "healthy": False}, "n1 on n1: silent"),
        (
            {"has": NEW, "healthy": False, "state": "pulling", "reason": "no route"},
            "n1 on n1: pulling (no route)",
        ),
    ],
)
def test_it_is_said_what_did_not_get_there(changes: dict[str, Any], said: str) -> None:
    """In words that tell where to look."""
    text = progress.stalled(moment(unit(1, **changes)), {"n1": 100.0})
    assert text == f"nothing proved itself within 600 s: {said}"


def test_a_wave_that_holds_nobody_is_said_to() -> None:
    """Nothing in it will ever prove anything."""
    assert progress.stalled(moment(unit(4)), {}) == (
        "no device of wave 1 can prove revision 2"
    )


def test_a_list_names_a_few_and_counts_the_rest() -> None:
    """A sentence, not a page."""
    assert progress.named(["a", "b"]) == "a, b"
    assert progress.named("abcde") == "a, b, c and 2 more"


def test_who_is_away_and_what_is_waited_for() -> None:
    """Of the open waves only."""
    at = moment(unit(1, online=False), unit(2, online=False), proved(3))
    assert [each.slot for each in progress.away(at)] == ["n1"]
    assert not progress.is_waiting(at)
    assert progress.is_waiting(moment(unit(1)))
