"""Which images may go: ours, needed by nothing, and after a while."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.model import MIB
from node import images
from node.images import HURRIED_FOR, NEARLY_FULL, SPARE_FOR, UNUSED_FOR, Held, Need
from node.preflight import Room
from tests.support import builders as a
from tests.support.replicas import a_replica, image, image_id

WIDE = Room(disk_free=NEARLY_FULL, memory_total=1024 * MIB, memory_available=512 * MIB)
FULL = replace(WIDE, disk_free=NEARLY_FULL - 1)
WEB = "web/web.1"
FIRST, SECOND, THIRD = (image_id(number) for number in (1, 2, 3))
NOTHING = Need()


def revision(version: int, **changes: Any) -> a.Deployment:
    """Revision n of a deployment, on image n."""
    workload = a.workload(image=image(version))
    return a.deployment(version=version, workloads=(workload,), **changes)


def held(*places: Any, newest: a.Deployment, **changes: Any) -> Held:
    """A device with these places, all revisions before the newest on its disk."""
    known = [*(revision(each) for each in range(1, newest.version)), newest]
    fields = {
        "places": places,
        "deployments": {newest.name: newest},
        "revisions": {(each.name, each.version): each for each in known},
        "proved": {},
    }
    return Held(**{**fields, **changes})


def needs(what: Held, *used: str) -> Need:
    """What must stay of it."""
    return images.need(what, "amd64", used)


def test_what_runs_may_have_to_or_is_a_container_stays() -> None:
    """Whoever made the container."""
    what = held(newest=revision(1), replicas=(a_replica(),))
    assert needs(what, SECOND).needed == {FIRST, SECOND}


def test_newest_revision_of_what_is_here_stays_before_it_is_assigned() -> None:
    """It is fetched ahead; and of what is not here, nothing is needed."""
    newest = revision(2)
    assert needs(held(a.place(WEB, 1), newest=newest)).needed == {FIRST, SECOND}
    assert needs(held(newest=newest)) == NOTHING


def test_way_back_stays_until_the_newest_proved_itself_in_all_slots() -> None:
    """Then it is spare: the rollout may still fail elsewhere."""
    newest = revision(2, rollout=a.rollout(), fallback=1)
    places = (a.place(WEB, 2), a.place("web/web.2", 2))
    for proved in ({}, {WEB: 2}, {WEB: 2, "web/web.2": 1}):
        found = needs(held(*places, newest=newest, proved=proved))
        assert found == Need(needed=frozenset({FIRST, SECOND}))
    both = {WEB: 2, "web/web.2": 2}
    found = needs(held(*places, newest=newest, proved=both))
    assert found == Need(needed=frozenset({SECOND}), spare=frozenset({FIRST}))


def test_what_ran_before_a_trial_stays() -> None:
    """It need not be the signed fallback."""
    newest = revision(3, rollout=a.rollout(), fallback=2)
    before = a.place(WEB, 1)
    found = needs(held(a.place(WEB, 3), before, newest=newest))
    assert found.needed == {FIRST, SECOND, THIRD}


def test_way_back_that_is_not_on_this_disk_is_none() -> None:
    """Nobody could run it."""
    newest = revision(2, rollout=a.rollout(), fallback=1)
    here = {("web", 2): newest}
    found = needs(held(a.place(WEB, 2), newest=newest, revisions=here))
    assert found == Need(needed=frozenset({SECOND}))


def test_unused_image_goes_after_an_hour() -> None:
    """Since it was first seen to be unused."""
    first = images.ripe([FIRST], NOTHING, {}, WIDE, 100.0)
    assert (first.image, first.wake_at) == ("", 100.0 + UNUSED_FOR)
    later = images.ripe([FIRST], NOTHING, first.idle, WIDE, 100.0 + UNUSED_FOR)
    assert later.image == FIRST
    assert later.reason == "not needed for 60 min"


def test_spare_image_is_kept_for_a_day() -> None:
    """Going back at once needs no registry."""
    spare = Need(spare=frozenset({FIRST}))
    idle = {FIRST: 0.0}
    assert not images.ripe([FIRST], spare, idle, WIDE, SPARE_FOR - 1).image
    assert images.ripe([FIRST], spare, idle, WIDE, SPARE_FOR).image == FIRST


def test_nearly_full_disk_hurries() -> None:
    """A pull may be waiting for room."""
    spare = Need(spare=frozenset({FIRST}))
    assert not images.ripe([FIRST], spare, {FIRST: 0.0}, FULL, HURRIED_FOR - 1).image
    found = images.ripe([FIRST], spare, {FIRST: 0.0}, FULL, HURRIED_FOR)
    assert found.image == FIRST
    assert found.reason.endswith("the disk is nearly full")


def test_image_that_was_needed_in_between_begins_anew() -> None:
    """A slot went away and came back."""
    first = images.ripe([FIRST], NOTHING, {}, WIDE, 0.0)
    used = Need(needed=frozenset({FIRST}))
    second = images.ripe([FIRST], used, first.idle, WIDE, 3000.0)
    third = images.ripe([FIRST], NOTHING, second.idle, WIDE, 4000.0)
    assert third.image == ""
    assert third.wake_at == 4000.0 + UNUSED_FOR


SETS = st.frozensets(st.sampled_from("abcdef"), max_size=6)


@given(
    stock=SETS,
    need=st.builds(Need, needed=SETS, spare=SETS),
    idle=st.dictionaries(st.sampled_from("abcdef"), st.floats(0.0, 1e5)),
    free=st.integers(0, 2 * NEARLY_FULL),
    now=st.floats(1e5, 1e6),
)
def test_only_ours_that_nothing_needs_and_that_waited_goes(
    stock: frozenset[str],
    need: Need,
    idle: Mapping[str, float],
    free: int,
    now: float,
) -> None:
    """Whatever is asked; and what is ripe is found, or the time it will be."""
    found = images.ripe(stock, need, idle, replace(WIDE, disk_free=free), now)
    unused = stock - need.needed
    assert found.idle.keys() == unused
    if found.image:
        assert found.image in unused
        assert now - found.idle[found.image] >= HURRIED_FOR
    else:
        assert (found.wake_at is None) == (not unused)
        assert found.wake_at is None or found.wake_at > now


@given(steps=st.lists(st.tuples(SETS, st.booleans()), min_size=1, max_size=6))
def test_everything_unused_is_gone_in_the_end_and_nothing_used_ever(
    steps: list[tuple[frozenset[str], bool]],
) -> None:
    """One at a time."""
    stock, idle, now = set("abcdef"), dict[str, float](), 0.0
    needed = frozenset[str]()
    for needed, is_full in steps:
        what, room = Need(needed=needed), FULL if is_full else WIDE
        for _ in range(20):
            found = images.ripe(stock, what, idle, room, now)
            idle = dict(found.idle)
            assert found.image not in needed
            stock.discard(found.image)
            now = max(now, found.wake_at or now)
        assert stock <= needed
