"""Failover on one device: what it takes, keeps and gives up, and when."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.documents import Voters
from edge.model import Port, Workload
from edge.names import NodeName, SiteName, Slot
from edge.placement import NodeView
from netmesh.view import Peer, State, View
from node import claims
from node.claims import Claim
from node.failover import BACK_FOR, HEAR_FOR, SILENT_FOR, UNKNOWN_FOR, Failover
from node.lease import Denied, Granted, Released, Request, Voter
from node.scene import Outcome, Own, Scene
from node.succession import HALF_HOLD, STEP, Movable
from node.tenure import Owner
from tests.support import builders

ME, HOLDER, OTHER = "d-1", "d-2", "d-3"
SLOT = Slot("web/web.1")
RUNS = Own(is_running=True, is_healthy=True, running_for=50.0, is_prepared=True)


def failover(me: str = ME, *, started_at: float = 0.0) -> Failover:
    """Return the machine of a device that started long ago."""
    return Failover(me=me, started_at=started_at, voter=Voter(me=me))


def movable(**fields: Any) -> Movable:
    """Return what is in the slot."""
    workload: Workload = builders.workload(
        name="web", replicas=1, failover="available", **fields
    )
    return Movable(slot=SLOT, deployment="web", version=1, workload=workload)


def view(
    *states: State,
    at: float = 100.0,
    said: Mapping[str, Claim] | None = None,
    **peer: Any,
) -> View:
    """Return a site of d-1 and its peers in these states."""
    peers = {
        f"d-{number}": Peer(
            device=f"d-{number}", name=f"n{number}", state=state, since=0.0, **peer
        )
        for number, state in enumerate(states, start=2)
    }
    rumours = {
        device: {claim.slot: claims.encode(claim)}
        for device, claim in (said or {}).items()
    }
    return View(at=at, peers=peers, rumours=rumours)


def scene(seen: View, **fields: Any) -> Scene:
    """Return a scene in which n2 holds the slot by the hub's plan."""
    nodes = {
        device: NodeView(name=NodeName(name), site=SiteName("lab"), architecture="")
        for device, name in [
            (ME, "n1"),
            *((p.device, p.name) for p in seen.peers.values()),
        ]
    }
    given: dict[str, Any] = {
        "view": seen,
        "movable": {SLOT: movable()},
        "nodes": nodes,
        "planned": {SLOT: (HOLDER, 1)},
    }
    return Scene(**(given | fields))


def claim(device: str, term: int, **fields: Any) -> Claim:
    """Return a healthy running claim."""
    given = {"state": "running", "is_healthy": True, "running_for": 10.0} | fields
    return Claim(slot=SLOT, device=device, term=term, version=1, **given)


def kinds(outcome: Outcome) -> list[str]:
    """Return what was told."""
    return [each.kind for each in outcome.told]


def after(machine: Failover, asked: Scene, *moments: float) -> Outcome:
    """Return the outcome of the last of several looks."""
    outcome = Outcome()
    for now in moments:
        outcome = machine.step(asked, now)
    return outcome


def test_slot_of_a_dead_device_is_taken_in_the_next_term() -> None:
    """The others being less suited, n1 is the first."""
    asked = scene(view("dead", "alive"))
    ill = msgspec.structs.replace(asked.nodes[OTHER], scheduling="cordoned")
    outcome = failover().step(replace(asked, nodes={**asked.nodes, OTHER: ill}), 100.0)
    assert outcome.places == {SLOT: 2}
    assert kinds(outcome) == ["takeover"]
    assert outcome.claims[SLOT].term == 2


def test_slot_of_a_live_device_is_left_alone() -> None:
    """A suspect is no dead one."""
    for state in ("alive", "suspect"):
        assert not failover().step(scene(view(state, "alive")), 100.0).places


def test_device_the_mesh_does_not_know_yet_is_not_gone() -> None:
    """At the first look after a start the roster is on its way to the mesh's thread."""
    asked = scene(view())
    known = {**asked.nodes, HOLDER: scene(view("dead")).nodes[HOLDER]}
    outcome = after(failover(), replace(asked, nodes=known), 100.0, 110.0)
    assert (outcome.places, outcome.homeless, outcome.told) == ({}, {}, ())


def test_device_that_left_the_site_is_gone() -> None:
    """Revoked: neither mesh nor plan know it any more."""
    asked = scene(view("alive"), planned={SLOT: ("d-9", 1)})
    assert after(failover(), asked, 100.0, 100.0 + STEP).places == {SLOT: 2}


