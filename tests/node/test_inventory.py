"""A report lists what is the device's own, and the plan while it is whole."""

from edge.trust import Ledger
from node import inventory
from tests.support import builders as a
from tests.support.trials import took

N1, N2 = a.Device("n1"), a.Device("n2")
SLOT = a.plan_slot("web/web.1", N2)
PLAN = a.plan(seq=7, slots=(SLOT,), members=(a.site_member(N2, node_version=1),))


def device(*documents) -> Ledger:
    """Return n1's ledger with more in it."""
    ledger = a.ledger_of(a.enrolled(N1), me=N1.id, counts_uses=False)
    for each in documents:
        took(ledger, each)
    return ledger


def streams(ledger: Ledger, *missing: str) -> set[str]:
    """Return what the report lists."""
    return {each.stream for each in inventory.held(ledger, set(missing))}


WHOLE = (a.member(N2), a.node(N2), a.deployment(), PLAN)


def test_neighbours_are_not_listed_one_by_one():
    """The plan stands for them, by its sequence number."""
    ledger = device(a.voucher("v2"), *WHOLE, a.node(N1), a.voters(N1))
    own = {"trust", "voucher/v1", f"member/{N1.id}", f"node/{N1.id}"}
    shared = {"deployment/web", "voters/home", "plan/home"}
    assert streams(ledger) == own | shared
    plan = next(e for e in inventory.held(ledger, set()) if e.stream == "plan/home")
    assert (plan.version, plan.digest) == (7, a.digest(PLAN))


def test_a_plan_is_listed_only_with_everything_it_rests_on():
    """A hub that does not see it sends all of it again."""
    ledger = device(*WHOLE)
    assert "plan/home" in streams(ledger)
    assert "plan/home" not in streams(ledger, "deployment/web")
    for left_out in WHOLE[:-1]:
        rest = [each for each in WHOLE if each not in (left_out, a.node(N2))]
        assert "plan/home" not in streams(device(*rest))


def test_newer_documents_than_the_plan_names_will_do():
    """And the end of a deployment, too."""
    ledger = device(*WHOLE, a.tombstone(), a.node(N2, 2))
    assert "plan/home" in streams(ledger)


def test_nobody_waits_for_the_documents_of_a_revoked_neighbour():
    """They would be refused."""
    out = a.revocation(devices=(N2.id,))
    assert "plan/home" in streams(device(out, a.deployment(), PLAN))


def test_the_plan_of_another_site_is_not_listed():
    """The device has moved; that plan says nothing to it."""
    ledger = device(*WHOLE, a.node(N1, site="vault"))
    assert "plan/home" not in streams(ledger)
