"""In which version of a deployment a slot is taken over."""

from dataclasses import replace
from typing import Any

from node.scene import Own, Scene
from node.tenure import Tenure
from tests.node import test_failover as t


def claimed(version: int, **fields: Any) -> Scene:
    """Return a site in which n2 says that it runs the slot in a version."""
    said = {t.HOLDER: replace(t.claim(t.HOLDER, 1), version=version, **fields)}
    return t.scene(t.view("alive", "alive", said=said), versions={t.SLOT: 1})


def test_a_taker_knows_the_version_its_neighbour_said_it_runs() -> None:
    """Also when it is gone; the plan's was an older one."""
    machine = t.failover()
    machine.step(claimed(2), 100.0)
    dead = t.scene(t.view("dead", "alive"), versions={t.SLOT: 1})
    outcome = t.after(machine, dead, 101.0, 110.0)
    assert outcome.places == {t.SLOT: 2}
    assert outcome.versions == {t.SLOT: 2}


def test_a_taker_that_heard_nothing_asks_the_plan() -> None:
    """The whole site has just booted."""
    dead = t.scene(t.view("dead", "alive"), versions={t.SLOT: 1})
    assert t.after(t.failover(), dead, 100.0, 110.0).versions == {t.SLOT: 1}
    silent = t.scene(t.view("dead", "alive"))
    assert t.after(t.failover(), silent, 100.0, 110.0).versions == {}


def test_whoever_is_next_in_line_knows_the_version_too() -> None:
    """Its image is fetched ahead."""
    outcome = t.after(t.failover(), claimed(2), 100.0)
    assert outcome.standby == (t.SLOT,)
    assert outcome.versions == {t.SLOT: 2}


def test_one_who_only_waits_for_a_lease_says_nothing_of_what_runs() -> None:
    """And one that does not hold the slot neither."""
    outcome = t.after(t.failover(), claimed(2, state="prepared"), 100.0)
    assert outcome.versions == {t.SLOT: 1}


def test_a_claim_says_what_runs_and_not_what_is_newest() -> None:
    """A device that went back tells the version it went back to."""
    mine = t.scene(t.view("alive"), offered={t.SLOT: 1}, planned={})
    for version, said in ((7, 7), (0, 1)):
        own = {t.SLOT: replace(t.RUNS, version=version)}
        outcome = t.after(t.failover(), replace(mine, own=own), 100.0)
        assert outcome.claims[t.SLOT].version == said
    assert Own().version == 0


def test_what_no_deployment_has_any_more_is_forgotten() -> None:
    """With its version."""
    held = Tenure(versions={t.SLOT: 2})
    held.learn(t.SLOT, "d-a", 1)
    held.keep_only(())
    assert held.versions == {}
