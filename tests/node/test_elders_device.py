"""A device with two sets: until the promote, after it, and when neither comes to that.

What is on disk is believed after a restart; `node.elders` has the rules.
"""

from typing import Any

import pytest

from edge import envelope
from edge.staging.shapes import Wave
from node.agent import Agent
from node.share import Settled
from tests.node.test_agent import agent, assigned, folder, full_disk
from tests.node.test_staged import (
    OLD,
    SLOT,
    Settles,
    look,
    newest,
    on_trial,
    report,
    versions,
)
from tests.support import builders as a

__all__ = ["folder"]
KEEP_FOR = 60.0
BLUE_GREEN = a.rollout(
    strategy="blue-green", waves=(Wave(share=10_000),), keep_for=KEEP_FOR
)
GREEN = a.workload(ports=(a.port(8081),))


def both(folder, **changes: Any) -> Agent:
    """Return a device that ran version 1 and was given version 2 beside it."""
    fields = {"rollout": BLUE_GREEN, "workloads": (GREEN,), **changes}
    return on_trial(folder, **fields)


def older(who: Agent) -> list[int]:
    """Return what runs on beside the newer copies."""
    return [each.version for each in who.older()]


def prove(who: Agent, version: int = 2) -> None:
    """Let the newer version be healthy for long enough."""
    who.watch([look(version)], 0.0)
    assert who.watch([look(version)], 10.0).proved


def say(who: Agent, action: str, target: int = 2, version: int = 1) -> None:
    """Bring the operator's word."""
    word = a.control(action=action, target=target, version=version)
    who.receive(envelope.bundle([a.signed(word)]))


def third(who: Agent, back: int, **changes: Any) -> None:
    """Bring a yet newer version."""
    fields = {"rollout": BLUE_GREEN, "fallback": back, "parent": "", **changes}
    newer = a.deployment(version=3, **fields)
    place = assigned(who, a.place(SLOT, 3), seq=3)
    who.receive(envelope.bundle([a.signed(newer), place]))


def test_the_old_one_runs_on_beside_the_new_one(folder):
    """Proved or not, and over a restart: the switch is the operator's."""
    who = both(folder)
    assert (versions(who), older(who)) == ([2], [1])
    prove(who)
    who.staged.count(1e9)
    again = agent(folder)
    assert (versions(again), older(again)) == ([2], [1])
    assert again.device.store.deployment("web", 1) == OLD


def test_the_old_one_leaves_some_time_after_the_promote(folder):
    """And stays away."""
    who = both(folder)
    prove(who)
    say(who, "promote")
    who.staged.count(1000.0)
    assert (older(who), who.staged.leaves_at()) == ([1], 1000.0 + KEEP_FOR)
    who.staged.count(1000.0 + KEEP_FOR)
    assert (versions(who), older(who)) == ([2], [])
    again = agent(folder)
    again.decide()
    assert (versions(again), older(again)) == ([2], [])


def test_a_promote_before_the_proof_waits_for_it(folder):
    """What does not work yet cannot be all there is."""
    who = both(folder)
    say(who, "promote")
    who.staged.count(1000.0)
    who.staged.count(5000.0)
    assert older(who) == [1]
    prove(who)
    who.staged.count(5001.0)
    assert who.staged.leaves_at() == 5001.0 + KEEP_FOR


def test_a_restart_goes_on_counting(folder):
    """The switch is on the disk."""
    who = both(folder)
    prove(who)
    say(who, "promote")
    who.staged.count(1000.0)
    again = agent(folder)
    assert again.staged.leaves_at() == 1000.0 + KEEP_FOR
    again.staged.count(1000.0 + KEEP_FOR - 0.1)
    assert older(again) == [1]


def test_a_bad_version_leaves_the_old_one_where_it_is(folder):
    """It is the way back, and runs already."""
    who = both(folder)
    who.condemn(SLOT, "unhealthy", "")
    assert (versions(who), older(who)) == ([1], [])
    assert report(who).failures


def test_an_abort_leaves_the_old_one_where_it_is(folder):
    """Also after the promote, while it is kept."""
    who = both(folder)
    prove(who)
    say(who, "promote")
    who.staged.count(1000.0)
    say(who, "abort", version=2)
    who.receive(envelope.bundle([assigned(who, a.place(SLOT, 1), seq=3)]))
    assert (versions(who), older(who)) == ([1], [])


