"""What is told of a device that is drained, and when it is empty."""

import pytest

from edge.ctl import draining
from edge.ctl.shapes import ReplicaRow
from tests.support import builders as a

N1 = frozenset({"n1"})


def row(slot="web/web.1", node="n1", **changes):
    """Return a replica as the hub shows it."""
    deployment, _, replica = slot.partition("/")
    given = {"revision": 1, "site": "home", "state": "running", "healthy": True}
    return ReplicaRow(
        deployment=deployment,
        workload=replica.partition("@")[0].partition(".")[0],
        replica=replica,
        node=node,
        slot=slot,
        **{**given, "wanted": 1, **changes},
    )


def told(found, failover="none"):
    """Return what is told when ``web`` has this mode."""
    workload = a.workload("web", failover=failover)
    deployments = {"web": a.deployment("web", workloads=(workload,))}
    return draining.expectations([found], N1, deployments)


@pytest.mark.parametrize(
    ("failover", "way"),
    [
        ("available", "stays until a copy elsewhere is healthy"),
        ("strict", "stops here before it starts elsewhere"),
        ("none", "ends here and starts where the hub finds a place"),
    ],
)
def test_each_mode_leaves_in_its_way(failover, way):
    """No gap where two may run, no second copy where they may not."""
    assert told(row(), failover) == (f"web/web.1 on n1 {way}",)


def test_one_on_each_device_ends():
    """It has no other place to go."""
    assert "ends here" in told(row("web/web@n1"))[0]


def test_what_is_elsewhere_is_no_matter():
    """It neither leaves nor is waited for."""
    other = row(node="n2")
    assert told(other) == ()
    assert draining.left([other], N1) == ()


def test_a_device_is_empty_when_nothing_is_wanted_or_runs_there():
    """A replica that is stopping still is there."""
    stopping = row(wanted=0, state="stopping", healthy=False)
    assert draining.left([stopping], N1) == (stopping,)


def test_a_silent_device_is_waited_for_no_longer_than_it_is_given_work():
    """It ends what it runs when it hears of it."""
    assert draining.left([row(wanted=0, state="unknown")], N1) == ()
    assert draining.left([row(state="unknown")], N1) != ()


def test_progress_shows_the_copies_to_come():
    """Whoever waits wants to know what for."""
    rows = [row(), row(node="n2", state="pulling"), row("web/web.2", node="n2")]
    assert draining.about(rows, ["web/web.1"]) == tuple(rows[:2])
