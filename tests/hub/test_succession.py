from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import documents, model
from edge.documents import Assignment, Plan
from edge.model import MIB
from edge.names import NodeName
from hub import succession
from hub.fleet import Standing
from hub.moves import Ground
from hub.succession import Known, Succession
from tests.support import builders
from tests.support.builders import Device, enrolled, ledger_of, place
from tests.support.fleets import heard, standings

DEVICES = tuple(Device(f"n{n}") for n in (1, 2, 3))
N1, N2, N3 = DEVICES
FLEET = standings(ledger_of(enrolled(*DEVICES)), *DEVICES)
WEB = builders.deployment(
    workloads=(builders.workload(replicas=9, failover="available"),)
)
ON_N1 = builders.assignment(N1, replicas=(place("web/web.1"),))


def known(*assigned: Assignment, **changes: Any) -> Known:
    """The fleet of three at site home, which runs ``web`` as assigned."""
    fields: dict[str, Any] = {
        "fleet": builders.FLEET,
        "generation": 1,
        "standings": FLEET,
        "deployments": {"web": WEB},
        "assignments": {each.device: each for each in assigned},
    }
    fields |= changes
    ground = Ground(deployments=fields.pop("deployments"))
    return Known(**{"ground": ground, **fields})


def only(made: Succession) -> Plan:
    """The one plan that is to be signed."""
    (plan,) = made.plans
    return plan


def slots(plan: Plan) -> dict[str, tuple[str, int]]:
    """Slot → who holds it, in which term."""
    return {each.slot: (each.node, each.term) for each in plan.slots}


def fact_of(plan: Plan, name: str) -> model.Facts:
    """What a plan says of a device."""
    found = next(each.facts for each in plan.members if each.name == name)
    assert found is not None
    return found


def with_n1(**changes: Any) -> dict[NodeName, Standing]:
    """The fleet with another n1."""
    return {**FLEET, NodeName("n1"): replace(FLEET[NodeName("n1")], **changes)}


def test_a_site_is_told_who_is_there_and_who_holds_what() -> None:
    """Everything a survivor needs, by name."""
    plan = only(succession.plan(known(ON_N1)))
    assert (plan.site, plan.seq) == ("home", 1)
    assert [each.name for each in plan.members] == ["n1", "n2", "n3"]
    assert slots(plan) == {"web/web.1": ("n1", 1)}


def test_what_did_not_change_is_not_signed_again() -> None:
    """An idle site hears nothing."""
    plan = only(succession.plan(known(ON_N1)))
    assert succession.plan(known(ON_N1, last={"home": plan})) == Succession()


def test_the_next_plan_counts_on() -> None:
    """From the last one signed, or from one that was lost."""
    last = {"home": builders.plan(N1, seq=4)}
    assert only(succession.plan(known(ON_N1, last=last))).seq == 5
    assert only(succession.plan(known(ON_N1, floors={"plan/home": 8}))).seq == 9


def test_a_new_generation_is_signed_anew() -> None:
    """Plans of the one before count nothing any more."""
    plan = only(succession.plan(known(ON_N1)))
    after = known(ON_N1, last={"home": plan}, generation=2)
    assert only(succession.plan(after)).generation == 2


def test_what_does_not_move_is_no_slot() -> None:
    """``none``, and what names its device."""
    fixed = builders.workload("fixed")
    each_one = builders.workload("each", every="*", failover="available")
    both = builders.deployment("web", workloads=(fixed, each_one))
    assigned = builders.assignment(
        N1, replicas=(place("web/fixed.1"), place("web/each@n1"))
    )
    plan = only(succession.plan(known(assigned, deployments={"web": both})))
    assert plan.slots == ()


