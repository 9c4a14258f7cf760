from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edge.documents import Assignment
from edge.names import NodeName, Slot
from hub import assignments
from hub.assignments import Desired, Holding, Plan
from tests.support import builders
from tests.support.builders import Device, enrolled, ledger_of
from tests.support.fleets import desired, heard, known, places_of, standings

DEVICES = tuple(Device(f"n{n}") for n in (1, 2, 3))
N1, N2, _ = DEVICES
FLEET = standings(ledger_of(enrolled(*DEVICES)), *DEVICES)
WEB = builders.deployment(workloads=(builders.workload(replicas=9),))
AVAILABLE = builders.deployment(
    workloads=(builders.workload(replicas=9, failover="available"),)
)
ON_N1 = builders.assignment(N1, seq=4, replicas=(builders.place("web/web.1"),))


def test_a_place_becomes_an_assignment() -> None:
    """The first of a device has sequence number 1, the first of a slot term 1."""
    plan = assignments.plan(desired(WEB, web_1="n1"), known(FLEET))
    (signed,) = plan.assignments
    assert (signed.node, signed.seq) == ("n1", 1)
    assert signed.replicas == (builders.place("web/web.1", term=1),)
    assert plan.holdings == {"web/web.1": Holding(node=NodeName("n1"), term=1)}


def test_what_did_not_change_is_not_signed_again() -> None:
    """An idle fleet hears nothing."""
    holdings = {Slot("web/web.1"): Holding(node=NodeName("n1"), term=1)}
    before = known(FLEET, ON_N1, holdings=holdings)
    assert assignments.plan(desired(WEB, web_1="n1"), before) == Plan()


def test_a_newer_deployment_keeps_slot_and_term() -> None:
    """The container is replaced, the place is not."""
    newer = builders.deployment(version=2, workloads=WEB.workloads)
    plan = assignments.plan(desired(newer, web_1="n1"), known(FLEET, ON_N1))
    (signed,) = plan.assignments
    assert signed.seq == 5
    assert signed.replicas == (builders.place("web/web.1", 2, term=1),)


def test_a_slot_that_moves_has_its_term_raised_by_one() -> None:
    """The highest term wins wherever two claim it."""
    holdings = {Slot("web/web.1"): Holding(node=NodeName("n1"), term=6)}
    fleet = {**FLEET, "n1": replace(FLEET["n1"], scheduling="drained")}
    plan = assignments.plan(
        desired(WEB, web_1="n2"), known(fleet, ON_N1, holdings=holdings)
    )
    given_to = places_of(plan.assignments)
    assert given_to["n1"] == ()
    assert given_to["n2"][0].term == 7


def test_a_slot_without_a_place_does_not_forget_its_term() -> None:
    """It may come back anywhere."""
    holdings = {Slot("web/web.1"): Holding(node=NodeName("n1"), term=6)}
    plan = assignments.plan(desired(WEB, web_1="n2"), known(FLEET, holdings=holdings))
    assert places_of(plan.assignments)["n2"][0].term == 7


def test_what_would_move_without_a_cause_stays() -> None:
    """The node would refuse to give it up, and there would be two."""
    plan = assignments.plan(desired(WEB, web_1="n2"), known(FLEET, ON_N1))
    assert plan.assignments == ()


def test_what_finds_no_place_stays_too() -> None:
    """The hub cannot take away."""
    assert assignments.plan(desired(WEB), known(FLEET, ON_N1)).assignments == ()


def test_a_tombstone_empties_the_assignment() -> None:
    """The node finds the cause beside it in the same message."""
    plan = assignments.plan(desired(), known(FLEET, ON_N1))
    assert places_of(plan.assignments) == {"n1": ()}


