from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.documents import Report
from edge.names import NodeName, Slot
from edge.trust import Accepted, Ledger, judge
from edge.trust.versions import JUMP_MAX
from hub import decision, takeovers
from hub.assignments import Holding, Plan
from hub.moves import Ground
from hub.state import State
from tests.support import builders
from tests.support.builders import HUB, NOW, Device, empty_ledger, enrolled, signed
from tests.support.fleets import heard, places_of

N1, N2, N3 = DEVICES = Device("n1"), Device("n2"), Device("n3")
SLOT = Slot("web/web.1")
WEB = builders.deployment(workloads=(builders.workload(failover="available"),))


def ledger_with(*envelopes: bytes) -> Ledger:
    """A ledger of three devices of one site, and the deployment."""
    return builders.ledger_of((*enrolled(*DEVICES), signed(WEB), *envelopes))


def said(device: Device, term: int, slot: str = SLOT, **changes: object) -> Report:
    """A report of a device that has a slot in a term."""
    status = builders.status(slot, term=term, **changes)
    return builders.report(device, replicas=(status,))


def holding(node: str = "n1", term: int = 1) -> dict[Slot, Holding]:
    """What the hub knows."""
    return {SLOT: Holding(node=NodeName(node), term=term)}


def learn(
    ledger: Ledger, holdings: dict[Slot, Holding], reports: Iterable[Report]
) -> takeovers.Taken:
    """What the newest deployments let devices take over."""
    ground = Ground(deployments=ledger.deployments)
    return takeovers.learn(ledger, holdings, reports, ground)


def taken(ledger: Ledger, *reports: Report, term: int = 1) -> dict[Slot, str]:
    """Who took over what, n1 holding the slot in a term."""
    found = learn(ledger, holding(term=term), reports)
    return {slot: node for slot, (node, _) in found.items()}


def test_the_higher_term_says_who_holds_a_slot() -> None:
    """Version and term are the taker's."""
    found = learn(ledger_with(), holding(), [said(N2, 2), said(N1, 1)])
    assert found == {SLOT: ("n2", builders.place(SLOT, term=2))}


@pytest.mark.parametrize("term", [1, 2])
def test_a_term_that_is_not_higher_changes_nothing(term: int) -> None:
    """It is an old story, or one of two that are equal."""
    assert taken(ledger_with(), said(N2, term), term=2) == {}


def test_a_holder_that_raised_its_own_term_keeps_the_slot() -> None:
    """Of two that ran it, its copy is the one that stays."""
    assert taken(ledger_with(), said(N1, 3), said(N2, 2)) == {SLOT: "n1"}


def test_of_two_with_one_term_the_devices_choice_is_the_hubs() -> None:
    """They settle it by the larger id, until one raises its term."""
    larger = max((N2, N3), key=lambda each: each.id)
    for order in ((N2, N3), (N3, N2)):
        reports = [said(each, 2) for each in order]
        assert taken(ledger_with(), *reports) == {SLOT: larger.name}


@pytest.mark.parametrize("state", ["stopping", "waiting"])
def test_a_replica_that_stops_or_only_waits_is_held_by_nobody(state: str) -> None:
    """Its device gave it up, or has no lease for it yet."""
    assert taken(ledger_with(), said(N2, 2, state=state)) == {}


def test_a_term_far_ahead_is_not_believed() -> None:
    """One device must not use up the numbers there are."""
    assert taken(ledger_with(), said(N2, 2 + JUMP_MAX)) == {}
    assert taken(ledger_with(), said(N2, 1 + JUMP_MAX)) == {SLOT: "n2"}


@pytest.mark.parametrize(
    "workload",
    [
        builders.workload(failover="none"),
        builders.workload(every="role=web", failover="available"),
    ],
)
def test_a_slot_that_does_not_move_cannot_be_taken(workload: object) -> None:
    """The operator ties it to its device, or to the hub's word."""
    fixed = signed(builders.deployment(version=2, workloads=(workload,)))
    slots = (SLOT, "web/web@n2")
    assert not any(taken(ledger_with(fixed), said(N2, 2, each)) for each in slots)


def test_what_no_deployment_has_cannot_be_taken() -> None:
    """Neither beyond the number of replicas, nor after the end, nor of nothing."""
    assert taken(ledger_with(), said(N2, 2, "web/web.2")) == {}
    assert taken(ledger_with(), said(N2, 2, "db/db.1")) == {}
    assert taken(ledger_with(signed(builders.tombstone())), said(N2, 2)) == {}


def test_a_revoked_device_takes_nothing() -> None:
    """Whatever it reported before."""
    gone = signed(builders.revocation(devices=(N2.id,)))
    assert taken(ledger_with(gone), said(N2, 2)) == {}


def test_a_device_that_waits_for_approval_takes_nothing() -> None:
    """It runs nothing."""
    waiting = signed(builders.voucher("v2", approve=True))
    late = Device("n4")
    member = signed(builders.member(late, voucher="v2"))
    assert taken(ledger_with(waiting, member), said(late, 2)) == {}
    assert taken(ledger_with(), said(Device("n5"), 2)) == {}


def test_a_device_of_another_site_takes_nothing() -> None:
    """Only neighbours can know that the holder is gone."""
    away = signed(builders.node(N2, site="away"))
    assert taken(ledger_with(away), said(N2, 2)) == {}


