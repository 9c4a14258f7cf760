"""Keys that count now, thresholds over distinct keys, scopes that do not add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.documents import KeySet, Scope
from edge.trust import Head, authority
from edge.trust.authority import consent, covers_name, covers_workload, meets
from edge.trust.claim import Claim
from edge.trust.verdict import Refused
from tests.support import builders as a
from tests.support.trials import reason

STORE_7 = Scope(name="seven", sites=("store-7",))
TEAM_A = Scope(name="a", labels={"team": "a"})
OPS = {name: a.signing_key(name) for name in ("wide", "other", "seven", "old")}
OPERATORS = (
    a.operator("wide"),
    a.operator("other"),
    a.operator("seven", scope=STORE_7),
    a.operator("old", expires_at=a.NOW - 1),
)
names = st.sampled_from(["", "a", "b"])
labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3)
sites = st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3).map(tuple)


def claim(*who: str, threshold=1, now: float | None = a.NOW, version=1) -> Claim:
    """Return a deployment's claim in a fleet with four operators."""
    trusted = a.trusted(operators=OPERATORS, operator_threshold=threshold)
    document = a.deployment("web", version)
    return Claim(
        document=document,
        digest=a.digest(document),
        signers=frozenset(OPS[each].public for each in who),
        ledger=a.ledger_of([a.signed(trusted)]),
        now=now,
    )


def answer(refused: Refused | None) -> str:
    """Return the reason, "" for consent."""
    return refused.reason if refused else ""


@given(st.sets(st.integers(0, 5)), st.integers(1, 4))
def test_a_key_set_is_met_by_enough_of_its_own(signed, threshold):
    """Strangers and repeats do not count."""
    keys = KeySet(keys=("k0", "k1", "k1", "k2"), threshold=threshold)
    signers = frozenset(f"k{each}" for each in signed)
    assert meets(keys, signers) == (len(signed & {0, 1, 2}) >= threshold)


def test_one_operator_is_enough_at_threshold_one():
    """The usual fleet."""
    assert answer(consent(claim("wide"), lambda _: True, "")) == ""


def test_nobody_is_not_enough():
    """Nor is a fleet that has no trust document yet."""
    assert answer(consent(claim(), lambda _: True, "")) == "not-authorised"
    nothing = authority.operators(a.empty_ledger(), frozenset({"k"}), a.NOW)
    assert isinstance(nothing, Refused)
    assert "no trust" in nothing.problem


def test_two_operators_are_two_keys():
    """At threshold two, one is too few."""
    assert answer(consent(claim("wide", threshold=2), lambda _: True, "")) == (
        "not-authorised"
    )
    both = claim("wide", "other", threshold=2)
    assert answer(consent(both, lambda _: True, "")) == ""


def test_an_expired_key_is_named():
    """And does not fill up a threshold."""
    refused = consent(claim("old"), lambda _: True, "")
    assert refused is not None
    assert refused.reason == "expired"
    assert "unless this clock is wrong" in refused.problem
    assert "'old'" in refused.problem
    both = claim("wide", "old", threshold=2)
    assert answer(consent(both, lambda _: True, "")) == "expired"


def test_the_floor_expires_keys_where_the_clock_says_1970():
    """A device that lost its clock does not go back to trusting an old key."""
    assert answer(consent(claim("old", now=0.0), lambda _: True, "")) == "expired"


def test_a_signature_beyond_its_reach_does_not_fill_a_threshold():
    """Two must agree; one of them has no say there, so only one did."""
    both = claim("wide", "seven", threshold=2)
    assert answer(consent(both, authority.is_fleet_wide, "no")) == "out-of-scope"
    both = claim("wide", "other", threshold=2)
    assert answer(consent(both, authority.is_fleet_wide, "no")) == ""


def test_who_lost_the_newest_trust_believes_nobody():
    """An operator or a hub removed by it would count again."""
    late = claim("wide")
    late.ledger.heads["trust"] = Head(counter=(2,), digest=a.INDEX)
    assert answer(consent(late, lambda _: True, "")) == "not-authorised"
    hub = Claim(
        document=a.beacon(),
        digest="",
        signers=frozenset({a.HUB.public}),
        ledger=late.ledger,
        now=a.NOW,
    )
    assert not authority.is_hub(hub)
    assert reason(a.trusted(2), late.ledger) == "conflict"
    assert reason(a.trusted(3), late.ledger) == "accepted"


def test_beyond_the_scope_has_its_own_sentence():
    """What the caller says is what the operator reads."""
    refused = consent(claim("seven"), authority.is_fleet_wide, "not yours")
    assert refused is not None
    assert refused.problem == "not yours"


