import math

import msgspec
import pytest

from edge.model import Failure
from edge.staging.shapes import Limit
from edge.staging.waves import lot
from hub import staging
from hub.fleet import RETURN_WITHIN
from tests.support import builders, staged
from tests.support.staged import N1, N2, N3, Hub, version


def test_only_what_has_limits_and_a_way_back_is_staged() -> None:
    """Everything else goes everywhere at once, as it always did."""
    hub = staged.rolling()
    assert list(hub.state.staged) == ["web"]
    plain = Hub()
    plain.take(version(2, rollout=staged.LIMITS))
    plain.decide()
    assert (plain.state.courses, plain.versions()) == ({}, [2, 2, 2])


def test_a_rollout_goes_wave_by_wave() -> None:
    """From what is signed and reported to who is assigned what."""
    hub = staged.rolling()
    assert (hub.versions(), hub.phase) == ([2, 1, 1], "rolling")
    hub.prove(2, N1)
    hub.decide()
    assert hub.versions() == [2, 2, 2]
    hub.prove(2, N2, N3)
    hub.decide()
    assert hub.phase == "done"
    assert hub.decide().documents == ()


def test_a_failure_is_what_places_follow() -> None:
    """Everything is the version before again, and stays so."""
    hub = staged.failed()
    assert (hub.versions(), hub.phase) == ([1, 1, 1], "going-back")
    hub.run(1, N1, N2)
    hub.decide()
    assert hub.phase == "failed"
    ground = hub.state.ground
    assert (ground.deployments["web"].version, dict(ground.before)) == (1, {})


def test_what_only_the_newer_version_has_waits_for_its_turn() -> None:
    """And goes when the rollout goes back."""
    hub = Hub()
    more = (staged.EVERYWHERE, builders.workload("extra", every="*"))
    hub.take(version(2, fallback=1, workloads=more))
    made = hub.decide()
    assert hub.assigned()["n1"] == {"web@n1": 2, "extra@n1": 2}
    assert hub.assigned()["n2"] == {"web@n2": 1}
    assert [each.slot for each in made.placement.waiting] == [
        "web/extra@n2",
        "web/extra@n3",
    ]
    assert made.placement.waiting[0].reasons == {"n2": "waits for its turn"}
    hub.fail(2, N1)
    hub.decide()
    assert hub.assigned()["n1"] == {"web@n1": 1}


def test_what_only_the_older_version_has_stays_until_it_is_done() -> None:
    """It would be missed if the rollout went back."""
    both = (staged.EVERYWHERE, builders.workload("old", every="*"))
    hub = Hub(version(1, workloads=both))
    hub.take(version(2, fallback=1))
    hub.decide()
    assert hub.assigned()["n1"] == {"web@n1": 2, "old@n1": 1}
    hub.prove(2, N1)
    hub.decide()
    hub.prove(2, N2, N3)
    hub.decide()
    assert hub.assigned()["n2"] == {"web@n2": 2}


def test_a_slot_moves_when_its_new_place_is_in_an_open_wave() -> None:
    """Until then it serves where it is, in the version it has."""
    anywhere = builders.workload(replicas=1, prefer={"site": "home"})
    hub = Hub(version(1, workloads=(anywhere,)))
    (holder,) = [name for name, slots in hub.assigned().items() if slots]
    assert holder == "n1"
    lab = {"role": "lab"}
    hub.take(builders.node(N3, labels=lab))
    elsewhere = builders.workload(replicas=1, require=lab)
    hub.take(version(2, fallback=1, workloads=(elsewhere,)))
    hub.decide()
    assert hub.assigned() == {"n1": {"web.1": 1}}
    hub.take(builders.control(target=2, action="promote", wave=1))
    hub.decide()
    assert hub.assigned() == {"n1": {}, "n3": {"web.1": 2}}


def test_a_drained_device_is_emptied_in_the_middle_of_a_rollout() -> None:
    """What it had runs elsewhere in the version that its wave allows."""
    two = builders.workload(replicas=2)
    hub = Hub(version(1, workloads=(two,)))
    hub.take(version(2, fallback=1, workloads=(two,)))
    hub.decide()
    assert hub.assigned() == {"n1": {"web.1": 2}, "n2": {"web.2": 1}}
    hub.take(builders.node(N2, scheduling="drained"))
    hub.decide()
    assert hub.assigned() == {"n1": {"web.1": 2}, "n2": {}, "n3": {"web.2": 1}}


def test_a_newer_version_begins_with_what_runs_by_then() -> None:
    """The canary of the one before keeps it until its turn comes."""
    hub = staged.opened()
    hub.run(2, N2)
    hub.take(version(3, fallback=1))
    hub.decide()
    assert hub.versions() == [3, 2, 1]


def test_the_fallback_may_be_lost_on_the_hub() -> None:
    """The devices have it; places follow the newest then."""
    hub = staged.rolling()
    hub.state.shelf.lineage.kept["web"].pop(1)
    hub.fail(2, N1)
    hub.decide()
    assert hub.versions() == [1, 1, 1]
    assert hub.state.ground.deployments["web"].version == 2


