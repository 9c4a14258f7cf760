from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.documents import Control
from edge.staging.shapes import Limit, Rollout, Wave, Window
from hub import rollout
from hub.stage import Fleet, Memory, Stage, Unit
from tests.support import builders

CANARY = Rollout(
    strategy="canary",
    waves=(Wave(nodes=("n1",)), Wave(share=10_000)),
    max_unavailable=Limit(count=2),
)
OLD, NEW = 1, 2
LATER = CANARY.progress_deadline


def unit(name: str, **changes: Any) -> Unit:
    """A healthy replica of the old version; n1 is the canary."""
    made = Unit(
        slot=f"web/web@{name}",
        node=name,
        site="home",
        wave=0 if name == "n1" else 1,
        has=OLD,
        assigned=OLD,
        state="running",
        healthy=True,
    )
    return replace(made, **changes)


def given(name: str, **changes: Any) -> Unit:
    """One that the new version was assigned to, and that runs it well."""
    return unit(name, **{"has": NEW, "assigned": NEW, **changes})


def proved(name: str) -> Unit:
    """One where the new version proved itself."""
    return given(name, proved=True)


def failed(name: str, **changes: Any) -> Unit:
    """One where the new version failed, so that it runs the old one again."""
    told = {"bad": True, "reason": "it exits", "assigned": NEW, **changes}
    return unit(name, **told)


def fleet(*units: Unit, **changes: Any) -> Fleet:
    """These units, on their way from version 1 to 2."""
    made = Fleet(deployment="web", version=NEW, fallback=OLD, units=units)
    return replace(made, **changes)


def said(action: str, version: int = 1, **changes: Any) -> Control:
    """The operator's word on the new version."""
    return builders.control("web", version, target=NEW, action=action, **changes)


def newest(stage: Stage) -> set[str]:
    """Who runs the new version, or is to."""
    return {slot[8:] for slot, version in stage.versions.items() if version == NEW}


def after(*units: Unit, limits: Rollout = CANARY) -> Memory:
    """What is remembered after a step over these."""
    return rollout.step(limits, None, fleet(*units), 0.0).memory


ALL = (unit("n1"), unit("n2"), unit("n3"))
BEGUN = after(*ALL)


def test_the_canary_goes_first_and_alone() -> None:
    """The others keep what they have."""
    stage = rollout.step(CANARY, None, fleet(*ALL), 0.0)
    assert (newest(stage), stage.memory.phase, stage.memory.wave) == (
        {"n1"},
        "rolling",
        0,
    )
    assert stage.versions["web/web@n2"] == OLD


def test_the_next_wave_opens_when_the_canary_has_proved_it() -> None:
    """Being healthy is not enough: it may be for a moment only."""
    trying = fleet(given("n1"), *ALL[1:])
    assert newest(rollout.step(CANARY, BEGUN, trying, 5.0)) == {"n1"}
    stage = rollout.step(CANARY, BEGUN, fleet(proved("n1"), *ALL[1:]), 20.0)
    assert (newest(stage), stage.memory.wave) == ({"n1", "n2", "n3"}, 1)


def test_a_rollout_is_done_when_everything_that_is_here_has_proved_it() -> None:
    """And stays so."""
    units = (proved("n1"), proved("n2"), unit("n3", online=False))
    stage = rollout.step(CANARY, BEGUN, fleet(*units), 20.0)
    assert (stage.memory.phase, newest(stage)) == ("done", {"n1", "n2"})
    back = fleet(proved("n1"), proved("n2"), unit("n3"))
    later = rollout.step(CANARY, stage.memory, back, 9_999.0)
    assert (later.memory.phase, newest(later)) == ("done", {"n1", "n2", "n3"})