def test_a_newer_version_before_the_promote_keeps_the_oldest(folder):
    """What nobody promoted goes, what served stays."""
    who = both(folder)
    prove(who)
    third(who, back=1)
    assert (versions(who), older(who)) == ([3], [1])
    who.condemn(SLOT, "unhealthy", "")
    assert versions(who) == [1]


def test_a_newer_version_after_the_promote_keeps_the_promoted_one(folder):
    """The one before it leaves at once: two sets at most."""
    who = both(folder)
    prove(who)
    say(who, "promote")
    who.staged.count(1000.0)
    third(who, back=2)
    assert (versions(who), older(who)) == ([3], [2])
    again = agent(folder)
    assert (versions(again), older(again)) == ([3], [2])


def test_one_that_missed_the_promote_keeps_what_everybody_uses(folder):
    """The newest word is about a later version; that one goes back to what served."""
    who = both(folder)
    prove(who)
    third(who, back=2)
    assert (versions(who), older(who)) == ([3], [2])


def test_a_newer_version_that_waits_does_not_keep_the_oldest_for_ever(folder):
    """It was promoted; its time runs out as it was signed."""
    who = both(folder)
    prove(who)
    say(who, "promote")
    who.staged.count(1000.0)
    newer = a.deployment(version=3, rollout=BLUE_GREEN, fallback=2)
    who.receive(envelope.bundle([a.signed(newer)]))
    assert (versions(who), older(who)) == ([2], [1])
    assert who.staged.leaves_at() == 1000.0 + KEEP_FOR
    who.staged.count(1000.0 + KEEP_FOR)
    assert older(who) == []


def test_a_newer_version_that_is_not_here_yet_changes_nothing(folder):
    """Its document comes first, its place a moment later."""
    who = both(folder)
    newer = a.deployment(version=3, rollout=BLUE_GREEN, fallback=1)
    who.receive(envelope.bundle([a.signed(newer)]))
    assert (versions(who), older(who)) == ([2], [1])


def test_a_newer_version_without_two_sets_ends_them(folder):
    """It replaces what it finds, in its own order."""
    who = both(folder)
    third(who, back=1, rollout=a.rollout(waves=(Wave(share=10_000),)))
    assert (versions(who), older(who)) == ([3], [])


def test_a_full_disk_ends_nothing_early(folder):
    """What could not be written is counted once more after the next start."""
    who = both(folder)
    prove(who)
    say(who, "promote")
    with full_disk():
        who.staged.count(1000.0)
        who.staged.count(1000.0 + KEEP_FOR)
    assert older(agent(folder)) == [1]


def test_what_may_not_be_here_any_more_is_no_elder(folder):
    """Each version has its own limits."""
    who = both(folder)
    (place,) = who.staged.beside(who.places)
    assert place.version == 1
    assert who.staged.older(who.places, who.standing(), {}) == ()


def test_an_elder_whose_document_was_lost_is_let_be(folder):
    """Nobody knows what it may be, and it serves."""
    who = both(folder)
    assert who.staged.lost(who.places, who.revisions) == frozenset()
    (path,) = folder.rglob("deployment+web.1.json")
    path.unlink()
    again = agent(folder)
    assert (versions(again), older(again)) == ([2], [])
    assert again.staged.lost(again.places, again.revisions) == {(SLOT, 1)}


def test_a_slot_that_comes_here_is_in_both_sets(folder):
    """By the hub's word."""
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(OLD)]))
    newer = newest(rollout=BLUE_GREEN, workloads=(GREEN,))
    place = assigned(who, a.place(SLOT, 2))
    who.receive(envelope.bundle([a.signed(newer), place]))
    assert (versions(who), older(who)) == ([2], [1])


@pytest.mark.parametrize(("is_promoted", "beside"), [(False, [1]), (True, [])])
def test_a_slot_that_is_taken_over_is_in_both_sets(folder, is_promoted, beside):
    """By the site's, with no hub; after the promote only in one."""
    shape = a.workload(failover="available")
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(a.deployment(workloads=(shape,)))]))
    newer = newest(rollout=BLUE_GREEN, workloads=(shape,))
    who.receive(envelope.bundle([a.signed(newer)]))
    if is_promoted:
        say(who, "promote")
    who.site = Settles(Settled(ours={SLOT: 2}, versions={SLOT: 2}), waits={SLOT: "w"})
    who.decide()
    assert (versions(who), older(who)) == ([2], beside)
    assert all(each.waits_for == "w" for each in (*who.replicas(), *who.older()))