def test_a_report_is_news_when_it_says_something_else_of_a_rollout() -> None:
    """Not for the time it was sent, nor for anything about other deployments."""
    hub = staged.rolling()
    status = builders.status("web/web@n1", 2, healthy=False, state="starting")
    one = builders.report(N1, replicas=(status,))
    again = builders.report(N1, 2, replicas=(status,))
    up = builders.report(N1, 3, replicas=(builders.status("web/web@n1", 2),))
    other = builders.status("other/other@n1")
    courses = hub.state.courses
    assert staging.is_news(courses, None, one)
    assert not staging.is_news(courses, one, again)
    assert staging.is_news(courses, one, up)
    gone_wrong = Failure(slot="web/web@n1", deployment="web", version=2)
    bad = builders.report(N1, 4, replicas=(status,), failures=(gone_wrong,))
    assert staging.is_news(courses, one, bad)
    assert not staging.is_news(courses, None, builders.report(N1, replicas=(other,)))


def test_once_it_is_over_no_report_is_news() -> None:
    """Ten thousand devices report without anything being decided."""
    hub = staged.opened()
    hub.prove(2, N2, N3)
    hub.decide()
    ill = builders.status("web/web@n1", 2, healthy=False)
    assert not staging.is_news(
        hub.state.courses, None, builders.report(N1, replicas=(ill,))
    )


def test_one_that_goes_away_in_its_turn_pauses_nobody() -> None:
    """Its room is free at the deadline, and the next one takes it."""
    one = msgspec.structs.replace(staged.LIMITS, max_unavailable=Limit(count=1))
    first, second = sorted((N2, N3), key=lambda device: lot("web", device.name))
    hub = Hub()
    hub.take(version(2, fallback=1, rollout=one))
    hub.decide()
    hub.prove(2, N1)
    hub.decide()
    assert hub.assigned()[first.name] == {f"web@{first.name}": 2}
    hub.away(first)
    hub.decide()
    hub.decide(after=one.progress_deadline)
    assert hub.phase == "rolling"
    assert hub.assigned()[second.name] == {f"web@{second.name}": 2}


@pytest.mark.parametrize("number", [1, 2])
def test_no_turn_begins_before_it_is_known_who_is_there(number: int) -> None:
    """After a restart: one that is away would keep the room of the others."""
    one = msgspec.structs.replace(staged.LIMITS, max_unavailable=Limit(count=1))
    order = sorted((N2, N3), key=lambda device: lot("web", device.name))
    hub = Hub()
    hub.take(version(2, fallback=1, rollout=one))
    hub.decide()
    hub.prove(2, N1)
    hub.state.presence.clear()
    hub.state.listens_since = math.inf
    hub.decide()
    assert (hub.versions(), hub.course.stage.wake_at) == ([2, 1, 1], None)
    assert hub.course.stage.memory.reason == "waits to hear who is online"
    hub.state.listens_since = hub.now
    hub.decide()
    assert hub.course.stage.wake_at == hub.state.listens_since + RETURN_WITHIN
    for device in (N1, order[number - 1]):
        hub.here(device)
    hub.away(order[number % 2])
    hub.decide()
    assert hub.assigned()[order[number - 1].name].popitem()[1] == 2


def test_who_is_behind_is_waited_for() -> None:
    """It was away when the others changed."""
    hub = staged.rolling()
    hub.away(N3)
    hub.prove(2, N1)
    hub.decide()
    hub.prove(2, N2)
    hub.decide()
    courses, last = hub.state.courses, hub.state.assignments
    assert (hub.phase, hub.versions()) == ("done", [2, 2, 1])
    assert staging.is_behind(courses, last[N3.id])
    assert not staging.is_behind(courses, last[N2.id])
    assert not staging.is_behind(courses, None)
    hub.here(N3)
    hub.decide()
    assert hub.versions() == [2, 2, 2]


def test_what_went_away_before_it_changed_is_withdrawn_after_a_while() -> None:
    """Or all of them would change at once when their site is back."""
    hub = staged.opened()
    hub.away(N3)
    hub.prove(2, N2)
    hub.decide()
    assert (hub.phase, hub.versions()) == ("done", [2, 2, 2])
    assert hub.state.decides_at is not None
    hub.decide(after=staged.LIMITS.progress_deadline)
    assert hub.versions() == [2, 2, 1]


def test_a_rollout_under_way_concerns_who_runs_it() -> None:
    """Whoever goes away may be the last it waits for."""
    hub = staged.rolling()
    assert staging.concerns(hub.state.courses, hub.state.assignments[N2.id])
    assert not staging.concerns(hub.state.courses, builders.assignment(N2))
    assert not staging.concerns(hub.state.courses, None)


def test_who_lags_is_told_again_when_the_evidence_is_another() -> None:
    """Those that do not run yet what they are to."""
    hub = staged.opened()
    hub.run(2, N2)
    hub.decide()
    assert staging.lagging(hub.state.courses.values()) == ["n3"]


def test_the_next_look_is_the_earliest_that_any_rollout_asks_for() -> None:
    """None asks for none."""
    hub = staged.rolling()
    stage = hub.course.stage
    assert staging.wake_at(hub.state.courses.values()) == stage.wake_at
    assert hub.state.decides_at == stage.wake_at
    assert staging.wake_at(()) is None