def test_one_that_returns_long_after_and_fails_goes_back_alone() -> None:
    """A version that all others run well is not taken from them."""
    done = rollout.step(CANARY, BEGUN, fleet(proved("n1"), proved("n2")), 20.0)
    units = (proved("n1"), proved("n2"), failed("n3"))
    stage = rollout.step(CANARY, done.memory, fleet(*units), 9_999.0)
    assert stage.memory.phase == "done"
    assert stage.memory.reason == "revision 2 is bad on n3, which went back alone"
    lost = rollout.step(CANARY, None, fleet(*units), 9_999.0)
    assert lost.memory.phase == "done"


def test_a_failure_takes_everything_back() -> None:
    """And says where, and why; what serves goes in its turn."""
    units = (proved("n1"), given("n2"), failed("n3"))
    limits = msgspec.structs.replace(CANARY, max_unavailable=Limit(count=1))
    before = after(*units[:2], unit("n3", assigned=NEW), limits=limits)
    stage = rollout.step(limits, before, fleet(*units), 30.0)
    assert stage.memory.phase == "going-back"
    assert stage.memory.reason == ("web/web@n3 failed at revision 2 on n3: it exits")
    assert newest(stage) == {"n2"}


def test_going_back_ends_when_all_are_well_again_in_the_version_before() -> None:
    """Then it has failed, and nothing said later starts it again."""
    begun = fleet(failed("n1"), given("n2"), *ALL[2:])
    memory = rollout.step(CANARY, BEGUN, begun, 9.0).memory
    assert memory.phase == "going-back"
    back = fleet(failed("n1", assigned=OLD), *ALL[1:])
    stage = rollout.step(CANARY, memory, back, 12.0)
    assert (stage.memory.phase, newest(stage)) == ("failed", set())
    again = replace(back, control=said("resume"))
    assert newest(rollout.step(CANARY, stage.memory, again, 20.0)) == set()
    assert newest(rollout.step(CANARY, None, again, 20.0)) == set()


def test_who_went_back_alone_is_waited_for_no_longer() -> None:
    """It was cut off meanwhile; no report of it will bring news."""
    stage = rollout.step(CANARY, BEGUN, fleet(failed("n1"), *ALL[1:]), 9.0)
    assert (stage.memory.phase, newest(stage)) == ("failed", set())


def test_a_failure_that_is_to_pause_takes_nothing_back() -> None:
    """The bad device went back by itself; resuming goes on without it."""
    limits = msgspec.structs.replace(CANARY, on_failure="pause")
    units = (failed("n1"), *ALL[1:])
    stage = rollout.step(limits, BEGUN, fleet(*units), 9.0)
    assert (stage.memory.phase, newest(stage)) == ("paused", {"n1"})
    resumed = fleet(*units, control=said("promote", wave=1))
    stage = rollout.step(limits, stage.memory, resumed, 10.0)
    assert (stage.memory.phase, newest(stage)) == ("rolling", {"n1", "n2", "n3"})


def test_what_failed_before_neither_fails_nor_holds_up_the_rollout() -> None:
    """It is updated in its turn, beyond the limit: nobody misses it."""
    ill = unit("n2", healthy=False, is_failing=True, state="backing-off")
    memory = after(ALL[0], ill, ALL[2])
    assert memory.failing == ("web/web@n2",)
    opened = fleet(proved("n1"), ill, ALL[2])
    assert newest(rollout.step(CANARY, memory, opened, 20.0)) == {"n1", "n2", "n3"}
    units = (proved("n1"), failed("n2", healthy=False), proved("n3"))
    assert rollout.step(CANARY, memory, fleet(*units), 40.0).memory.phase == "done"


def test_nobody_proving_anything_pauses() -> None:
    """Neither good nor bad: somebody has to look."""
    pulling = given("n1", healthy=False, state="pulling", reason="no route")
    units = (pulling, *ALL[1:])
    memory = rollout.step(CANARY, BEGUN, fleet(*units), 1.0).memory
    stage = rollout.step(CANARY, memory, fleet(*units), 2.0)
    assert stage.deadline == LATER
    stage = rollout.step(CANARY, stage.memory, fleet(*units), LATER)
    assert (stage.memory.phase, newest(stage)) == ("paused", {"n1"})
    assert stage.memory.reason == (
        "nothing proved itself within 600 s: web/web@n1 on n1: pulling (no route)"
    )


