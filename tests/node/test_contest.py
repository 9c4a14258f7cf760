"""What claims change about who holds a slot: races with the hub, and drains."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from edge.names import COUNTER_MAX
from node import claims
from node.claims import Claim
from node.contest import ENOUGH, RACE
from node.failover import Failover
from node.lease import Granted, Request
from node.scene import Scene
from node.succession import STEP
from node.tenure import Owner
from tests.node.test_failover import (
    HOLDER,
    ME,
    OTHER,
    RUNS,
    SLOT,
    after,
    as_seen_by,
    claim,
    failover,
    mine,
    movable,
    scene,
    strict,
    view,
)


def test_a_plan_that_says_what_a_claim_says_takes_nothing_away() -> None:
    """The hub has it from the claimant: a liar may tell both."""
    machine = failover()
    machine.step(mine(view("alive", "alive")), 100.0)
    said = {HOLDER: claim(HOLDER, 2, running_for=500.0)}
    seen = view("alive", "alive", said=said)
    for offered in ({}, {SLOT: 1}):
        asked = mine(seen, planned={SLOT: (HOLDER, 2)}, offered=offered)
        assert SLOT in machine.step(asked, 130.0).places


def took_with_a_rival() -> Failover:
    """Return a machine that took the slot in term 2, like n3 in the same moment."""
    machine = failover()
    dead = scene(view("dead", "alive"), own={})
    after(machine, dead, 100.0, 100.0 + 2 * STEP)
    assert machine.tenure.owners[SLOT].device == ME
    said = {OTHER: claim(OTHER, 2, running_for=1.0)}
    seen = view("dead", "alive", said=said)
    machine.step(scene(seen, own={SLOT: replace(RUNS, running_for=1.0)}), 102.0)
    return machine


def leased() -> Failover:
    """Return a machine that has the lease of its strict slot, in term 1."""
    machine = failover()
    outcome = machine.step(strict(view("alive", "alive")), 100.0)
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    machine.receive(HOLDER, Granted(SLOT, 1, request.round), 100.1)
    return machine


def claimed_by(device: str, term: int, **fields: Any) -> Scene:
    """Return a scene in which a copy runs here and another is claimed, in contact."""
    said = {device: claim(device, term, running_for=60.0, **fields)}
    seen = view("dead", "alive", said=said)
    return scene(seen, own={SLOT: replace(RUNS, running_for=60.0)})


def test_of_two_that_took_a_slot_in_one_race_one_gives_way() -> None:
    """They never lost each other, and a claim came late: two must not stay two."""
    machine = took_with_a_rival()
    term = machine.tenure.term(SLOT)
    ill = claimed_by(OTHER, term + 1, is_healthy=False)
    assert SLOT in machine.step(ill, 160.0).places
    assert SLOT not in machine.step(claimed_by(OTHER, term + 1), 161.0).places


def test_who_claims_a_slot_after_the_race_does_not_get_it() -> None:
    """Nor does it help to claim what the hub gave out first."""
    machine = failover()
    after(machine, scene(view("dead", "alive"), own={}), 100.0, 100.0 + 2 * STEP)
    machine.step(scene(view("dead", "alive"), own={SLOT: RUNS}), 100.0 + RACE)
    assert SLOT in machine.step(claimed_by(OTHER, 3), 101.0 + 2 * STEP + RACE).places
    fresh = failover()
    given = {"planned": {SLOT: (ME, 1)}, "offered": {SLOT: 1}}
    for now in (100.0, 101.0):
        assert SLOT in fresh.step(replace(claimed_by(OTHER, 2), **given), now).places


def test_two_that_both_think_they_are_the_original_draw_a_lot() -> None:
    """An old disk forgot whom it took the slot from; terms do not rise for ever."""
    machines = {ME: failover(ME), HOLDER: failover(HOLDER)}
    terms = {ME: 1, HOLDER: 2}
    for who, machine in machines.items():
        machine.tenure.owners[SLOT] = Owner(device=who, term=terms[who])
        machine.tenure.since[SLOT] = 0.0
    for turn in range(20):
        for who, other in ((ME, HOLDER), (HOLDER, ME)):
            said = {other: claim(other, terms[other])} if terms[other] else {}
            seen = view("alive", "alive", said=said, lost_at=50.0)
            asked = mine(seen, movable={SLOT: movable(rejoin="keep_original")})
            asked = as_seen_by(who, asked) if who != ME else asked
            asked = replace(asked, planned={})
            terms[who] = (
                machines[who].step(asked, 100.0 + turn / 10).places.get(SLOT, 0)
            )
    assert sorted(term > 0 for term in terms.values()) == [False, True]
    assert max(terms.values()) < 20


def test_who_ran_longer_gives_in_to_one_that_may_not_yield() -> None:
    """A device with a full disk came back; to its neighbour it was never lost."""
    machines = {ME: failover(ME), HOLDER: failover(HOLDER)}
    terms, ran = {ME: 1, HOLDER: 4}, {ME: 500.0, HOLDER: 10.0}
    for who, machine in machines.items():
        machine.tenure.owners[SLOT] = Owner(device=who, term=terms[who])
        machine.tenure.since[SLOT] = 0.0
    for turn in range(40):
        for who, other in ((ME, HOLDER), (HOLDER, ME)):
            heard = claim(other, terms[other], running_for=ran[other])
            said = {other: heard} if terms[other] else {}
            runs = {SLOT: replace(RUNS, running_for=ran[who])}
            seen = view("alive", "alive", said=said, lost_at=50.0)
            asked = replace(mine(seen, own=runs), planned={})
            asked = as_seen_by(who, asked) if who != ME else asked
            terms[who] = (
                machines[who].step(asked, 100.0 + turn / 10).places.get(SLOT, 0)
            )
    assert not terms[ME]
    assert 4 < terms[HOLDER] < 40


def test_a_liar_that_insists_gets_neither_the_slot_nor_a_write_each_time() -> None:
    """Its terms are answered only so often in a row."""
    machine = failover()
    machine.step(mine(view("alive", "alive")), 100.0)
    for turn in range(100):
        term = machine.tenure.term(SLOT) + 1
        said = {HOLDER: claim(HOLDER, term, running_for=500.0)}
        asked = mine(view("alive", "alive", said=said))
        assert SLOT in machine.step(asked, 101.0 + turn / 100).places
    assert machine.tenure.term(SLOT) <= 1 + 2 * ENOUGH


def test_who_holds_the_lease_outbids_a_claim_that_was_made_without_one() -> None:
    """Whoever heard the claim looks for the slot there, unless a higher term comes."""
    machine = leased()
    seen = view("alive", "alive", said={OTHER: claim(OTHER, 5, running_for=1.0)})
    outcome = machine.step(strict(seen, own={SLOT: RUNS}), 100.2)
    assert outcome.claims[SLOT].term == 6
    assert not outcome.lapsed


def test_a_term_that_cannot_be_true_is_neither_outbid_nor_followed() -> None:
    """One more would be no term: nobody would understand what we say, nor our disk."""
    machine = leased()
    said = {OTHER: claim(OTHER, COUNTER_MAX, running_for=500.0)}
    asked = strict(view("alive", "alive", said=said), own={SLOT: RUNS})
    outcome = machine.step(asked, 100.2)
    assert outcome.places == {SLOT: 1}
    assert machine.tenure.owners[SLOT] == Owner(device=ME, term=1)
    other = failover()
    other.tenure.learn(SLOT, HOLDER, 1)
    other.step(strict(asked.view, offered={}), 100.0)
    assert other.tenure.owners[SLOT] == Owner(device=HOLDER, term=1)


def test_who_claims_nothing_does_not_keep_a_strict_slot_from_its_holder() -> None:
    """It took it without the lease, and gave way: to a term that is lower than its."""
    machine = failover()
    machine.tenure.learn(SLOT, HOLDER, 5)
    seen = view("alive", "alive", said={OTHER: claim(OTHER, 2, running_for=60.0)})
    asked = strict(seen, offered={}, planned={})
    machine.step(asked, RACE / 2)  # its claim may be on its way
    assert machine.tenure.holder(SLOT) == HOLDER
    machine.step(asked, RACE)
    assert machine.tenure.owners[SLOT] == Owner(device=OTHER, term=6)


def test_who_is_about_to_start_a_strict_slot_may_be_silent_so_long() -> None:
    """The hub's plan gave it the slot; the one before it still runs."""
    machine = failover()
    machine.tenure.learn(SLOT, HOLDER, 5)
    seen = view("alive", "alive", said={OTHER: claim(OTHER, 2, running_for=60.0)})
    asked = strict(seen, offered={}, planned={SLOT: (HOLDER, 5)})
    machine.step(asked, 10 * RACE)
    assert machine.tenure.holder(SLOT) == HOLDER