def test_a_drained_node_hands_over_what_must_stay_available() -> None:
    """First the new one is healthy, then the old one goes."""
    fleet = {**FLEET, "n1": replace(FLEET["n1"], scheduling="drained")}
    first = assignments.plan(desired(AVAILABLE, web_1="n2"), known(fleet, ON_N1))
    assert first.is_handing_over
    assert list(places_of(first.assignments)) == ["n2"]
    healthy = heard(N2, replicas=(builders.status("web/web.1"),))
    fleet["n2"] = replace(fleet["n2"], heard=healthy)
    after = known(fleet, ON_N1, *first.assignments, holdings=first.holdings)
    then = assignments.plan(desired(AVAILABLE, web_1="n2"), after)
    assert places_of(then.assignments) == {"n1": ()}
    assert not then.is_handing_over


def test_what_devices_hand_over_themselves_the_hub_does_not_move() -> None:
    """It follows the taker's term, and lets go of the old one when it is healthy."""
    fleet = {**FLEET, "n1": replace(FLEET["n1"], scheduling="drained")}
    asked = desired(AVAILABLE, web_1="n3")
    slot = Slot("web/web.1")
    first = assignments.plan(asked, known(fleet, ON_N1, left=frozenset({slot})))
    assert (first.assignments, first.is_handing_over) == ((), True)
    taken = {slot: (NodeName("n2"), builders.place(slot, term=2))}
    then = assignments.plan(
        desired(AVAILABLE, web_1="n2"),
        known(fleet, ON_N1, holdings=first.holdings, taken=taken),
    )
    assert places_of(then.assignments) == {"n2": (builders.place(slot, term=2),)}
    assert then.is_handing_over
    healthy = heard(N2, replicas=(builders.status(slot, term=2),))
    fleet["n2"] = replace(fleet["n2"], heard=healthy)
    after = known(fleet, ON_N1, *then.assignments, holdings=then.holdings)
    last = assignments.plan(desired(AVAILABLE, web_1="n2"), after)
    assert places_of(last.assignments) == {"n1": ()}


def test_a_revoked_device_is_assigned_nothing_and_told_nothing() -> None:
    """Its slots go to others with a higher term."""
    fleet = {**FLEET, "n1": replace(FLEET["n1"], is_revoked=True)}
    plan = assignments.plan(desired(WEB, web_1="n2"), known(fleet, ON_N1))
    assert list(places_of(plan.assignments)) == ["n2"]


def test_a_new_generation_is_signed_for_everyone() -> None:
    """Documents of the hub before it count nothing any more."""
    plan = assignments.plan(desired(WEB, generation=2, web_1="n1"), known(FLEET, ON_N1))
    assert plan.assignments[0].counter == (2, 1, 5)


def test_a_lost_assignment_does_not_bring_back_its_number() -> None:
    """A device refuses what is not newer than the one it holds."""
    before = known(FLEET, floors={N1.id: 41})
    plan = assignments.plan(desired(WEB, web_1="n1"), before)
    assert plan.assignments[0].seq == 42


def test_one_document_holds_so_many_and_what_was_there_stays() -> None:
    """Beyond the limit newcomers wait."""
    many = builders.deployment(workloads=(builders.workload(replicas=2000),))
    places = {Slot(f"web/web.{n}"): NodeName("n1") for n in range(1, 1500)}
    last = builders.assignment(N1, replicas=(builders.place("web/web.1400"),))
    want = Desired(deployments={"web": many}, places=places, generation=1)
    plan = assignments.plan(want, known(FLEET, last))
    replicas = places_of(plan.assignments)["n1"]
    assert len(replicas) == assignments.REPLICAS_MAX
    assert "web/web.1400" in {each.slot for each in replicas}


def test_the_holder_of_a_slot_is_who_got_it_last() -> None:
    """During a hand-over two are assigned it."""
    on_n2 = builders.assignment(N2, replicas=(builders.place("web/web.1", term=2),))
    assert assignments.holders([ON_N1, on_n2], {}) == {"web/web.1": "n2"}


PLACES = st.dictionaries(
    st.integers(1, 9).map(lambda n: Slot(f"web/web.{n}")),
    st.sampled_from([NodeName(name) for name in FLEET]),
)
VERSIONS = st.integers(1, 3)