def test_after_the_hub_was_down_all_times_begin_anew() -> None:
    """As soon as it knows who is there: nobody was heard meanwhile."""
    units = (given("n1", healthy=False), *ALL[1:])
    slot, back = units[0].slot, 9 * LATER
    memory = msgspec.structs.replace(BEGUN, is_rested=True, changing={slot: 1.0})
    deaf = fleet(*units, known_at=back + 60.0)
    stage = rollout.step(CANARY, memory, deaf, back)
    assert (stage.memory.is_rested, stage.deadline) == (True, None)
    assert stage.wake_at == back + 60.0
    stage = rollout.step(CANARY, stage.memory, deaf, back + 60.0)
    assert (stage.memory.is_rested, stage.deadline) == (False, back + 60.0 + LATER)
    assert stage.memory.changing == {slot: back + 60.0}


def test_what_is_doubted_is_so_anew_after_the_hub_was_down() -> None:
    """It is not blamed for a time in which nobody looked."""
    units = (unit("n1", bad=True, assigned=NEW, healthy=False), *ALL[1:])
    doubted = {units[0].slot: 1.0}
    memory = msgspec.structs.replace(
        BEGUN, is_rested=True, unseen=(units[0].slot,), doubted=doubted
    )
    stage = rollout.step(CANARY, memory, fleet(*units), 9 * LATER)
    assert stage.memory.doubted == {units[0].slot: 9 * LATER}


def test_a_newer_resume_gives_it_the_time_again() -> None:
    """An older one does not: it was said of something else."""
    units = (given("n1", healthy=False), *ALL[1:])
    paused = rollout.step(CANARY, BEGUN, fleet(*units), 0.0).memory
    paused = rollout.step(CANARY, paused, fleet(*units), LATER).memory
    stage = rollout.step(
        CANARY, paused, fleet(*units, control=said("resume")), LATER + 5
    )
    assert (stage.memory.phase, stage.deadline) == ("rolling", 2 * LATER + 5)
    again = rollout.step(
        CANARY, stage.memory, fleet(*units, control=said("resume")), 2 * LATER + 5
    )
    assert again.memory.phase == "paused"


def test_a_pause_stops_what_has_not_begun() -> None:
    """Until it is resumed."""
    held = fleet(*ALL, control=said("pause"))
    stage = rollout.step(CANARY, None, held, 0.0)
    assert (stage.memory.phase, newest(stage)) == ("paused", set())
    assert stage.memory.reason == "the operator paused it"
    resumed = fleet(*ALL, control=said("resume", 2))
    assert newest(rollout.step(CANARY, stage.memory, resumed, 9.0)) == {"n1"}


def test_a_promote_opens_the_wave_it_names() -> None:
    """Without waiting for proofs; one that is used up opens nothing."""
    used_up = fleet(*ALL, control=said("promote"))
    assert newest(rollout.step(CANARY, BEGUN, used_up, 1.0)) == {"n1"}
    promoted = fleet(*ALL, control=said("promote", wave=1))
    stage = rollout.step(CANARY, BEGUN, promoted, 1.0)
    assert (stage.memory.wave, newest(stage)) == (1, {"n1", "n2"})


def test_an_abort_goes_back_whatever_is_said_after_it() -> None:
    """What does not serve at once, what is away not at all."""
    units = (given("n1"), given("n2", online=False), unit("n3", assigned=NEW))
    stopped = fleet(*units, control=said("resume", 2), is_aborted=True)
    stage = rollout.step(CANARY, BEGUN, stopped, 1.0)
    assert (stage.memory.phase, newest(stage)) == ("going-back", {"n2"})
    home = fleet(*ALL, control=said("resume", 2), is_aborted=True)
    assert rollout.step(CANARY, stage.memory, home, 9.0).memory.phase == "aborted"


