from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.staging.shapes import Limit, Rollout, Wave, Window
from hub import turns
from hub.stage import Fleet, Memory, Moment, Unit
from hub.turns import Turns

LIMITS = Rollout(
    strategy="rolling", waves=(Wave(share=10_000),), max_unavailable=Limit(count=2)
)
OLD, NEW = 1, 2


def unit(name: str, **changes: Any) -> Unit:
    """A healthy replica of the old version."""
    made = Unit(slot=name, node=name, site="home", has=OLD, assigned=OLD, healthy=True)
    return replace(made, **changes)


def trying(name: str, **changes: Any) -> Unit:
    """One that runs the new version and has not proved it."""
    return unit(name, **{"has": NEW, "assigned": NEW, **changes})


def moment(*units: Unit, limits: Rollout = LIMITS, **remembered: Any) -> Moment:
    """A rollout of these units at 100 s."""
    fleet = Fleet(deployment="web", version=NEW, fallback=OLD, units=units)
    memory = Memory(since=0.0, progress_at=0.0, **remembered)
    return Moment(rollout=limits, fleet=fleet, memory=memory, now=100.0)


def forward(*units: Unit, **changes: Any) -> Turns:
    """Who goes forward, of all that have not been sent."""
    at = moment(*units, **changes)
    return turns.forward(
        at, [u for u in units if u.online and not at.fleet.is_given(u)]
    )


def back(*units: Unit, **changes: Any) -> Turns:
    """Who goes back, of all that are here."""
    at = moment(*units, verdict="failed", **changes)
    return turns.back(at, [u for u in units if u.online and u.assigned != OLD])


def test_as_many_change_as_may_be_missing() -> None:
    """Those on their way count until they have proved the new version."""
    waiting = [unit(name) for name in ("n1", "n2", "n3")]
    assert len(forward(*waiting).begins) == 2
    assert len(forward(trying("n0"), *waiting).begins) == 1
    assert len(forward(trying("n0", proved=True), *waiting).begins) == 2


def test_all_at_once_means_all() -> None:
    """Whatever the limit says."""
    limits = msgspec.structs.replace(LIMITS, strategy="all-at-once")
    waiting = [unit(name) for name in ("n1", "n2", "n3")]
    assert len(forward(*waiting, limits=limits).begins) == 3


def test_with_nobody_allowed_to_be_missing_one_changes_at_a_time() -> None:
    """Its device starts the new one beside the old one."""
    limits = msgspec.structs.replace(LIMITS, max_unavailable=Limit())
    found = forward(unit("n1"), unit("n2"), limits=limits)
    assert (len(found.begins), found.allowed) == (1, 0)


def test_what_is_ill_for_another_reason_counts_as_missing() -> None:
    """And may itself be changed: that costs nothing."""
    ill = unit("n9", healthy=False)
    found = forward(ill, unit("n1"), unit("n2"))
    assert ("n9" in found.begins, len(found.begins), found.unavailable) == (True, 2, 1)


def test_what_is_ill_at_the_first_look_counts_as_well() -> None:
    """Nobody saw it well, but it had a version and is here."""
    ill = unit("n9", healthy=False)
    waiting = (unit("n1"), unit("n2"), unit("n3"))
    at = moment(ill, *waiting, unseen=("n9",))
    assert len(turns.forward(at, waiting).begins) == 1
    away = moment(replace(ill, online=False), *waiting, unseen=("n9",))
    assert len(turns.forward(away, waiting).begins) == 2


def test_more_that_are_ill_than_may_be_missing_do_not_wait_for_each_other() -> None:
    """The new version may be what heals them; those that serve wait."""
    ill = [unit(f"n{n}", healthy=False) for n in range(3)]
    found = forward(*ill, unit("n8"), unseen=("n0", "n1", "n2"))
    assert found.begins == {"n0", "n1", "n2"}


@pytest.mark.parametrize("why", ["failing", "harmless", "new"])
def test_what_nobody_misses_is_not_counted(why: str) -> None:
    """It failed before, or was not there."""
    ill = unit("n9", healthy=False)
    waiting = (unit("n1"), unit("n2"), unit("n3"))
    at = moment(ill, *waiting, **{why: ("n9",)})
    assert len(turns.forward(at, waiting).begins) == 2


def test_a_new_slot_waits_for_nobody() -> None:
    """Nobody misses what nobody had."""
    new = [unit(f"n{n}", has=0, assigned=0, healthy=False) for n in range(5)]
    assert len(forward(*new).begins) == 5