def test_drained_device_is_relieved_by_one_neighbour_without_a_gap() -> None:
    """The first in rank takes; the second follows it though the holder still speaks."""
    seen = view("alive", "alive", said={HOLDER: claim(HOLDER, 1)})
    asked = scene(seen)
    drained = msgspec.structs.replace(asked.nodes[HOLDER], scheduling="drained")
    asked = replace(asked, nodes={**asked.nodes, HOLDER: drained})
    takers = {
        me: after(failover(me), as_seen_by(me, asked), 100.0) for me in (ME, OTHER)
    }
    (first,) = [me for me, outcome in takers.items() if SLOT in outcome.places]
    second = OTHER if first == ME else ME
    said = {HOLDER: claim(HOLDER, 1), first: claim(first, 2, state="starting")}
    machine = failover(second)
    machine.step(as_seen_by(second, asked), 100.0)
    late = replace(asked, view=replace(view("alive", "alive"), rumours=_told(said)))
    outcome = after(machine, as_seen_by(second, late), 100.1, 100.0 + 3 * STEP)
    assert SLOT not in outcome.places
    assert machine.tenure.owners[SLOT] == Owner(device=first, term=2)


def test_drained_holder_stops_only_after_a_healthy_higher_claim() -> None:
    """`node.site` says of a drained device that it is leaving."""
    machine = failover()
    machine.step(mine(view("alive")), 100.0)
    for fields in ({"is_healthy": False}, {"state": "starting", "is_healthy": False}):
        said = {HOLDER: claim(HOLDER, 2, **fields)}
        asked = mine(view("alive", said=said), is_leaving=True, can_take=False)
        assert SLOT in machine.step(asked, 101.0).places
    said = {HOLDER: claim(HOLDER, 1)}
    asked = mine(view("alive", said=said), is_leaving=True, can_take=False)
    assert SLOT in machine.step(asked, 102.0).places
    said = {HOLDER: claim(HOLDER, 2)}
    asked = mine(view("alive", said=said), is_leaving=True, can_take=False)
    assert SLOT not in machine.step(asked, 103.0).places


def _told(said: Mapping[str, Claim]) -> dict[str, dict[str, bytes]]:
    """Return rumours of these claims."""
    return {device: {each.slot: claims.encode(each)} for device, each in said.items()}