def test_every_survivor_names_the_same_taker() -> None:
    """Rank 0 acts at once, rank 1 a step later, if the other has not."""
    first = failover(ME).step(scene(view("dead", "alive")), 100.0)
    seen = scene(view("dead", "alive"))
    peers = {
        HOLDER: seen.view.peers[HOLDER],
        ME: Peer(device=ME, name="n1", state="alive", since=0.0),
    }
    mirrored = replace(seen, view=View(at=100.0, peers=peers))
    second = failover(OTHER).step(mirrored, 100.0)
    assert bool(first.places) != bool(second.places)
    slow = (ME, seen) if not first.places else (OTHER, mirrored)
    machine = failover(slow[0])
    assert not after(machine, slow[1], 100.0, 100.0 + STEP * 0.9).places
    assert machine.step(slow[1], 100.0 + STEP).places == {SLOT: 2}


def test_device_that_reaches_less_than_half_takes_nothing() -> None:
    """It is more likely alone than all others are dead."""
    outcome = after(failover(), scene(view("dead", "dead")), 100.0, 200.0)
    assert not outcome.places


def test_half_of_a_site_waits_one_hold() -> None:
    """Two devices: the survivor takes over, a little later."""
    machine, asked = failover(), scene(view("dead"))
    assert not after(machine, asked, 100.0, 100.0 + HALF_HOLD * 0.9).places
    assert machine.step(asked, 100.0 + HALF_HOLD).places == {SLOT: 2}


def test_port_that_is_taken_leaves_the_slot_homeless_and_says_so() -> None:
    """Instead of failing to start a container."""
    second = Slot("web/web.2")
    wanted = movable(ports=(Port(host=8080, container=80),))
    both = {
        SLOT: wanted,
        second: replace(wanted, slot=second),
    }
    asked = scene(
        view("dead"), movable=both, planned={SLOT: (HOLDER, 1), second: (ME, 1)}
    )
    outcome = failover().step(asked, 100.0)
    assert "port 8080" in outcome.homeless[SLOT]
    assert "homeless" in kinds(outcome)


def test_claim_is_ignored_while_the_holder_is_heard() -> None:
    """A liar cannot talk a slot away from its holder."""
    said = {HOLDER: claim(HOLDER, 1), OTHER: claim(OTHER, 9)}
    machine = failover()
    machine.step(scene(view("alive", "alive", said=said)), 100.0)
    assert machine.tenure.holder(SLOT) == HOLDER


def test_claim_counts_once_the_holder_is_gone() -> None:
    """Then whoever has it in a higher term is the holder."""
    said = {HOLDER: claim(HOLDER, 1), OTHER: claim(OTHER, 2)}
    machine = failover()
    outcome = machine.step(scene(view("dead", "alive", said=said)), 100.0)
    assert machine.tenure.holder(SLOT) == OTHER
    assert not outcome.places


def mine(seen: View, **fields: Any) -> Scene:
    """Return a scene in which the hub gave the slot to us, and it runs."""
    given = {"planned": {SLOT: (ME, 1)}, "offered": {SLOT: 1}, "own": {SLOT: RUNS}}
    return scene(seen, **(given | fields))


@pytest.mark.parametrize("was_lost", [True, False])
def test_own_slot_is_yielded_only_after_lost_contact(was_lost: bool) -> None:
    """Without a gap, a neighbour that claims our slot lies or errs."""
    machine = failover()
    machine.step(mine(view("alive", "alive")), 100.0)
    said = {HOLDER: claim(HOLDER, 2, running_for=500.0)}
    lost_at = 150.0 if was_lost else 50.0
    seen = view("alive", "alive", said=said, lost_at=lost_at)
    outcome = machine.step(mine(seen), 200.0)
    assert bool(outcome.places) != was_lost


def test_copy_that_ran_longest_stays_and_raises_its_term() -> None:
    """After a partition, by the default policy."""
    machine = failover()
    machine.step(mine(view("alive")), 100.0)
    said = {HOLDER: claim(HOLDER, 2, running_for=5.0)}
    outcome = machine.step(mine(view("alive", said=said, lost_at=150.0)), 200.0)
    assert outcome.places == {SLOT: 3}
    assert kinds(outcome) == ["kept"]