def test_the_room_of_what_never_moves_is_taken() -> None:
    """Memory and ports, whatever happens to the others."""
    port = builders.port(8080, address="10.0.0.1")
    web = builders.workload(failover="strict", ports=(builders.port(8080),))
    fixed = builders.workload(
        "fixed",
        ports=(port, builders.port(9090)),
        resources=model.Resources(memory=64 * MIB),
    )
    both = builders.deployment("web", workloads=(web, fixed))
    taken = builders.assignment(N1, replicas=(place("web/fixed.1"), place("web/web.1")))
    plan = only(succession.plan(known(taken, deployments={"web": both})))
    assert plan.members[0].reserved == 64 * MIB
    assert plan.members[1].reserved == 0
    only_asked_for = builders.port(8080, 8080, address="10.0.0.1")
    assert fact_of(plan, "n1").ports == (only_asked_for,)


def test_what_flutters_on_a_device_changes_no_plan() -> None:
    """Free disk, and ports and cameras that no slot asks for."""
    before = only(succession.plan(known(ON_N1)))
    facts = builders.facts(
        disk=1, ports=(builders.port(41234),), devices=("/dev/video0",)
    )
    later = with_n1(heard=heard(N1, facts=facts, seq=2))
    after = known(ON_N1, standings=later, last={"home": before})
    assert succession.plan(after) == Succession()


def test_what_a_slot_asks_for_is_told_of_every_device() -> None:
    """A taker must have the camera, the port and the secret."""
    web = builders.workload(
        failover="available",
        devices=("/dev/video0",),
        ports=(builders.port(80),),
        secrets={"token": "/run/secrets/token"},
    )
    facts = builders.facts(
        devices=("/dev/video0", "/dev/snd"), ports=(builders.port(80),)
    )
    plan = only(
        succession.plan(
            known(
                ON_N1,
                standings=with_n1(heard=heard(N1, facts=facts)),
                deployments={"web": builders.deployment(workloads=(web,))},
                sealed={N1.id: frozenset({"web/token", "other/token"})},
            )
        )
    )
    assert fact_of(plan, "n1").devices == ("/dev/video0",)
    assert fact_of(plan, "n1").ports == (builders.port(80, 80),)
    assert [each.sealed for each in plan.members] == [("web/token",), (), ()]


def test_who_never_reported_or_runs_nothing_is_no_member() -> None:
    """It would count against those who decide whether they are alone."""
    for absent in ({"heard": None}, {"is_approved": False}, {"is_revoked": True}):
        plan = only(succession.plan(known(standings=with_n1(**absent))))
        assert [each.name for each in plan.members] == ["n2", "n3"]


def test_a_slot_belongs_to_the_site_of_its_holder() -> None:
    """Nobody takes over from another site."""
    plans = succession.plan(known(ON_N1, standings=with_n1(site="vault"))).plans
    assert {each.site: slots(each) for each in plans} == {
        "home": {},
        "vault": {"web/web.1": ("n1", 1)},
    }


def test_during_a_hand_over_the_higher_term_holds() -> None:
    """The drained device keeps it only until the other one is healthy."""
    taker = builders.assignment(N2, replicas=(place("web/web.1", term=2),))
    plan = only(succession.plan(known(ON_N1, taker)))
    assert slots(plan) == {"web/web.1": ("n2", 2)}


def test_a_plan_names_the_documents_it_rests_on() -> None:
    """A device tells by them whether it has everything."""
    versions = {N1.id: (2, 5)}
    plan = only(succession.plan(known(versions=versions)))
    named = [(each.member_version, each.node_version) for each in plan.members]
    assert named == [(2, 5), (1, 0), (1, 0)]


def crowd(count: int) -> dict[NodeName, Standing]:
    """So many devices at one site; only their names and ids differ."""
    n1 = FLEET[NodeName("n1")]
    return {
        NodeName(f"n{n:04}"): replace(n1, name=NodeName(f"n{n:04}"), device=f"d-{n:04}")
        for n in range(count)
    }


def test_a_site_of_a_hundred_has_a_plan_and_one_more_is_too_many() -> None:
    """Said, not silent."""
    whole = succession.plan(known(standings=crowd(100)))
    assert (len(only(whole).members), whole.problems) == (100, ())
    over = succession.plan(known(standings=crowd(101)))
    assert len(only(over).members) == 100
    said = "1 devices and 0 slots are too many for its plan"
    assert over.problems == (("home", said),)