@given(st.lists(st.tuples(PLACES, VERSIONS), min_size=1, max_size=4))
def test_planning_again_signs_nothing_and_terms_never_fall(
    steps: list[tuple[dict[Slot, NodeName], int]],
) -> None:
    """Whatever was asked before: the loop comes to rest, numbers only rise."""
    last: dict[str, Assignment] = {}
    holdings: dict[Slot, Holding] = {}
    version = 0
    for places, step in steps:
        version += step
        deployment = builders.deployment(version=version, workloads=WEB.workloads)
        want = Desired(deployments={"web": deployment}, places=places, generation=1)
        for _ in range(2):
            before = known(FLEET, *last.values(), holdings=holdings)
            plan = assignments.plan(want, before)
            for slot, held in plan.holdings.items():
                assert slot not in holdings or held.term == holdings[slot].term + 1
            for each in plan.assignments:
                assert each.device not in last or each.seq == last[each.device].seq + 1
            holdings |= plan.holdings
            last |= {each.device: each for each in plan.assignments}
        assert (
            assignments.plan(want, known(FLEET, *last.values(), holdings=holdings))
            == Plan()
        )
        assert assignments.holders(last.values(), holdings) == places


BEFORE = builders.deployment()
NEWER = builders.deployment(version=2, fallback=1)
HELD = builders.assignment(N1, replicas=(builders.place("web/web.1"),))


def under_way(places: dict[Slot, NodeName], **versions: int) -> Desired:
    """Version 2 of ``web`` on its way; versions are spelled as in `desired`."""
    return Desired(
        deployments={"web": NEWER},
        before={"web": BEFORE},
        staged=frozenset({"web"}),
        places=places,
        versions={Slot(f"web/web.{each[4:]}"): v for each, v in versions.items()},
        generation=1,
    )


def test_under_a_rollout_each_slot_has_a_version_of_its_own() -> None:
    """Whatever the newest one is; what waits for its turn goes to nobody yet."""
    places = {Slot(f"web/web.{n}"): NodeName(f"n{n}") for n in (1, 2)}
    many = builders.deployment(version=2, workloads=(builders.workload(replicas=2),))
    want = replace(under_way(places, web_1=1, web_2=0), deployments={"web": many})
    made = assignments.plan(want, known(FLEET))
    assert places_of(made.assignments) == {"n1": (builders.place("web/web.1", 1),)}
    assert dict(made.later) == {"web/web.2": "n2"}
    assert not made.is_handing_over


def test_under_a_rollout_a_slot_moves_when_it_is_its_turn() -> None:
    """Until then it serves where it is."""
    holdings = {Slot("web/web.1"): Holding(node=NodeName("n1"), term=1)}
    told = known(FLEET, HELD, holdings=holdings)
    there = {Slot("web/web.1"): NodeName("n2")}
    far = builders.deployment(version=2, workloads=(builders.workload(sites=("x",)),))
    want = replace(under_way(there, web_1=1), deployments={"web": far})
    assert assignments.plan(want, told).assignments == ()
    moved = assignments.plan(replace(want, versions={Slot("web/web.1"): 2}), told)
    assert places_of(moved.assignments) == {
        "n1": (),
        "n2": (builders.place("web/web.1", 2, term=2),),
    }


def test_under_a_rollout_nothing_moves_for_the_sake_of_a_newer_version() -> None:
    """Placement would like it elsewhere; what serves stays."""
    told = known(FLEET, HELD)
    assert assignments.settle(under_way({Slot("web/web.1"): NodeName("n2")}), told) == {
        "web/web.1": "n1"
    }


def test_what_the_newest_version_cannot_place_stays_until_the_rollout_is_over() -> None:
    """It would be missed if the rollout went back."""
    told = known(FLEET, HELD)
    other = builders.deployment(version=2, workloads=(builders.workload("other"),))
    want = replace(under_way({}), deployments={"web": other})
    assert assignments.settle(want, told) == {"web/web.1": "n1"}
    assert assignments.settle(replace(want, before={}), told) == {}