def test_a_site_that_has_the_slot_in_its_plan_may_take_it() -> None:
    """Though its holder was moved to another site meanwhile."""
    away = signed(builders.node(N1, site="away"))
    assert taken(ledger_with(away), said(N2, 2)) == {}
    slots = (builders.plan_slot(SLOT, N1),)
    plan = signed(builders.plan(*DEVICES, slots=slots))
    assert taken(ledger_with(plan, away), said(N2, 2)) == {SLOT: "n2"}


def test_a_slot_nobody_is_known_to_hold_is_whose_device_says_so() -> None:
    """A hub restored from an old backup learns it so."""
    ledger, report = ledger_with(), said(N2, 5)
    assert list(learn(ledger, {}, [report])) == [SLOT]
    far = builders.workload(failover="available", sites=("away",))
    bound = ledger_with(signed(builders.deployment(version=2, workloads=(far,))))
    assert learn(bound, {}, [report]) == {}


def test_the_highest_term_is_the_highest_anybody_reports() -> None:
    """Believed or not: the hub's next one is beyond it."""
    assert takeovers.highest([said(N1, 1), said(N2, 9), said(N3, 4)]) == {SLOT: 9}


class Hub:
    """A hub's memory, deciding and signing for itself."""

    def __init__(self) -> None:
        self.state = State(hub=HUB.public, ledger=empty_ledger())
        for each in (*enrolled(*DEVICES), signed(WEB)):
            self.take(each)
        self.seq = 0
        for device in DEVICES:
            self.state.heard[device.id] = heard(device)

    def take(self, data: bytes) -> None:
        verdict = judge(data, self.state.ledger, NOW)
        assert isinstance(verdict, Accepted), verdict
        self.state.take(verdict)

    def hear(self, device: Device, *terms: int, **changes: object) -> None:
        self.seq += 1
        status = tuple(builders.status(SLOT, term=each, **changes) for each in terms)
        self.state.heard[device.id] = heard(device, seq=self.seq, replicas=status)

    def decide(self) -> decision.Decision:
        made = decision.decide(self.state, NOW)
        signed_ones = [decision.sign(each, HUB) for each in made.documents]
        decision.apply(self.state, made, signed_ones)
        return made

    @property
    def holders(self) -> dict[str, int]:
        """Node → term of the slot in its last assignment; a revoked one's aside."""
        return {
            each.node: place.term
            for each in self.state.assignments.values()
            if not self.state.ledger.is_revoked(each.device)
            for place in each.replicas
        }


def test_the_taker_is_assigned_what_it_took_and_the_old_holder_loses_it() -> None:
    """At the taker's term, and the plan says the same."""
    hub = Hub()
    hub.decide()
    assert hub.holders == {"n1": 1}
    hub.hear(N2, 2)
    made = hub.decide()
    assert places_of(made.plan.assignments) == {
        "n1": (),
        "n2": (builders.place(SLOT, term=2),),
    }
    (plan,) = made.succession.plans
    assert [(each.node, each.term) for each in plan.slots] == [("n2", 2)]
    assert made.plan.learned == holding("n2", 2)
    assert hub.decide().documents == ()


def test_an_old_holder_that_comes_back_gets_nothing_back() -> None:
    """It reports its old term while the taker reports the higher one."""
    hub = Hub()
    hub.decide()
    hub.hear(N2, 2)
    hub.decide()
    hub.hear(N1, 1)
    assert hub.decide().documents == ()
    assert hub.holders == {"n2": 2}
    hub.hear(N1, 3)  # its copy is the one that stays: it raised the term
    hub.decide()
    assert hub.holders == {"n1": 3}


def test_a_slot_the_hub_moves_gets_a_term_beyond_all_that_were_reported() -> None:
    """The taker was revoked: no device may outlast that by its term."""
    hub = Hub()
    hub.decide()
    hub.hear(N2, 5)
    hub.decide()
    hub.hear(N3, 7, state="stopping")
    hub.take(signed(builders.revocation(devices=(N2.id,))))
    hub.decide()
    assert list(hub.holders.values()) == [8]
    assert "n2" not in hub.holders


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(DEVICES), st.integers(1, 12)),
        st.tuples(st.sampled_from(DEVICES), st.none()),
    ),
    max_size=8,
)


@given(STEPS)
def test_terms_never_fall_and_the_hub_comes_to_rest(
    steps: list[tuple[Device, int | None]],
) -> None:
    """Whatever is reported, in whichever order: one holder, of the highest term."""
    hub = Hub()
    hub.decide()
    for device, term in steps:
        before = hub.state.holdings[SLOT]
        hub.hear(device, *([term] if term else []))
        hub.decide()
        after = hub.state.holdings[SLOT]
        assert after.term == max(before.term, term or 0)
        if term is not None and term > before.term:
            assert after.node == device.name
        assert hub.holders == {after.node: after.term}
        assert hub.decide().plan == Plan()


def test_what_only_the_version_before_has_can_be_taken_over() -> None:
    """While its rollout is on its way, it runs."""
    ledger = ledger_with()
    other = builders.deployment(version=2, workloads=(builders.workload("other"),))
    newest, before = {"web": other}, {"web": WEB}
    ground = Ground(deployments=newest, before=before)
    found = takeovers.learn(ledger, holding(), [said(N2, 2)], ground)
    assert list(found) == [SLOT]
    assert (
        takeovers.learn(ledger, holding(), [said(N2, 2)], Ground(deployments=newest))
        == {}
    )
