"""What is wrong, and what to do about it."""

import dataclasses

import pytest

from edge.ctl import checkup
from edge.ctl.checkup import Picture
from edge.ctl.shapes import Event, NodeRow, ReplicaRow
from edge.ctl.voting import Standing
from tests.support import builders as a

WELL = Picture(
    now=a.NOW,
    operator="anna",
    key_ends_at=a.NOW + 300 * a.DAY,
    certificate_ends_at=a.NOW + 80 * a.DAY,
    hub_clock=a.NOW + 1,
)


def node(**changes):
    """Return a device that is ready."""
    parts = {"name": "n1", "id": "d-1", "site": "home", "labels": {}, "state": "ready"}
    return NodeRow(**{**parts, **changes})


def replica(**changes):
    """Return a replica that is ill."""
    parts = {
        "deployment": "web",
        "workload": "web",
        "replica": "web.1",
        "revision": 1,
        "node": "n1",
        "site": "home",
        "state": "starting",
        "healthy": False,
        "reason": "500",
    }
    return ReplicaRow(**{**parts, **changes})


def trouble(**changes):
    """Return the findings that are not fine."""
    found = checkup.examine(dataclasses.replace(WELL, **changes))
    return [each for each in found if each.level != "ok"]


def test_a_healthy_fleet_has_no_trouble():
    """Every check still says what it looked at."""
    assert trouble() == []
    assert {each.level for each in checkup.examine(WELL)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "level", "subject"),
    [
        ({"key_ends_at": None}, "problem", "key"),
        ({"key_ends_at": a.NOW - 1}, "problem", "key"),
        ({"key_ends_at": a.NOW + a.DAY}, "warning", "key"),
        ({"certificate_ends_at": a.NOW + a.DAY}, "warning", "certificate"),
        ({"hub_clock": a.NOW - 3600}, "warning", "clock"),
        ({"hub_asks_for": "deployment/web"}, "warning", "hub"),
        ({"broker_problem": "cannot reach it"}, "problem", "broker"),
        ({"documents": ("the hub hides deployment/web",)}, "warning", "documents"),
        ({"nodes": (node(state="offline"),)}, "warning", "devices"),
        ({"nodes": (node(state="pending"),)}, "warning", "devices"),
        ({"nodes": (node(state="dead"),)}, "warning", "devices"),
        ({"nodes": (node(state="partitioned"),)}, "warning", "devices"),
        ({"nodes": (node(state="relayed"),)}, "warning", "devices"),
        ({"nodes": (node(alarm="two machines, one key"),)}, "problem", "devices"),
        ({"replicas": (replica(),)}, "problem", "replicas"),
        ({"missing_secrets": ("web/token",)}, "problem", "secrets"),
        ({"voters": (Standing(site="home"),)}, "problem", "voters"),
        ({"lacking_secrets": {"web/token": ("n1",)}}, "problem", "secrets"),
        ({"counters": {"member: not-authorised": 3}}, "warning", "refusals"),
    ],
)
def test_each_trouble_is_named_with_what_to_do(changes, level, subject):
    """A finding without advice helps nobody at three in the morning."""
    (found,) = trouble(**changes)
    assert (found.level, found.subject) == (level, subject)
    assert found.advice


def test_a_missing_secret_comes_with_the_command_to_type():
    """Copied, not looked up."""
    (found,) = trouble(missing_secrets=("web/token",))
    assert found.advice == "edgectl secret set web/token --from-file FILE"


def test_many_ill_replicas_are_counted():
    """A wall of text would hide the rest."""
    found = trouble(replicas=tuple(replica(replica=f"web.{n}") for n in range(9)))
    assert len(found) == checkup.NAMED_MAX + 1
    assert found[-1].text == "and 4 more that are not healthy"


def test_many_offline_devices_are_counted():
    """Five names, then a number."""
    nodes = tuple(node(name=f"n{n}", state="offline") for n in range(1, 8))
    (found,) = trouble(nodes=nodes)
    assert found.text == "n1, n2, n3, n4, n5 and 2 more offline"


def test_a_replica_without_a_device_is_told_as_such():
    """There is no device to describe."""
    (found,) = trouble(replicas=(replica(node="", state="waiting"),))
    assert " on " not in found.text


def test_the_last_refusal_is_quoted():
    """It is the quickest way to see what is going on."""
    event = Event(id=1, at=a.NOW, kind="refused", subject="member", text="forged")
    (found,) = trouble(counters={"member: unsigned": 2}, events=(event,))
    assert found.text == "2 since the hub started (member: unsigned), the last: forged"


def voters(**changes):
    """Return the troubles of a site whose voters are n1, n2 and n3."""
    parts = {"version": 1, "voters": ("n1", "n2", "n3"), "majority": 2, **changes}
    nodes = tuple(node(name=name) for name in ("n1", "n2"))
    return trouble(voters=(Standing(site="home", **parts),), nodes=nodes)


def test_a_minority_of_silent_voters_is_no_trouble():
    """That is what the others are for."""
    assert voters() == []


def test_too_many_silent_voters_are_named():
    """No lease comes about without them."""
    (found,) = voters(voters=("n2", "n3", "n4"))
    assert found.text == "site home: n3, n4 not heard of, 2 needed for a lease"


def test_a_voter_that_is_gone_comes_with_the_command_that_removes_it():
    """By its id: nobody of that name is there."""
    (found,) = voters(voters=("n1", "n2", "d-9"), gone=("d-9",))
    assert found.advice == "edgectl site voters home --remove d-9"