def test_unhealthy_claim_ends_nothing() -> None:
    """Two may run for a moment, none must not."""
    machine = failover()
    machine.step(mine(view("alive")), 100.0)
    said = {HOLDER: claim(HOLDER, 2, running_for=500.0, is_healthy=False)}
    outcome = machine.step(mine(view("alive", said=said, lost_at=150.0)), 200.0)
    assert SLOT in outcome.places


def test_rebooted_device_hears_the_site_before_it_starts() -> None:
    """What it ran may run elsewhere by now; alone it waits three seconds."""
    machine = failover(started_at=100.0)
    asked = mine(view("unknown", "unknown"), own={})
    assert SLOT in machine.step(asked, 100.5).waits
    assert SLOT not in machine.step(asked, 100.0 + HEAR_FOR).waits


def test_first_look_after_a_start_has_heard_nobody() -> None:
    """The mesh knows no peers yet, and that is not being alone."""
    machine, asked = failover(started_at=100.0), mine(view("unknown"), own={})
    early = replace(asked, view=View(at=100.0))
    assert SLOT in machine.step(early, 100.0).waits


def test_what_was_ours_before_our_start_goes_to_whoever_took_it() -> None:
    """We started it before the claim got through; no contact was lost since."""
    machine = failover(started_at=100.0)
    machine.tenure.owners[SLOT] = Owner(device=ME, term=1)
    fresh = Own(is_running=True, is_healthy=True, running_for=1.0)
    alone = scene(view("alive", "alive"), planned={SLOT: (ME, 1)}, own={SLOT: fresh})
    assert SLOT in machine.step(alone, 104.0).places
    said = {HOLDER: claim(HOLDER, 2, running_for=20.0)}
    heard = scene(view("alive", "alive", said=said), own={SLOT: fresh})
    assert SLOT not in machine.step(heard, 105.0).places


def test_device_never_heard_counts_as_gone_after_a_while() -> None:
    """A whole site lost its power, and one device does not come back."""
    machine, asked = failover(started_at=100.0), scene(view("unknown", "alive"))
    early = after(machine, asked, 103.0, 100.0 + UNKNOWN_FOR * 0.9)
    assert (early.places, early.told) == ({}, ())
    assert early.wake_at == pytest.approx(100.0 + UNKNOWN_FOR)
    assert after(machine, asked, 200.0, 200.0 + STEP).places == {SLOT: 2}


def test_slot_that_another_is_heard_to_hold_is_no_orphan() -> None:
    """Its owner took it over while cut from it, and is lost: the other goes on."""
    said = {OTHER: claim(OTHER, 3)}
    asked = scene(view("dead", "alive", said=said), planned={SLOT: (HOLDER, 4)})
    assert not after(failover(), asked, 100.0, 110.0).places
    leaving = scene(view("dead", "leaving", said=said), planned={SLOT: (HOLDER, 4)})
    late = 100.0 + HALF_HOLD + STEP
    assert after(failover(), leaving, 100.0, late).places == {SLOT: 5}


def test_device_named_late_is_listened_for_as_long() -> None:
    """The plan came with a late broker: nobody was there to be heard before."""
    machine, named_at = failover(started_at=100.0), 150.0
    seen = view("unknown", "alive")
    peers = {who: replace(each, since=named_at) for who, each in seen.peers.items()}
    asked = scene(replace(seen, peers=peers))
    assert not after(machine, asked, named_at, named_at + UNKNOWN_FOR * 0.9).places
    gone = named_at + UNKNOWN_FOR
    assert after(machine, asked, gone, gone + STEP).places == {SLOT: 2}


def test_leaving_device_gives_way_to_a_healthy_taker() -> None:
    """No gap for what is ``available``."""
    machine = failover()
    machine.step(mine(view("alive")), 100.0)
    asked = mine(view("alive"), is_leaving=True)
    assert SLOT in machine.step(asked, 101.0).places
    said = {HOLDER: claim(HOLDER, 2)}
    asked = mine(view("alive", said=said), is_leaving=True)
    assert SLOT not in machine.step(asked, 102.0).places


def as_seen_by(me: str, asked: Scene) -> Scene:
    """Return a scene of d-1 as another device has it: its peers are the others."""
    names = {ME: "n1", HOLDER: "n2", OTHER: "n3"}
    peers = {
        device: Peer(device=device, name=name, state="alive", since=0.0)
        for device, name in names.items()
        if device != me
    }
    rumours = {d: each for d, each in asked.view.rumours.items() if d != me}
    return replace(asked, view=replace(asked.view, peers=peers, rumours=rumours))


