from collections.abc import Callable

import pytest

from edge.documents import Document
from hub import telling
from tests.support import builders, staged
from tests.support.staged import N1, N2, N3, Hub, version


def told(hub: Hub, act: Callable[[], None]) -> list[str]:
    """What is told of the next decision."""
    before = dict(hub.state.rollouts)
    act()
    made = hub.decide()
    return [text for _, text in telling.of(before, made.courses)]


def test_a_rollout_is_told_from_wave_to_wave() -> None:
    """And how it ended."""
    hub = Hub()
    news = version(2, fallback=1)
    assert told(hub, lambda: hub.take(news)) == ["revision 2: wave 1 of 2 is open"]
    assert told(hub, lambda: None) == []
    opened = told(hub, lambda: hub.prove(2, N1))
    assert opened == ["revision 2: wave 2 of 2 is open"]
    assert told(hub, lambda: hub.prove(2, N2, N3)) == ["revision 2 is done"]


def test_a_failure_is_told_with_its_device_and_reason() -> None:
    """Then that all are back."""
    hub = staged.opened()
    hub.run(2, N2)
    why = "web/web@n3 failed at revision 2 on n3: it exits"
    assert told(hub, lambda: hub.fail(2, N3)) == [
        f"revision 2 goes back to revision 1: {why}"
    ]
    assert told(hub, lambda: hub.run(1, N1, N2)) == [
        f"revision 2 failed, all are back at revision 1: {why}"
    ]


def test_who_is_not_back_is_named() -> None:
    """Away, or not heard to have changed in time."""
    hub = staged.opened()
    hub.run(2, N2)
    hub.away(N2)
    why = "web/web@n3 failed at revision 2 on n3: it exits"
    hub.fail(2, N3)
    hub.decide()
    assert told(hub, lambda: hub.run(1, N1)) == [
        f"revision 2 failed, all but n2 are back at revision 1: {why}"
    ]


def test_who_needs_the_operators_word_is_named_once() -> None:
    """With the word."""
    hub = staged.opened()
    hub.prove(2, N2)
    hub.decide()
    (said,) = stranded(hub, builders.revocation(devices=(N1.id,)))
    why = "no proof of it is left that counts"
    what = "`edgectl rollout promote web` does without"
    assert said == f"revision 2 cannot reach n3: {why}; {what}"
    assert stranded(hub) == []
    hub = staged.failed()
    (said,) = stranded(hub, builders.revocation(devices=(N3.id,)))
    why = "no report of its failure is left that counts"
    what = "`edgectl rollout abort web` ends it there"
    assert said == f"revision 2 stays on n1, n2: {why}; {what}"


def stranded(hub: Hub, *documents: Document) -> list[str]:
    """What is told of devices that cannot be brought along."""
    for each in documents:
        hub.take(each)
    before = dict(hub.state.evidence)
    made = hub.decide()
    found = telling.stranded(before, made.evidence, made.courses)
    return [text for _, text in found]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("pause", "revision 2 is paused: the operator paused it"),
        ("abort", "revision 2 goes back to revision 1: the operator aborted it"),
    ],
)
def test_what_the_operator_said_is_told(action: str, said: str) -> None:
    """As the hub heeds it."""
    hub = staged.rolling()
    word = builders.control(target=2, action=action)
    hub.run(2, N1)
    assert told(hub, lambda: hub.take(word)) == [said]


def test_going_on_after_a_pause_is_told() -> None:
    """Whoever paused it may be another operator."""
    hub = staged.rolling()
    hub.take(builders.control(target=2))
    hub.decide()
    word = builders.control(version=2, target=2, action="resume")
    assert told(hub, lambda: hub.take(word)) == ["revision 2 goes on"]


def test_a_restart_is_no_news() -> None:
    """What was remembered is what was told."""
    hub = staged.rolling()
    hub.state.courses = {}
    assert told(hub, lambda: None) == []
