"""What is said of each replica of a simulated world."""

from edge import model
from edge.sim import fates, fleet
from edge.sim.faults import Fault
from edge.sim.runtime import Interval
from edge.sim.scenario import Scenario
from edge.sim.world import World


def run(node, began, ended=None, term=1, sleeps=()):
    """One run of web/web.1 that answers half a second after its start."""
    return Interval(
        slot="web/web.1",
        node=node,
        term=term,
        version=1,
        is_strict=False,
        began_at=began,
        answers_at=began + 0.5,
        ended_at=ended,
        sleeps=list(sleeps),
    )


def world(*record, lasts=100.0, **asked):
    """A world in which only this ran, or in which a workload really runs."""
    made = World(Scenario(seed=1, sites={"a": 3}, lasts=lasts, **asked))
    made.record.extend(record)
    return made


def fate(*record):
    """The fate of what ran so, looked at from second 10 to second 100."""
    made = world(*record, deployments={})
    made.kernel.now = 100.0
    (found,) = fates.fates(made, 10.0)
    return found


def test_a_replica_that_runs_through_has_nothing_to_tell():
    """No gap, no takeover."""
    found = fate(run("n1", 5.0))
    assert (found.gaps, found.takeovers, found.doubled) == ((), 0, 0.0)
    assert (found.nodes, found.term, found.why) == (("n1",), 1, "")


def test_a_gap_lasts_until_the_next_copy_answers():
    """Starting is not answering."""
    found = fate(run("n1", 5.0, 20.0), run("n2", 22.0, term=2))
    assert found.gaps == ((20.0, 22.5),)
    assert found.gone == 2.5
    assert found.takeovers == 1
    assert found.nodes == ("n2",)


def test_a_restart_on_the_same_device_is_no_takeover():
    """Only another device in a higher term takes over."""
    assert fate(run("n1", 5.0, 20.0), run("n1", 22.0)).takeovers == 0


def test_two_copies_count_in_seconds():
    """From the start of the second to the end of the first."""
    found = fate(run("n1", 5.0, 30.0), run("n2", 22.0, term=2))
    assert found.doubled == 8.0
    assert found.gaps == ()


def test_a_copy_on_a_sleeping_machine_is_not_there():
    """It answers nobody, and it is no second copy either."""
    found = fate(run("n1", 5.0, sleeps=[(20.0, 30.0)]), run("n2", 22.0, 29.0, term=2))
    assert found.doubled == 0.0
    assert found.gaps == ((20.0, 22.5), (29.0, 30.0))


def test_what_ended_before_anybody_looked_is_a_gap_from_then_on():
    """And nobody runs it at the end."""
    found = fate(run("n1", 5.0, 8.0))
    assert found.gaps == ((10.0, 100.0),)
    assert found.nodes == ()
    assert found.why


def test_a_device_says_why_nobody_runs_a_replica():
    """Two devices have no majority of two while one is lost."""
    workload = model.Workload(
        name="web", image=fleet.image("web:1"), replicas=1, failover="strict"
    )
    made = World(
        Scenario(
            seed=1,
            sites={"a": 2},
            lasts=60.0,
            deployments={"web": (workload,)},
            faults=(Fault(kind="kill", at=30.0, node="n1"),),
        )
    ).run()
    (found,) = fates.fates(made, 29.0)
    assert found.nodes == ()
    assert "waiting for the lease: 1 of 2 grants" in found.why


def test_what_runs_at_a_moment_is_listed_by_replica():
    """What began or ended elsewhere in time is not."""
    record = [run("n1", 5.0, 20.0), run("n2", 22.0)]
    assert [each.node for each in fates.holders(record, 10.0)] == ["n1"]
    assert [each.node for each in fates.holders(record, 21.0)] == []
    assert [each.node for each in fates.holders(record, 50.0)] == ["n2"]