def strict(seen: View, **fields: Any) -> Scene:
    """Return a scene with a strict slot of ours and three voters."""
    workload = builders.workload(name="web", replicas=1, failover="strict")
    voters = Voters(
        fleet="shop", site="lab", version=1, voters=(ME, HOLDER, OTHER), issued_at=1.0
    )
    given = {
        "movable": {SLOT: replace(movable(), workload=workload)},
        "voters": voters,
        "own": {SLOT: Own(is_prepared=True)},
    }
    return mine(seen, **(given | fields))


def test_strict_slot_waits_for_a_majority() -> None:
    """A time-out alone never starts one."""
    machine, asked = failover(), strict(view("alive", "alive"))
    outcome = machine.step(asked, 100.0)
    assert "1 of 2 grants" in outcome.waits[SLOT]
    assert outcome.claims[SLOT].state == "prepared"
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    machine.receive(HOLDER, Granted(SLOT, 1, request.round), 100.1)
    outcome = machine.step(asked, 100.1)
    assert SLOT not in outcome.waits
    assert outcome.leases[SLOT].term == 1


def test_strict_slot_lapses_with_its_lease() -> None:
    """Nobody renews it: it must not run a moment longer."""
    machine = failover()
    outcome = machine.step(strict(view("alive", "alive")), 100.0)
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    machine.receive(HOLDER, Granted(SLOT, 1, request.round), 100.1)
    running = strict(view("dead", "dead"), own={SLOT: RUNS})
    assert not machine.step(running, 100.2).lapsed
    assert machine.step(running, 108.0).lapsed == {SLOT}


def test_leaving_strict_holder_stops_once_a_taker_is_prepared() -> None:
    """Prepare, stop, transfer, start: the gap is as short as that allows."""
    machine = failover()
    outcome = machine.step(strict(view("alive", "alive")), 100.0)
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    machine.receive(HOLDER, Granted(SLOT, 1, request.round), 100.1)
    leaving = strict(view("alive", "alive"), own={SLOT: RUNS}, is_leaving=True)
    assert not machine.step(leaving, 100.2).lapsed
    ready = {OTHER: claim(OTHER, 2, state="prepared", is_healthy=False)}
    seen = view("alive", "alive", said=ready)
    outcome = machine.step(replace(leaving, view=seen), 100.3)
    assert outcome.lapsed == {SLOT}
    assert not any(isinstance(said, Released) for _, said in outcome.messages)
    stopped = replace(leaving, view=seen, own={SLOT: Own(is_prepared=True)})
    outcome = machine.step(stopped, 100.9)
    assert any(isinstance(said, Released) for _, said in outcome.messages)


def taken(*deniers: str) -> tuple[Failover, dict[str, Any]]:
    """Return a machine that took a strict slot from n2, whose lease goes on."""
    machine = failover()
    given: dict[str, Any] = {"offered": {}, "planned": {SLOT: (HOLDER, 1)}}
    gone = strict(view("dead", "alive"), **given)
    outcome = after(machine, gone, 100.0, 100.0 + 2 * STEP)
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    assert request.term == 2
    for voter in deniers:
        machine.receive(voter, Denied(SLOT, 1, request.round, "held", HOLDER), 101.5)
    return machine, given


def test_strict_slot_goes_back_to_one_that_was_silent_within_its_lease() -> None:
    """It never stopped: whoever waits for the lease would wait for ever."""
    machine, given = taken(OTHER)
    said = {HOLDER: claim(HOLDER, 1)}
    back = strict(view("alive", "alive", said=said), **given)
    assert SLOT in machine.step(back, 101.6).places
    outcome = machine.step(back, 101.6 + BACK_FOR)
    assert SLOT not in outcome.places
    assert "yielded" in kinds(outcome)


def test_strict_slot_is_kept_while_its_old_holder_only_waits_for_it() -> None:
    """Both giving way to each other would leave it to nobody."""
    machine, given = taken(OTHER)
    said = {HOLDER: claim(HOLDER, 1, state="prepared")}
    back = strict(view("alive", "alive", said=said), **given)
    assert SLOT in after(machine, back, 101.6, 101.6 + BACK_FOR).places


