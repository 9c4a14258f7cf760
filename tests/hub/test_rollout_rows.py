from typing import Any

import pytest

from hub import rollout_rows
from hub.rows import Row
from tests.support import builders, staged
from tests.support.staged import LIMITS, N1, N2, N3, Hub, version


def row(hub: Hub, name: str = "web") -> Row:
    """How the hub tells a rollout."""
    found = rollout_rows.rollout(rollout_rows.view(hub.state, hub.now), name)
    assert found is not None
    return found


def unit(hub: Hub, node: str) -> Row:
    """What is told of one device's unit."""
    (found,) = [each for each in row(hub)["units"] if each["node"] == node]
    return found


def test_a_rollout_is_told_with_its_limits_and_where_it_is() -> None:
    """Waves are counted from 1."""
    hub = staged.opened()
    told = row(hub)
    assert {key: told[key] for key in ("name", "version", "fallback", "strategy")} == {
        "name": "web",
        "version": 2,
        "fallback": 1,
        "strategy": "canary",
    }
    assert (told["phase"], told["wave"], told["waves"]) == ("rolling", 2, 2)
    assert told["deadline"] == hub.now + LIMITS.progress_deadline
    assert (told["unavailable"], told["allowed"], told["control"]) == (0, 5, None)


def test_who_needs_the_operators_word_is_told() -> None:
    """Nobody before, and nobody without a rollout."""
    hub = staged.opened()
    assert row(hub)["stranded"] == []
    hub.take(builders.revocation(devices=(N1.id,)))
    hub.decide()
    assert row(hub)["stranded"] == ["n2", "n3"]
    assert row(Hub())["stranded"] == []


def test_a_unit_is_told_as_it_is_reported_now() -> None:
    """And which version it is to run."""
    hub = staged.rolling()
    hub.run(2, N1, healthy=False, state="starting", reason="probing")
    assert unit(hub, "n1") == {
        "slot": "web/web@n1",
        "node": "n1",
        "site": "home",
        "wave": 1,
        "version": 2,
        "wanted": 2,
        "state": "starting",
        "healthy": False,
        "proved": False,
        "bad": False,
        "online": True,
        "reason": "probing",
        "log": None,
    }
    assert (unit(hub, "n2")["wave"], unit(hub, "n2")["wanted"]) == (2, 1)
    hub.away(N2)
    assert (unit(hub, "n2")["state"], unit(hub, "n2")["healthy"]) == ("unknown", False)


def test_a_failure_is_told_with_its_last_lines() -> None:
    """Whoever reads it wants to know why."""
    hub = staged.failed()
    assert row(hub)["reason"] == "web/web@n3 failed at revision 2 on n3: it exits"
    told = unit(hub, "n3")
    assert (told["bad"], told["reason"], told["log"]) == (
        True,
        "it exits",
        {"box": "last words", "keys": {}},
    )


def test_the_operators_newest_word_is_told() -> None:
    """Whatever it was about."""
    hub = staged.rolling()
    hub.take(builders.control(version=4, target=2))
    assert row(hub)["control"] == {"version": 4, "action": "pause", "target": 2}


def test_what_waits_for_its_turn_is_told() -> None:
    """It is assigned to nobody yet."""
    hub = Hub()
    more = (staged.EVERYWHERE, builders.workload("extra", every="*"))
    hub.take(version(2, fallback=1, workloads=more))
    hub.decide()
    waiting = [each for each in row(hub)["units"] if each["wanted"] == 0]
    assert [each["slot"] for each in waiting] == ["web/extra@n2", "web/extra@n3"]


@pytest.mark.parametrize(
    ("changes", "phase"),
    [({}, "idle"), ({"rollout": LIMITS}, "rolling")],
)
def test_a_deployment_without_a_way_back_goes_everywhere_at_once(
    changes: dict[str, Any], phase: str
) -> None:
    """It is told all the same what runs where."""
    hub = Hub(version(1, **changes))
    told = row(hub)
    assert (told["phase"], told["wave"], told["deadline"]) == (phase, 1, None)
    assert [each["node"] for each in told["units"]] == ["n1", "n2", "n3"]


def test_a_first_version_under_limits_is_done_when_it_proved_itself() -> None:
    """Or failed, and there is nothing to go back to."""
    hub = Hub(version(1, rollout=LIMITS))
    hub.prove(1, N1, N2, N3)
    assert row(hub)["phase"] == "done"
    hub.fail(1, N3)
    told = row(hub)
    assert told["phase"] == "failed"
    assert told["reason"] == "web/web@n3 failed on n3: it exits"


def test_before_the_hub_has_decided_it_is_rolling() -> None:
    """It was started a moment ago."""
    hub = staged.rolling()
    hub.state.courses = {}
    assert row(hub)["phase"] == "rolling"


def test_there_is_no_rollout_of_what_is_not_there() -> None:
    """Or has ended."""
    hub = Hub()
    shown = rollout_rows.view(hub.state, hub.now)
    assert rollout_rows.rollout(shown, "other") is None


def test_versions_are_told_oldest_first() -> None:
    """With what an undo wants to know."""
    hub = staged.rolling()
    hub.take(builders.tombstone(version=3))
    lineage = hub.state.shelf.lineage
    told = rollout_rows.revisions(lineage, "web")
    assert [each["version"] for each in told] == [1, 2, 3]
    assert [each["deleted"] for each in told] == [False, False, True]
    assert [each["is_newest"] for each in told] == [False, False, True]
    assert [each["workloads"] for each in told] == [1, 1, 0]
    assert rollout_rows.revisions(lineage, "other") == []