def test_one_that_went_away_on_its_way_counts_until_the_deadline() -> None:
    """Then the new version is withdrawn where it was not taken up."""
    gone = unit("n9", assigned=NEW, online=False)
    waiting = (unit("n1"), unit("n2"))
    found = forward(gone, *waiting, changing={"n9": 90.0})
    assert (len(found.begins), found.withdrawn) == (1, frozenset())
    assert found.wake_at == 690.0
    found = forward(gone, *waiting, changing={"n9": -500.0})
    assert (len(found.begins), found.withdrawn) == (2, frozenset({"n9"}))
    assert "n9" not in found.changing


def test_once_it_is_done_nothing_holds_up_the_rest_for_ever() -> None:
    """One that never gets there is late at the deadline."""
    stuck = trying("n9", healthy=False)
    waiting = (unit("n1"), unit("n2"))
    soon = forward(stuck, *waiting, verdict="done", changing={"n9": 90.0})
    late = forward(stuck, *waiting, verdict="done", changing={"n9": -500.0})
    assert (len(soon.begins), len(late.begins)) == (1, 2)


def test_two_devices_of_a_site_never_change_at_once() -> None:
    """Two replicas of one device may."""
    limits = msgspec.structs.replace(LIMITS, group_by="site")
    pair = (unit("a", node="n1"), unit("b", node="n1"))
    assert len(forward(unit("n1"), unit("n2"), limits=limits).begins) == 1
    assert len(forward(*pair, limits=limits).begins) == 2
    assert not forward(trying("n1"), unit("n2"), limits=limits).begins
    elsewhere = unit("n2", site="away")
    assert forward(trying("n1"), elsewhere, limits=limits).begins == {"n2"}


def test_two_ill_ones_of_a_site_do_not_wait_for_each_other() -> None:
    """One of them changes, and may be well then."""
    limits = msgspec.structs.replace(LIMITS, group_by="site")
    ill = [unit(name, healthy=False) for name in ("n1", "n2")]
    assert len(forward(*ill, limits=limits).begins) == 1


def test_what_does_not_serve_goes_back_at_once() -> None:
    """What serves does when there is room."""
    ill = [trying(f"n{n}", healthy=False) for n in range(3)]
    found = back(*ill, trying("n8"), trying("n9"))
    assert found.begins == {"n0", "n1", "n2"}
    assert len(back(ill[0], trying("n8"), trying("n9")).begins) == 2


def test_one_that_went_back_alone_needs_no_turn() -> None:
    """It takes nobody's, and no report of it is waited for."""
    alone = unit("n0", assigned=NEW)
    others = [trying(name) for name in ("n1", "n2", "n3")]
    found = back(alone, *others)
    assert "n0" in found.begins
    assert len(found.begins) == 3
    assert "n0" not in found.changing


def test_one_that_goes_back_counts_until_it_is_well() -> None:
    """Or late; what failed before never does."""
    going = unit("n7", has=NEW)
    up = unit("n7", healthy=False)
    waiting = (trying("n8"), trying("n9"))
    assert len(back(going, *waiting).begins) == 1
    assert len(back(up, *waiting).begins) == 1
    assert len(back(up, *waiting, changing={"n7": -500.0}).begins) == 2
    assert len(back(up, *waiting, failing=("n7",)).begins) == 2
    assert len(back(unit("n7"), *waiting).begins) == 2


def test_a_window_opens_for_each_device_at_its_own_moment() -> None:
    """Within the spread; for what is new it is always open."""
    window = Window(opens="0 3 * * *", lasts=7_200.0, spread=3_600.0)
    limits = msgspec.structs.replace(LIMITS, window=window)
    opens_at = turns.gate(limits, 0.0).opens_for(unit("n1"))
    assert opens_at is not None
    assert 3 * 3_600.0 < opens_at < 4 * 3_600.0
    assert turns.gate(limits, 3 * 3_600.0).opens_for(unit("n1")) == opens_at
    assert turns.gate(limits, opens_at + 1).opens_for(unit("n1")) == opens_at + 1
    new = unit("n1", has=0, assigned=0)
    assert turns.gate(limits, 0.0).opens_for(new) == 0.0


def test_a_window_that_nobody_can_read_never_opens() -> None:
    """The devices would say the same."""
    window = Window(opens="0 3 * * *", lasts=7_200.0, zone="Moon/Base")
    limits = msgspec.structs.replace(LIMITS, window=window)
    assert turns.gate(limits, 0.0).opens_for(unit("n1")) is None
    odd = msgspec.structs.replace(LIMITS, window=Window(opens="at night", lasts=60.0))
    assert turns.gate(odd, 0.0).opens_for(unit("n1")) is None