def test_what_was_judged_before_needs_to_be_genuine_only():
    """Read back from disk, an expired key's document still counts; a stranger's not."""
    assert answer(consent(claim("old", now=None), lambda _: False, "")) == ""
    assert answer(consent(claim(now=None), lambda _: True, "")) == "not-authorised"


@given(st.sets(st.sampled_from(sorted(OPS))), st.sampled_from(sorted(OPS)))
def test_one_more_signature_never_harms(who, more):
    """Law: what some operators may say, they may say with another's signature too."""
    for threshold in (1, 2):
        few = consent(claim(*who, threshold=threshold), authority.is_fleet_wide, "")
        many = claim(*who, more, threshold=threshold)
        if few is None:
            assert consent(many, authority.is_fleet_wide, "") is None


@pytest.mark.parametrize(
    ("scope", "owner", "name", "expected"),
    [
        (Scope(), None, "", True),
        (Scope(), "a", "", True),
        (Scope(), "a", "b", True),
        (TEAM_A, None, "a", True),
        (TEAM_A, "a", "a", True),
        (TEAM_A, "", "a", False),
        (TEAM_A, "b", "a", False),
        (TEAM_A, None, "", False),
        (TEAM_A, None, "b", False),
        (TEAM_A, "a", "", False),
        (TEAM_A, "b", "b", False),
    ],
)
def test_a_name_belongs_to_the_scope_that_made_it(scope, owner, name, expected):
    """The empty scope may sign as any; the others as themselves, on their own."""
    assert covers_name(scope, owner, name) is expected


@given(sites, labels, sites, labels)
def test_a_workload_inside_a_scope_reaches_only_devices_inside_it(
    scope_sites, scope_labels, may_sites, require
):
    """Law: wherever such a workload may be placed, the scope covers the device."""
    scope = Scope(name="s", sites=scope_sites, labels=scope_labels)
    workload = a.workload(sites=may_sites, require=require)
    if not covers_workload(scope, workload):
        return
    for site in may_sites or ("x", "y", "z"):
        assert authority.covers_device(scope, site, dict(require))


def test_every_with_a_label_limits_like_require():
    """One copy on each device of the team stays inside the team."""
    assert covers_workload(TEAM_A, a.workload(every="team=a"))
    assert not covers_workload(TEAM_A, a.workload(every="team=b"))
    assert not covers_workload(TEAM_A, a.workload(every="*"))
    both = a.workload(every="role=x", require={"team": "a"})
    assert covers_workload(TEAM_A, both)


@given(names)
def test_the_nameless_scope_is_the_one_without_limits(name):
    """`roots.trust` makes it true."""
    assert authority.is_fleet_wide(Scope(name=name)) == (name == "")


def spoken(*keys, now: float | None = a.NOW, **changes) -> bool:
    """Return whether a hub of a fleet spoke, when ``keys`` signed its beacon."""
    document = a.beacon()
    ledger = a.empty_ledger()
    if changes:
        ledger = a.ledger_of([a.signed(a.trusted(**changes))])
    signers = frozenset(key.public for key in keys)
    return authority.is_hub(
        Claim(document=document, digest="", signers=signers, ledger=ledger, now=now)
    )


def test_a_hub_is_who_root_names():
    """And nobody before root spoke."""
    hubs = (a.hub_site(), a.hub_site(key=a.STRANGER.public))
    assert spoken(a.HUB, hubs=hubs)
    assert not spoken(a.OPERATOR, hubs=hubs)
    assert not spoken(a.HUB, hubs=())
    assert not spoken(a.HUB)


def test_hubs_may_have_to_agree():
    """Root's threshold; what was judged before needs only one of them."""
    hubs = (a.hub_site(), a.hub_site(key=a.STRANGER.public))
    assert not spoken(a.HUB, hubs=hubs, hub_threshold=2)
    assert spoken(a.HUB, a.STRANGER, hubs=hubs, hub_threshold=2)
    assert spoken(a.HUB, now=None, hubs=hubs, hub_threshold=2)
    assert not spoken(a.OPERATOR, now=None, hubs=hubs)


@pytest.mark.parametrize(
    ("site", "carried", "expected"),
    [
        ("store-7", {"team": "a"}, True),
        ("store-7", {"team": "a", "more": "x"}, True),
        ("store-8", {"team": "a"}, False),
        ("store-7", {"team": "b"}, False),
        ("store-7", {}, False),
    ],
)
def test_a_scope_reaches_devices_by_site_and_labels(site, carried, expected):
    """Both limits hold."""
    scope = Scope(name="s", sites=("store-7",), labels={"team": "a"})
    assert authority.covers_device(scope, site, carried) is expected
