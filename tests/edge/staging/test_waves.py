"""Waves by name and by lot, limits, and rollouts that nobody could follow."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.staging.shapes import WHOLE, Limit, Wave
from edge.staging.waves import allowed, finder, lot, problem, wave_of
from tests.support import builders as a

ALL = Wave(share=WHOLE)


def test_a_lot_is_known_for_good() -> None:
    """Every version of every party draws the same number, or waves would differ."""
    assert [lot("web", name) for name in ("n1", "n2", "n3")] == [365, 2287, 7682]


def test_lots_are_spread_over_the_whole_range() -> None:
    """A tenth of the fleet is about a tenth of it."""
    drawn = [lot("web", f"n{index}") for index in range(2000)]
    assert 160 <= sum(own < WHOLE // 10 for own in drawn) <= 240


def test_the_first_wave_that_holds_a_device_is_its_own() -> None:
    """By name, by share, and by being somebody at all."""
    rollout = a.rollout(
        waves=(Wave(nodes=("n2",)), Wave(share=5000), Wave(nodes=("n3",)), ALL)
    )
    waves = {name: wave_of("web", rollout, name) for name in ("n1", "n2", "n3", "n4")}
    assert waves == {"n1": 1, "n2": 0, "n3": 2, "n4": 1}


@given(st.lists(st.integers(1, WHOLE - 1), max_size=5, unique=True), st.text())
def test_a_device_of_a_share_is_in_every_larger_one(
    shares: list[int], node: str
) -> None:
    """Its wave is the first whose share is above its lot."""
    waves = [Wave(share=share) for share in sorted(shares)]
    own = wave_of("web", a.rollout(waves=(*waves, ALL)), node)
    below = [wave.share <= lot("web", node) for wave in waves]
    assert own == sum(below)


@given(st.lists(st.tuples(st.sets(st.integers(1, 9)), st.integers(0, WHOLE))))
def test_many_devices_are_found_in_the_same_waves(
    told: list[tuple[set[int], int]],
) -> None:
    """Whatever the waves are."""
    made = [Wave(nodes=tuple(f"n{n}" for n in names), share=s) for names, s in told]
    rollout = a.rollout(waves=(*made, ALL))
    find = finder("web", rollout)
    for name in (f"n{n}" for n in range(12)):
        assert find(name) == wave_of("web", rollout, name)


@pytest.mark.parametrize(
    ("limit", "count", "expected"),
    [
        (Limit(count=2), 10, 2),
        (Limit(), 10, 0),
        (Limit(share=2500), 10, 2),
        (Limit(share=2500), 3, 1),
        (Limit(share=WHOLE), 10, 10),
    ],
)
def test_a_limit_is_a_count_or_a_share(limit: Limit, count: int, expected: int) -> None:
    """A share is rounded down, though never to nothing."""
    assert allowed(limit, count) == expected


def test_a_sound_rollout_has_no_problem() -> None:
    """A name, a share that a later wave with names keeps, and everybody."""
    waves = (Wave(nodes=("n1",)), Wave(share=1000), Wave(nodes=("n9",), share=1000))
    assert problem(a.rollout()) == ""
    assert problem(a.rollout(waves=(*waves, ALL))) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"waves": (Wave(share=9999),)},
            "the last wave is not the whole fleet (a share of 10,000)",
        ),
        (
            {"waves": (Wave(share=2000), Wave(nodes=("n1",), share=1000), ALL)},
            "the share falls from 2000 in wave 1 to 1000 in wave 2",
        ),
        ({"waves": (ALL, ALL)}, "wave 1 is the whole fleet, nothing is left for 2"),
        ({"waves": (Wave(), ALL)}, "wave 1 adds no device"),
        (
            {"waves": (Wave(nodes=("n1",)), Wave(nodes=("n1",)), ALL)},
            "wave 2 adds no device",
        ),
        (
            {"max_unavailable": Limit(count=1, share=1000)},
            "max_unavailable is a count and a share at once",
        ),
        (
            {"max_unavailable": Limit(), "order": "stop-first"},
            "max_unavailable is 0, but stop-first makes each replica unavailable",
        ),
        (
            {"healthy_for": 60.0, "progress_deadline": 30.0},
            "healthy_for (60 s) must be shorter than progress_deadline (30 s)",
        ),
    ],
)
def test_a_rollout_that_nobody_could_follow_says_why(
    changes: dict[str, Any], expected: str
) -> None:
    """Operators read the sentence when they sign, devices when they refuse."""
    assert problem(a.rollout(**changes)) == expected
