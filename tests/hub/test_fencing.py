"""A ``strict`` slot between two nodes: nobody begins before everybody stopped."""

from dataclasses import replace
from typing import Any

import pytest

from edge.documents import Assignment
from edge.model import Held
from edge.names import NodeName, Slot
from hub import assignments, fencing
from hub.assignments import Holding
from hub.fleet import Standing
from tests.support import builders as a
from tests.support.fleets import desired, heard, known, standings

N1, N2, N3, N4 = (a.Device(f"n{number}") for number in range(1, 5))
SLOT = Slot("web/web.1")
WEB = a.deployment(workloads=(a.workload(failover="strict"),))
FLEET = standings(a.ledger_of(a.enrolled(N1, N2, N3, N4)), N1, N2, N3, N4)
HAS, LACKS = a.assignment(N1, replicas=(a.place(SLOT),)), a.assignment(N1, seq=2)
PLAN = a.plan(N1, N2, N3, seq=5)
BEFORE, AFTER = NodeName("n1"), NodeName("n4")


def reporting(device: a.Device, *held: Held, **changes: Any) -> Standing:
    """Return a device whose newest report lists these documents."""
    said = heard(device, held=held, **changes)
    return replace(FLEET[NodeName(device.name)], heard=said)


def took(number: int) -> Held:
    """Return that n1 holds its assignment of this number."""
    return Held(stream=LACKS.stream, version=number, digest=a.INDEX)


def plan_held(number: int) -> Held:
    """Return that somebody holds the plan of this number."""
    return Held(stream=PLAN.stream, version=number, digest=a.INDEX)


def fences(
    *changed: Standing, last: Assignment | None = LACKS, **fields: Any
) -> fencing.Known:
    """Return what the hub knows: n1 confirmed, everything else is as it was."""
    given: dict[str, Any] = {
        "standings": FLEET
        | {NodeName("n1"): reporting(N1, took(2))}
        | {each.name: each for each in changed},
        "last": {N1.id: last} if last else {},
        "plans": {},
        "voters": {},
    }
    return fencing.Known(**(given | fields))


def waits(known: fencing.Known) -> str:
    """Return what the slot waits for on its way from n1 to n4."""
    return fencing.waits_for(known, SLOT, BEFORE, AFTER)


def test_the_holder_confirms_first() -> None:
    """By the assignment it reports to hold: an old report says nothing of now."""
    assert "n1 confirms" in waits(fences(last=HAS))
    assert "n1 confirms" in waits(fences(reporting(N1, took(1))))
    assert "n1 confirms" in waits(fences(replace(FLEET[BEFORE], heard=None)))
    assert not waits(fences())


def test_a_copy_that_stops_still_runs() -> None:
    """Whoever has it: the holder, or a neighbour that took over from it."""
    copy = a.status(SLOT, state="stopping")
    assert "n1 stops" in waits(fences(reporting(N1, took(2), replicas=(copy,))))
    assert "n2 stops" in waits(fences(reporting(N2, replicas=(a.status(SLOT),))))


def test_who_only_waits_and_the_next_node_itself_are_no_hindrance() -> None:
    """One that waits for a lease has no copy."""
    idle = a.status(SLOT, state="waiting", healthy=False)
    assert not waits(fences(reporting(N2, replicas=(idle,))))
    assert not waits(fences(reporting(N4, replicas=(a.status(SLOT),))))


def test_a_revoked_device_is_not_waited_for() -> None:
    """It gets no word, and its own counts no more."""
    gone = replace(reporting(N1, replicas=(a.status(SLOT),)), is_revoked=True)
    assert not waits(fences(gone, last=HAS))


def test_a_holder_that_nobody_knows_is_not_waited_for() -> None:
    """Of a fleet that was rebuilt."""
    assert not fencing.waits_for(fences(), SLOT, NodeName("n9"), AFTER)


@pytest.mark.parametrize(
    ("told", "site", "is_free"),
    [(1, "far", False), (2, "far", True), (0, "home", True)],
    ids=["one of three", "two of three", "inside the site"],
)
def test_most_voters_must_know_before_another_site_begins(
    told: int, site: str, *, is_free: bool
) -> None:
    """Any majority that could still grant meets one that grants no more."""
    taker = replace(FLEET[AFTER], site=site)
    confirmed = [
        reporting(each, plan_held(5 if number < told else 4))
        for number, each in enumerate((N2, N3))
    ]
    found = waits(
        fences(
            taker,
            *confirmed,
            plans={"home": PLAN},
            voters={"home": a.voters(N1, N2, N3)},
        )
    )
    assert found == "" if is_free else "most voters of site home" in found


def test_a_plan_that_names_the_slot_keeps_it_at_its_site() -> None:
    """Whoever holds that one would grant it."""
    listed = a.plan(N1, N2, N3, seq=5, slots=(a.plan_slot(SLOT, N1),))
    every = [reporting(each, plan_held(5)) for each in (N2, N3)]
    taker = replace(FLEET[AFTER], site="far")
    voters = {"home": a.voters(N1, N2, N3)}
    assert waits(fences(taker, *every, plans={"home": listed}, voters=voters))


def test_the_slot_belongs_to_nobody_in_between() -> None:
    """First it is taken away, then, confirmed, it is given in the next term."""
    fleet = FLEET | {BEFORE: replace(FLEET[BEFORE], scheduling="drained")}
    held = {SLOT: Holding(node=BEFORE, term=3)}
    on_n1 = a.assignment(N1, replicas=(a.place(SLOT, term=3),))
    first = assignments.plan(
        desired(WEB, web_1="n4"), known(fleet, on_n1, holdings=held)
    )
    assert [(each.node, each.replicas) for each in first.assignments] == [("n1", ())]
    assert first.is_handing_over
    assert first.waiting == {SLOT: (AFTER, "waits until n1 confirms that it stopped")}
    taken = first.assignments[0]
    number = Held(stream=taken.stream, version=taken.seq, digest=a.INDEX)
    fleet = fleet | {BEFORE: replace(fleet[BEFORE], heard=heard(N1, held=(number,)))}
    then = assignments.plan(
        desired(WEB, web_1="n4"), known(fleet, taken, holdings=held)
    )
    assert [(each.node, each.replicas) for each in then.assignments] == [
        ("n4", (a.place(SLOT, term=4),))
    ]
    assert not then.waiting
    assert not then.is_handing_over


def test_what_need_not_be_alone_waits_for_nobody() -> None:
    """``none`` and ``available`` say nothing of two copies."""
    plain = a.deployment(workloads=(a.workload(failover="none"),))
    fleet = FLEET | {BEFORE: replace(FLEET[BEFORE], scheduling="drained")}
    made = assignments.plan(
        desired(plain, web_1="n4"),
        known(fleet, HAS, holdings={SLOT: Holding(node=BEFORE, term=1)}),
    )
    assert {each.node for each in made.assignments} == {"n1", "n4"}