def test_a_canary_that_is_away_is_waited_for() -> None:
    """Nobody else can prove it, and there is no deadline for who is not here."""
    units = (unit("n1", online=False), *ALL[1:])
    stage = rollout.step(CANARY, None, fleet(*units), 0.0)
    assert (newest(stage), stage.deadline) == (set(), None)
    assert stage.memory.reason == "waits for n1: offline"


def test_a_first_wave_that_nobody_is_in_ends_in_a_pause() -> None:
    """It can prove nothing, ever: somebody has to promote."""
    memory = after(*ALL[1:])
    stage = rollout.step(CANARY, memory, fleet(*ALL[1:]), LATER)
    assert stage.memory.reason == "no device of wave 1 can prove revision 2"


def test_outside_its_window_nothing_that_runs_is_changed() -> None:
    """What is new starts all the same: it interrupts nobody."""
    window = Window(opens="0 3 * * *", lasts=3600.0)
    limits = msgspec.structs.replace(CANARY, window=window)
    new = unit("n1", slot="web/new@n1", has=0, assigned=0)
    stage = rollout.step(limits, None, fleet(unit("n1"), new), 0.0)
    assert {s: v for s, v in stage.versions.items() if v == NEW} == {"web/new@n1": NEW}
    shut = rollout.step(limits, None, fleet(*ALL), 0.0)
    assert (shut.memory.phase, shut.deadline) == ("waiting", 3 * 3600.0)
    assert shut.wake_at == 3 * 3600.0
    opened = rollout.step(limits, shut.memory, fleet(*ALL), 3 * 3600.0)
    assert newest(opened) == {"n1"}


def test_a_window_that_nobody_can_read_is_shut() -> None:
    """Odd input never raises: the devices would refuse as well."""
    window = Window(opens="never", lasts=60.0)
    limits = msgspec.structs.replace(CANARY, window=window)
    assert rollout.step(limits, None, fleet(*ALL), 0.0).memory.phase == "waiting"


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({}, OLD),
        ({"has": 0, "assigned": 0}, OLD),
        ({"has": 7, "assigned": OLD}, OLD),
        ({"has": 7, "assigned": 7}, 7),
        ({"has": 0, "assigned": 7}, 7),
        ({"has": 0, "assigned": 0, "has_way_back": False}, 0),
        ({"has": NEW, "assigned": OLD}, NEW),
    ],
)
def test_who_is_not_admitted_keeps_what_it_has(
    changes: dict[str, Any], version: int
) -> None:
    """Or the version before; a slot that one did not have waits."""
    units = fleet(unit("n1"), unit("n2", **changes))
    stage = rollout.step(CANARY, None, units, 0.0)
    assert stage.versions["web/web@n2"] == version


def test_a_slot_that_the_version_before_did_not_have_goes() -> None:
    """There is nothing to go back to."""
    extra = given("n2", has_way_back=False)
    stopped = fleet(given("n1"), extra, is_aborted=True)
    assert rollout.step(CANARY, BEGUN, stopped, 1.0).versions["web/web@n2"] == 0


def test_an_empty_fleet_is_waited_for() -> None:
    """Nothing is done, and nothing is late."""
    stage = rollout.step(CANARY, None, fleet(), 0.0)
    assert (stage.memory.phase, stage.deadline) == ("rolling", None)
    assert stage.memory.reason == "no device runs it yet"


def test_stepping_again_without_news_changes_nothing() -> None:
    """A hub may look as often as it likes."""
    first = rollout.step(CANARY, None, fleet(*ALL), 0.0)
    taken = fleet(unit("n1", assigned=NEW), *ALL[1:])
    second = rollout.step(CANARY, first.memory, taken, 1.0)
    third = rollout.step(CANARY, second.memory, taken, 2.0)
    assert (second.memory, second.versions) == (third.memory, third.versions)
