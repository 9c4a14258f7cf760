"""Root says who is root, operator and hub, and cannot lock itself out by mistake."""

import pytest

from edge.documents import KeySet, Scope
from edge.trust import judge
from edge.trust.versions import JUMP_MAX
from tests.support import builders as a
from tests.support.trials import judged, reason, took

ROOTS = [a.signing_key(f"root {i}") for i in range(4)]
STORE_7 = Scope(name="store-7", sites=("store-7",))


def keys(*who, threshold=1) -> KeySet:
    """Return a key set of signing keys."""
    return KeySet(keys=tuple(each.public for each in who), threshold=threshold)


def founded(**changes):
    """Return a ledger that took the first trust document."""
    return took(a.empty_ledger(), a.trusted(1, **changes))


def test_the_first_trust_meets_the_anchor():
    """The fingerprint in the join file."""
    assert reason(a.trusted(), a.empty_ledger()) == "accepted"


def test_another_root_is_not_believed():
    """Not even by a device that holds nothing."""
    planted = a.trusted(root=keys(a.STRANGER))
    assert reason(planted, a.empty_ledger(), a.STRANGER) == "not-authorised"


def test_the_anchor_is_met_by_key_not_by_word():
    """Naming root's key is not signing with it."""
    assert reason(a.trusted(), a.empty_ledger(), a.STRANGER) == "not-authorised"


@pytest.mark.parametrize("signers", [(a.ROOT,), (ROOTS[0],)])
def test_new_roots_need_the_old_and_the_new_signature(signers):
    """One alone hands nothing over, and nothing is handed to a key nobody has."""
    handed = a.trusted(2, root=keys(ROOTS[0]))
    assert reason(handed, founded(), *signers) == "not-authorised"
    assert reason(handed, founded(), a.ROOT, ROOTS[0]) == "accepted"


def test_an_old_root_is_nobody():
    """After a hand-over its signature counts for nothing."""
    ledger = took(founded(), a.trusted(2, root=keys(ROOTS[0])), a.ROOT, ROOTS[0])
    assert reason(a.trusted(3), ledger, a.ROOT) == "not-authorised"
    again = a.trusted(3, root=keys(ROOTS[0]))
    assert reason(again, ledger, a.ROOT) == "not-authorised"
    assert reason(again, ledger, ROOTS[0]) == "accepted"


def test_thresholds_count_distinct_keys():
    """Two signatures by one key are one, a key listed twice is one."""
    two = took(
        founded(), a.trusted(2, root=keys(*ROOTS[:3], threshold=2)), a.ROOT, *ROOTS[:2]
    )
    third = a.trusted(3, root=keys(*ROOTS[:3], threshold=2))
    assert reason(third, two, ROOTS[0], ROOTS[0]) == "not-authorised"
    assert reason(third, two, ROOTS[0], a.ROOT) == "not-authorised"
    assert reason(third, two, ROOTS[0], ROOTS[2]) == "accepted"


def test_four_roots_can_all_be_exchanged():
    """The largest threshold: eight signatures, as many as an envelope holds."""
    new = [a.signing_key(f"new root {i}") for i in range(4)]
    all_four = a.trusted(2, root=keys(*ROOTS, threshold=4))
    ledger = took(founded(), all_four, a.ROOT, *ROOTS)
    handed = a.trusted(3, root=keys(*new, threshold=4))
    assert reason(handed, ledger, *ROOTS, *new) == "accepted"
    assert reason(handed, ledger, *ROOTS, *new[:3]) == "not-authorised"


def test_a_threshold_nobody_can_meet_is_refused():
    """Root would have locked itself out."""
    greedy = a.trusted(2, root=keys(ROOTS[0], threshold=2))
    assert reason(greedy, founded(), a.ROOT, ROOTS[0]) == "not-authorised"