def denied(me: str, rival: str, said: Mapping[str, Claim]) -> Failover:
    """Return a machine whose request in term 2 a voter denied because of a rival."""
    machine = failover(me)
    seen = view("alive", "alive", said=said)
    asked = as_seen_by(me, strict(seen, offered={SLOT: 2}))
    outcome = machine.step(asked, 100.0)
    told = next(each for _, each in outcome.messages if isinstance(each, Request))
    machine.receive(HOLDER, Denied(SLOT, 2, told.round, "held", rival), 100.1)
    machine.step(asked, 100.2)
    return machine


def test_of_two_that_took_a_strict_slot_in_one_term_one_gives_way() -> None:
    """The voters are divided: the higher device id stays, and goes above the other."""
    for me, rival, holds in ((ME, OTHER, (OTHER, 3)), (OTHER, ME, (OTHER, 3))):
        said = {rival: claim(rival, 2, state="prepared")}
        owner = denied(me, rival, said).tenure.owners[SLOT]
        assert (owner.device, owner.term) == holds


def test_one_that_wants_a_strict_slot_no_more_is_passed_over() -> None:
    """A voter still remembers it; giving way to it would leave the slot to nobody."""
    owner = denied(ME, OTHER, {}).tenure.owners[SLOT]
    assert (owner.device, owner.term) == (ME, 3)


def test_own_vote_for_a_rival_counts_as_well() -> None:
    """Two voters: the round fails at once, and nobody else's answer is waited for."""
    said = {OTHER: claim(OTHER, 2, state="prepared")}
    named = Voters(fleet="shop", site="lab", version=1, voters=(ME, OTHER), issued_at=1)
    seen = view("alive", "alive", said=said)
    asked = strict(seen, offered={SLOT: 2}, voters=named)
    machine = failover()
    machine.step(asked, 100.0)
    machine.voter.promises.clear()
    machine.voter.terms[SLOT] = (2, OTHER)
    assert after(machine, asked, 110.0, 110.1).places == {}


def test_slot_whose_holder_claims_nothing_for_long_is_taken() -> None:
    """It is alive and does not know that the slot is its own."""
    machine, asked = failover(), scene(view("alive"))
    assert not after(machine, asked, 100.0, 100.0 + SILENT_FOR * 0.9).places
    late = 100.0 + SILENT_FOR
    assert after(machine, asked, late, late + HALF_HOLD + STEP).places == {SLOT: 2}


def test_strict_slot_is_kept_while_its_old_holder_is_gone() -> None:
    """Its lease ends by itself."""
    machine, given = taken(OTHER)
    said = {HOLDER: claim(HOLDER, 1)}
    gone = strict(view("dead", "alive", said=said), **given)
    assert SLOT in after(machine, gone, 101.6, 101.6 + BACK_FOR).places


def test_strict_slot_that_the_hub_moves_here_is_waited_for() -> None:
    """Its old holder is there, and hands over when we are ready."""
    machine, given = taken(OTHER)
    said = {HOLDER: claim(HOLDER, 1)}
    moved = strict(
        view("alive", "alive", said=said), **(given | {"offered": {SLOT: 2}})
    )
    assert SLOT in after(machine, moved, 101.6, 101.6 + BACK_FOR).places


def test_slot_taken_away_by_an_operator_is_not_taken_back() -> None:
    """It is nobody's until plan or claims say whose it is."""
    machine, asked = failover(), mine(view("alive"))
    machine.step(asked, 100.0)
    machine.give_up(SLOT)
    assert not after(machine, replace(asked, offered={}), 101.0, 200.0).places


def test_strict_slot_stays_whatever_a_rebooted_voter_remembers() -> None:
    """Its old holder is back, abstains as a voter, and its old claim is still heard."""
    machine = failover()
    machine.tenure.owners[SLOT] = Owner(device=ME, term=2, original=HOLDER)
    asked = strict(view("alive", "alive"), planned={}, offered={})
    outcome = machine.step(asked, 100.0)
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    machine.receive(OTHER, Granted(SLOT, 2, request.round), 100.1)
    claimed = view("alive", "alive", said={HOLDER: claim(HOLDER, 1)})
    running = strict(claimed, planned={}, offered={}, own={SLOT: RUNS})
    outcome = machine.step(running, 102.2)
    request = next(said for _, said in outcome.messages if isinstance(said, Request))
    denied = Denied(SLOT, 1, request.round, "abstaining", HOLDER)
    machine.receive(HOLDER, denied, 102.3)
    assert machine.step(running, 102.4).places == {SLOT: 2}
