"""Which reports open a wave, and which ones a hub sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model import Failure
from edge.staging import waves
from edge.staging.evidence import (
    BAD_MAX,
    PROOFS_MAX,
    Seen,
    is_enough,
    needed,
    pick,
    seen,
)
from edge.staging.shapes import WHOLE, Rollout, Wave
from edge.staging.waves import lot, wave_of
from tests.support import builders as a

ALL = Wave(share=WHOLE)
NODES = [f"n{index}" for index in range(1, 31)]
FAILURE = Failure(slot="web/web.1", deployment="web", version=2, reason="it fell")


def proofs(*nodes: str) -> list[Seen]:
    """Return that the version proved itself on each."""
    return [Seen(node, proved=True) for node in nodes]


def canary(count: int) -> Rollout:
    """Return a rollout whose first wave names n1 and those after it."""
    return a.rollout(waves=(Wave(nodes=tuple(NODES[:count])), ALL))


def test_a_report_proves_the_version_it_runs() -> None:
    """And says nothing of others."""
    report = a.report(
        a.Device("n1"), replicas=(a.status("web/web.1", version=2, proved=True),)
    )
    assert seen(report, "web", 2) == Seen("n1", proved=True)
    assert seen(report, "web", 3) is None
    assert seen(report, "api", 2) is None


def test_healthy_is_not_yet_proved() -> None:
    """It must stay healthy for as long as the rollout asks."""
    report = a.report(a.Device("n1"), replicas=(a.status("web/web.1", version=2),))
    assert seen(report, "web", 2) is None


def test_a_version_is_bad_on_a_device_where_one_replica_failed() -> None:
    """Another replica of it that works does not make up for it."""
    fine = a.status("web/web.2", version=2, proved=True)
    report = a.report(a.Device("n1"), replicas=(fine,), failures=(FAILURE,))
    assert seen(report, "web", 2) == Seen("n1", bad=True)
    assert seen(report, "web", 1) is None


@pytest.mark.parametrize(
    ("named", "expected"), [(1, 1), (2, 1), (3, 2), (9, 5), (30, 5)]
)
def test_half_of_a_named_wave_opens_the_next(named: int, expected: int) -> None:
    """Five are enough however many there are."""
    rollout = canary(named)
    assert needed("web", rollout, 1) == expected
    assert is_enough("web", rollout, 1, proofs(*NODES[:expected]))
    assert not is_enough("web", rollout, 1, proofs(*NODES[: expected - 1]))


def test_the_first_wave_needs_nothing() -> None:
    """Somebody must be the first."""
    assert is_enough("web", canary(1), 0, [])
    assert needed("web", canary(1), 0) == 0


def test_of_a_named_wave_only_the_named_count() -> None:
    """A hub cannot choose who speaks for the canaries."""
    assert not is_enough("web", canary(1), 1, proofs("n7"))


def test_a_device_speaks_once() -> None:
    """Twice the same report is one proof, and a bad one is none."""
    assert not is_enough("web", canary(3), 1, proofs("n1", "n1"))
    assert not is_enough("web", canary(1), 1, [Seen("n1", bad=True)])


def test_any_earlier_device_opens_a_wave_after_a_share() -> None:
    """A share of a small fleet may hold nobody."""
    rollout = a.rollout(waves=(Wave(nodes=("n1",)), Wave(share=1), ALL))
    assert is_enough("web", rollout, 2, proofs("n1"))
    assert not is_enough("web", rollout, 2, proofs("n2"))


def test_a_device_named_by_an_earlier_wave_counts_there_only() -> None:
    """Naming it again does not make it speak for the later wave."""
    later = Wave(nodes=("n1", "n2"))
    rollout = a.rollout(waves=(Wave(nodes=("n1",)), later, ALL))
    assert not is_enough("web", rollout, 2, proofs("n1"))
    assert is_enough("web", rollout, 2, proofs("n2"))


def test_bad_ones_are_sent_first() -> None:
    """To the first wave too: it may be the one that goes back."""
    told = [*proofs("n1"), Seen("n5", bad=True), Seen("n6", bad=True)]
    assert set(pick("web", canary(1), 1, told)[:BAD_MAX]) == {"n5", "n6"}
    assert set(pick("web", canary(1), 0, told)) == {"n5", "n6"}


def test_the_nearest_wave_is_sent_first() -> None:
    """What proved itself last tells the most."""
    first, *others = sorted(NODES, key=lambda node: lot("web", node))
    rollout = a.rollout(waves=(Wave(nodes=(first,)), Wave(share=9000), ALL))
    sent = pick("web", rollout, 2, proofs(first, *others))
    assert sent == tuple(others[:2])


SHARES = st.lists(st.integers(1, WHOLE - 1), max_size=2, unique=True).map(sorted)


@given(st.lists(st.sampled_from(NODES), max_size=12, unique=True), SHARES, st.data())
def test_what_a_hub_sends_is_enough_whenever_what_it_has_is(
    named: list[str], shares: list[int], data: st.DataObject
) -> None:
    """And it is small, and the order of what it has does not matter."""
    ahead = [Wave(nodes=tuple(named))] if named else []
    waves = (*ahead, *(Wave(share=share) for share in shares), ALL)
    rollout = a.rollout(waves=waves)
    drawn = data.draw(st.dictionaries(st.sampled_from(NODES), st.booleans()))
    told = [Seen(node, proved=not bad, bad=bad) for node, bad in drawn.items()]
    for wave in range(len(waves)):
        sent = pick("web", rollout, wave, told)
        chosen = [each for each in told if each.node in sent]
        assert is_enough("web", rollout, wave, chosen) == is_enough(
            "web", rollout, wave, told
        )
        assert sum(each.proved for each in chosen) <= PROOFS_MAX
        assert sum(each.bad for each in chosen) <= BAD_MAX
        assert pick("web", rollout, wave, reversed(told)) == sent


@pytest.mark.parametrize("wave", [1, 2])
def test_no_device_speaks_for_its_own_wave(wave: int) -> None:
    """Nor for an earlier one, whatever the shares."""
    rollout = a.rollout(waves=(Wave(share=3000), Wave(share=6000), ALL))
    later = [each for each in NODES if wave_of("web", rollout, each) >= wave]
    assert later
    assert not is_enough("web", rollout, wave, proofs(*later))


def test_names_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wave may name a thousand devices, and a hub asks with every report."""
    drawn: list[str] = []

    def draw(deployment: str, node: str) -> int:
        drawn.append(node)
        return lot(deployment, node)

    monkeypatch.setattr(waves, "lot", draw)
    rollout = canary(len(NODES))
    assert is_enough("web", rollout, 1, proofs(*NODES))
    assert pick("web", rollout, 1, proofs(*NODES))
    assert len(drawn) <= 8 * len(NODES)