def test_a_key_listed_twice_does_not_meet_a_threshold():
    """Nor is it taken as two."""
    doubled = a.trusted(2, root=keys(ROOTS[0], ROOTS[0], threshold=2))
    assert reason(doubled, founded(), a.ROOT, ROOTS[0]) == "not-authorised"


@pytest.mark.parametrize(
    "changes",
    [
        {"operators": (a.operator(), a.operator(name="again"))},
        {"operators": (a.operator(key=a.HUB.public),)},
        {"operators": (a.operator(key=a.ROOT.public),)},
        {"hubs": (a.hub_site(), a.hub_site())},
        {"hubs": (a.hub_site(key=a.ROOT.public),)},
    ],
)
def test_one_key_has_one_role(changes):
    """A hub whose key is an operator's too would sign what may run."""
    if "operators" in changes and len(changes["operators"]) > 1:
        twin = a.operator(name="again", key=a.OPERATOR.public)
        changes = {"operators": (a.operator(), twin)}
    assert reason(a.trusted(2, **changes), founded()) == "malformed"


@pytest.mark.parametrize(
    "scopes",
    [
        (Scope(sites=("store-7",)),),
        (Scope(labels={"team": "a"}),),
        (STORE_7, Scope(name="store-7", sites=("store-8",))),
        (STORE_7, Scope(name="store-7")),
        (Scope(name="x", labels={"fact.arch": "arm64"}),),
        (Scope(name="x", labels={"a b": "c"}),),
    ],
)
def test_a_scopes_name_stands_for_one_set_of_limits(scopes):
    """A nameless limit would pass as none; two meanings would share their names."""
    operators = tuple(a.operator(f"o{i}", scope=s) for i, s in enumerate(scopes))
    assert reason(a.trusted(2, operators=operators), founded()) == "malformed"


def test_operators_may_share_a_scope():
    """A team is several people."""
    team = tuple(a.operator(f"o{i}", scope=STORE_7) for i in range(2))
    assert reason(a.trusted(2, operators=team), founded()) == "accepted"


def test_the_generation_never_goes_back():
    """An older one would let an old hub in again."""
    ledger = founded(generation=5)
    assert reason(a.trusted(2, generation=4), ledger) == "rolled-back"
    assert reason(a.trusted(2, generation=5), ledger) == "accepted"


@pytest.mark.parametrize("held", [1, 7])
def test_the_generation_does_not_leap(held):
    """Further than a newcomer would believe the hub's counters."""
    leap = held + JUMP_MAX + 1
    assert (
        reason(a.trusted(2, generation=leap), founded(generation=held))
        == "counter-jump"
    )
    assert (
        reason(a.trusted(generation=JUMP_MAX + 1), a.empty_ledger()) == "counter-jump"
    )


def test_a_trust_document_dated_after_all_its_operators_is_a_wrong_clock():
    """It would raise the floor beyond the day on which anyone may sign."""
    in_2100 = a.trusted(2, issued_at=4.1e9)
    assert reason(in_2100, founded(), now=4.1e9) == "expired"
    device = took(a.empty_ledger(me="d-1"), a.trusted())
    assert reason(in_2100, device, now=0.0) == "expired"


def test_a_fleet_may_have_no_operator_for_a_while():
    """Root can shut everyone out without losing the way back."""
    ledger = took(founded(), a.trusted(2, operators=()))
    assert reason(a.deployment(), ledger) == "not-authorised"
    assert reason(a.trusted(3), ledger) == "accepted"


def test_an_older_trust_is_rolled_back():
    """Whoever was removed stays removed."""
    ledger = took(founded(), a.trusted(3, operators=()))
    assert reason(a.trusted(2), ledger) == "rolled-back"
    assert reason(a.trusted(3), ledger) == "conflict"


def test_the_head_comes_again_as_known():
    """Retained messages arrive at every connection."""
    assert judge(a.signed(a.trusted()), founded(), a.NOW) is not None
    assert reason(a.trusted(), founded()) == "known"
    assert not hasattr(judged(a.trusted(), founded()), "signers")