def test_what_is_too_large_for_a_document_is_cut_until_it_fits() -> None:
    """A hundred devices hold hundreds of secrets each."""
    secrets = {f"s{n:02}": "/x" for n in range(12)}
    many = [
        builders.deployment(
            f"w{n:02}{'x' * 40}",
            workloads=(builders.workload("w", failover="strict", secrets=secrets),),
        )
        for n in range(20)
    ]
    all_names = frozenset(f"{each.name}/{name}" for each in many for name in secrets)
    devices = crowd(100)
    places = tuple(place(f"{each.name}/w.1") for each in many)
    made = succession.plan(
        known(
            msgspec.structs.replace(
                builders.assignment(N1, replicas=places), device="d-0000"
            ),
            standings=devices,
            deployments={each.name: each for each in many},
            sealed={each.device: all_names for each in devices.values()},
        )
    )
    documents.sign(only(made), builders.HUB)
    assert 0 < len(only(made).slots) < 20
    assert made.problems


def test_strict_slots_are_left_out_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a line in the plan voters grant them nothing."""
    monkeypatch.setattr(succession, "SLOTS_MAX", 1)
    kinds = {"a": "available", "b": "strict"}
    works = {
        name: builders.deployment(
            name, workloads=(builders.workload("w", failover=failover),)
        )
        for name, failover in kinds.items()
    }
    both = builders.assignment(N1, replicas=(place("a/w.1"), place("b/w.1")))
    made = succession.plan(known(both, deployments=works))
    assert [each.slot for each in only(made).slots] == ["b/w.1"]


OWNERS = st.lists(
    st.tuples(st.sampled_from(DEVICES), st.integers(1, 9)), min_size=1, max_size=9
)


@given(OWNERS, st.sampled_from(["available", "strict", "none"]), st.randoms())
def test_every_movable_slot_is_in_exactly_one_plan(
    owners: list[tuple[Device, int]], failover: Any, rng: Any
) -> None:
    """Law: each slot once, with its holder; any order gives one answer."""
    sites = [rng.choice(["home", "vault"]) for _ in DEVICES]
    there = {
        name: replace(each, site=site)
        for (name, each), site in zip(FLEET.items(), sites, strict=True)
    }
    assigned = [
        builders.assignment(
            device,
            replicas=tuple(
                place(f"web/web.{n}", term=term)
                for n, (owner, term) in enumerate(owners, 1)
                if owner == device
            ),
        )
        for device in DEVICES
    ]
    work = builders.workload(replicas=9, failover=failover)
    web = {"web": builders.deployment(workloads=(work,))}
    made = succession.plan(known(*assigned, standings=there, deployments=web))
    rng.shuffle(assigned)
    backwards = dict(reversed(there.items()))
    again = succession.plan(known(*assigned, standings=backwards, deployments=web))
    assert made == again
    found = {
        each.slot: (each.device, each.term)
        for plan in made.plans
        for each in plan.slots
        if plan.site == there[NodeName(each.node)].site
    }
    expected = {
        f"web/web.{n}": (device.id, term) for n, (device, term) in enumerate(owners, 1)
    }
    assert found == ({} if failover == "none" else expected)
    assert sum(len(plan.slots) for plan in made.plans) == len(found)
    last = {plan.site: plan for plan in made.plans}
    settled = known(*assigned, standings=there, deployments=web, last=last)
    assert succession.plan(settled) == Succession()


def test_a_slot_that_has_not_changed_yet_is_planned_as_it_is() -> None:
    """Its version, and what that one asks for: a taker runs the same."""
    old = builders.workload(replicas=2, failover="available", devices=("/dev/a",))
    new = builders.workload(replicas=2, failover="none")
    before = builders.deployment(workloads=(old,))
    newest = builders.deployment(version=2, workloads=(new,), fallback=1)
    ground = Ground(deployments={"web": newest}, before={"web": before})
    assigned = builders.assignment(
        N1, replicas=(place("web/web.1"), place("web/web.2", 2))
    )
    plan = only(succession.plan(replace(known(assigned), ground=ground)))
    assert [(each.slot, each.version) for each in plan.slots] == [("web/web.1", 1)]
