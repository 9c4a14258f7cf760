"""What operators may say, and what a scope keeps them from."""

import pytest

from edge.documents import Scope
from edge.trust import Ledger
from tests.support import builders as a
from tests.support.trials import judged, reason, took

N1, N2 = a.Device("n1"), a.Device("n2")
SEVEN, EIGHT = a.signing_key("seven"), a.signing_key("eight")
GONE = a.signing_key("gone")
TEAM = a.signing_key("team")
OPERATORS = (
    a.operator(),
    a.operator("seven", scope=Scope(name="seven", sites=("store-7",))),
    a.operator("eight", scope=Scope(name="eight", sites=("store-8",))),
    a.operator("team", scope=Scope(name="team", labels={"team": "a"})),
    a.operator("gone", expires_at=a.NOW - 1),
)
AT_7 = a.voucher("v7", site="store-7", labels={"team": "a"})
AT_8 = a.voucher("v8", site="store-8")


def fleet(*envelopes: bytes, **changes) -> Ledger:
    """Return a hub's ledger: five operators, n1 at store-7, n2 at store-8."""
    whole = (
        a.signed(a.trusted(operators=OPERATORS)),
        a.signed(AT_7),
        a.signed(AT_8),
        a.signed(a.member(N1, voucher="v7")),
        a.signed(a.member(N2, voucher="v8")),
        *envelopes,
    )
    return a.ledger_of(whole, **changes)


def limited(version=1, site="store-7", **changes):
    """Return a deployment that stays at one site."""
    return a.deployment(
        "web", version, workloads=(a.workload("web", sites=(site,)),), **changes
    )


def node(device, version=1, **changes):
    """Return an approval of a device that came by the voucher of its site."""
    voucher = "v7" if device == N1 else "v8"
    member = a.digest(a.member(device, voucher=voucher))
    site = "store-7" if device == N1 else "store-8"
    labels = {"team": "a"} if device == N1 else {}
    return a.node(
        device, version, **{"member": member, "site": site, "labels": labels, **changes}
    )


EACH = [
    a.deployment(),
    a.tombstone(),
    a.voucher(),
    a.revocation(),
    node(N1),
    a.secret("web/t", N1),
]
ids = [type(each).__name__ for each in EACH]


@pytest.mark.parametrize("document", EACH, ids=ids)
def test_an_operator_may_say_it(document):
    """The one without a scope."""
    assert reason(document, fleet()) == "accepted"


@pytest.mark.parametrize("document", EACH, ids=ids)
@pytest.mark.parametrize("key", [a.HUB, a.ROOT, a.JOIN, N1.sign, a.STRANGER])
def test_nobody_else_may(document, key):
    """Not the hub, not root itself, not a join key, not a device, not a stranger."""
    assert reason(document, fleet(), key) == "not-authorised"


@pytest.mark.parametrize("document", EACH, ids=ids)
def test_an_expired_operator_may_not(document):
    """Nor may one who dates the document back: the clock counts."""
    assert reason(document, fleet(), GONE) == "expired"


@pytest.mark.parametrize("document", EACH, ids=ids)
def test_a_removed_operator_may_not(document):
    """Even an old ledger that knew the key does not let it speak anew."""
    ledger = took(fleet(), a.trusted(2, operators=(a.operator("seven"),)))
    assert reason(document, ledger, a.OPERATOR) == "not-authorised"


@pytest.mark.parametrize("document", EACH, ids=ids)
def test_what_a_removed_operator_said_stays(document):
    """It is known when it comes again, and survives a restart."""
    ledger = took(fleet(), document)
    took(ledger, a.trusted(2, operators=(a.operator("seven"),)))
    assert reason(document, ledger) == "known"
    again = took(fleet(), a.trusted(2, operators=(a.operator("seven"),)))
    assert reason(document, again, now=None) == "accepted"


def test_nothing_is_signed_after_its_key_expired():
    """The signer's own clock said so; a device in 1970 sees it too."""
    late = a.deployment(issued_at=a.NOW + 400 * a.DAY)
    device = fleet(me=N1.id)
    assert reason(late, device, now=0.0) == "expired"
    assert device.floor == a.NOW


# Deployments and their names


def test_a_scope_deploys_inside_itself():
    """Under its own name."""
    assert reason(limited(scope="seven"), fleet(), SEVEN) == "accepted"


@pytest.mark.parametrize(
    "document",
    [
        limited(site="store-8", scope="seven"),
        a.deployment(scope="seven"),
        a.deployment(
            workloads=(a.workload("web", sites=("store-7", "store-8")),), scope="seven"
        ),
        a.deployment(
            workloads=(a.workload("web", sites=("store-7",)), a.workload("more")),
            scope="seven",
        ),
        limited(),
        limited(scope="eight"),
    ],
)
def test_a_scope_does_not_reach_beyond(document):
    """Another site, every site, one workload too many, another's name, no name."""
    assert reason(document, fleet(), SEVEN) == "out-of-scope"


def test_two_scopes_do_not_add_up():
    """Each reaches half of it, so nobody reaches all of it."""
    both = a.deployment(
        workloads=(
            a.workload("x", sites=("store-7",)),
            a.workload("y", sites=("store-8",)),
        ),
        scope="seven",
    )
    assert reason(both, fleet(), SEVEN, EIGHT) == "out-of-scope"


@pytest.mark.parametrize("scope", ["", "eight"])
def test_a_name_stays_with_its_scope(scope):
    """What the fleet's or another's operator began is not taken over."""
    owned = limited(site="store-8", scope=scope)
    ledger = took(fleet(), owned, a.OPERATOR)
    assert reason(limited(2, scope="seven"), ledger, SEVEN) == "out-of-scope"
    assert reason(a.tombstone(scope="seven"), ledger, SEVEN) == "out-of-scope"


def test_a_name_stays_with_its_scope_after_the_end():
    """A tombstone does not set it free."""
    ledger = took(fleet(), limited(site="store-8", scope="eight"), EIGHT)
    took(ledger, a.tombstone(scope="eight"), EIGHT)
    assert reason(limited(3, scope="seven"), ledger, SEVEN) == "out-of-scope"
    assert (
        reason(limited(3, site="store-8", scope="eight"), ledger, EIGHT) == "accepted"
    )


def test_the_fleets_operator_may_hand_a_name_over():
    """By signing as the new owner."""
    ledger = took(fleet(), limited(scope="eight"), a.OPERATOR)
    took(ledger, limited(2, scope="seven"), a.OPERATOR)
    assert reason(limited(3, scope="seven"), ledger, SEVEN) == "accepted"


def test_a_join_files_floor_owns_no_name():
    """It says how low not to go, not whose it is."""
    ledger = fleet()
    ledger.heads["deployment/web"] = a.trust.Head(counter=(4,), digest="")
    assert reason(limited(4, scope="seven"), ledger, SEVEN) == "conflict"
    assert reason(limited(5, scope="seven"), ledger, SEVEN) == "accepted"


def test_a_label_scope_demands_its_label():
    """By require, or by every."""
    ledger = fleet()
    inside = a.deployment(workloads=(a.workload(every="team=a"),), scope="team")
    outside = a.deployment(workloads=(a.workload(every="team=b"),), scope="team")
    assert reason(outside, ledger, TEAM) == "out-of-scope"
    assert reason(inside, ledger, TEAM) == "accepted"


def test_two_workloads_of_one_name_are_refused():
    """Their slots would be the same."""
    twice = a.deployment(workloads=(a.workload(), a.workload()))
    assert reason(twice, fleet()) == "malformed"


def test_two_of_two_must_both_reach():
    """A second signature from elsewhere is no second opinion."""
    ledger = took(fleet(), a.trusted(2, operators=OPERATORS, operator_threshold=2))
    assert reason(a.deployment(), ledger) == "not-authorised"
    assert reason(a.deployment(), ledger, a.OPERATOR, SEVEN) == "out-of-scope"
    inside = limited(scope="seven")
    assert reason(inside, ledger, a.OPERATOR, SEVEN) == "accepted"
    assert reason(inside, ledger, EIGHT, SEVEN) == "out-of-scope"


# Devices


def test_a_scope_approves_its_own_devices():
    """With the labels and at the site it has."""
    assert reason(node(N1, scope="seven"), fleet(), SEVEN) == "accepted"
    assert reason(node(N1, scope="team"), fleet(), TEAM) == "accepted"


@pytest.mark.parametrize(
    "document",
    [
        node(N2, site="store-7", scope="seven"),
        node(N1, site="store-8", scope="seven"),
        node(N2, scope="seven"),
        node(N1),
        node(N1, scope="eight"),
    ],
)
def test_a_scope_pulls_no_device_over_and_pushes_none_out(document):
    """It must reach the device as it stands and as it would be, in its own name."""
    assert reason(document, fleet(), SEVEN) == "out-of-scope"


def test_a_scope_cannot_follow_a_device_that_was_moved():
    """The newest node document says where it stands, not the voucher it came by."""
    ledger = took(fleet(), node(N1, site="store-8"))
    assert reason(node(N1, 2, scope="seven"), ledger, SEVEN) == "out-of-scope"


def test_a_label_scope_cannot_label_itself_in():
    """Writing the label on a foreign device is how one would take it."""
    foreign = node(N2, labels={"team": "a"}, scope="team")
    assert reason(foreign, fleet(), TEAM) == "out-of-scope"


def test_a_device_nobody_knows_is_approved_by_nobody():
    """A scope has no say before the chain is known, the fleet's operator must wait."""
    ghost = a.node(a.Device("ghost"))
    assert reason(ghost, fleet()) == "unknown-device"
    assert (
        reason(a.node(a.Device("ghost"), scope="seven", site="store-7"), fleet(), SEVEN)
        == "out-of-scope"
    )


@pytest.mark.parametrize("changes", [{"member": a.INDEX}, {"name": "n9"}])
def test_an_approval_is_for_exactly_these_keys(changes):
    """By the member's digest and name."""
    assert reason(node(N1, **changes), fleet()) == "wrong-member"


def test_an_approval_outlives_the_members_next_version():
    """After a restart, and when it comes again: it was right when it was made."""
    ledger = took(fleet(), node(N1))
    took(ledger, a.member(N1, 2, voucher="v7"))
    assert reason(node(N1), ledger) == "known"
    book = took(fleet(), a.member(N1, 2, voucher="v7"))
    assert reason(node(N1), book, now=None) == "accepted"


def test_a_device_takes_approvals_of_itself_and_of_members_it_knows():
    """What its neighbours may run decides who takes over."""
    device = fleet(me=N1.id)
    assert reason(node(N1), device) == "accepted"
    assert reason(node(N2), device) == "accepted"
    stranger = a.Device("n3")
    assert reason(node(stranger, site="store-7"), device) == "unknown-device"
    assert reason(node(N2, member=a.INDEX), device) == "wrong-member"


def test_a_device_judges_a_neighbours_newest_approval_by_what_it_says():
    """It never saw that an operator of all sites moved the neighbour to this one."""
    moved = node(N2, 2, site="store-7", scope="seven")
    assert reason(moved, fleet(me=N1.id), SEVEN) == "accepted"
    assert reason(moved, fleet(me=N2.id), SEVEN) == "out-of-scope"
    assert reason(moved, fleet(), SEVEN) == "out-of-scope"
    assert reason(node(N2, scope="seven"), fleet(me=N1.id), SEVEN) == "out-of-scope"


def test_a_neighbours_approval_may_be_of_keys_it_had_before():
    """The chain of its members says that it is the same device."""
    ledger = took(fleet(me=N1.id), a.member(N2, 2, voucher="v8"))
    assert reason(node(N2), ledger) == "accepted"


# Voters


def at_7(*devices, version=1, **changes):
    """Return the voters of store-7."""
    return a.voters(*devices, version=version, site="store-7", **changes)


def test_whoever_deploys_a_name_controls_its_rollout():
    """And nobody else does: a scope holds what it deployed, the hub nothing."""
    ledger = fleet(a.signed(limited(scope="seven"), SEVEN))
    word = a.control(scope="seven")
    assert reason(word, ledger, SEVEN) == "accepted"
    assert reason(a.control(scope="eight"), ledger, EIGHT) == "out-of-scope"
    assert reason(word, ledger, a.HUB) == "not-authorised"


def test_a_scope_names_the_voters_of_its_sites():
    """Leases there are its own business."""
    mine = at_7(N1, scope="seven")
    assert reason(mine, fleet(), SEVEN) == "accepted"
    assert reason(mine, fleet(), EIGHT) == "out-of-scope"
    assert reason(at_7(N1), fleet(), SEVEN) == "out-of-scope"
    assert reason(at_7(N1, scope="team"), fleet(), TEAM) == "out-of-scope"


def test_one_voter_changes_at_a_time():
    """Any majority of one version meets any majority of the next."""
    ledger = took(fleet(), at_7(N1, N2))
    third = a.Device("n3")
    assert reason(at_7(N1, N2, third, version=2), ledger) == "accepted"
    assert reason(at_7(N1, version=2), ledger) == "accepted"
    assert reason(at_7(N2, N1, version=2), ledger) == "accepted"
    assert reason(at_7(N1, third, version=2), ledger) == "out-of-limits"
    assert reason(at_7(N1, N1, version=2), ledger) == "malformed"


def test_whoever_missed_versions_counts_their_changes_too():
    """Or a device that was away could never take up the newest."""
    ledger = took(fleet(), at_7(N1, N2))
    third, fourth = a.Device("n3"), a.Device("n4")
    assert reason(at_7(N1, third, version=3), ledger) == "accepted"
    assert reason(at_7(third, fourth, version=3), ledger) == "out-of-limits"
    assert reason(at_7(third, fourth, version=5), ledger) == "accepted"


def test_a_device_takes_the_voters_of_its_own_site():
    """And reads its own disk back whatever happened since."""
    assert reason(at_7(N1), fleet(me=N1.id)) == "accepted"
    elsewhere = fleet(me=N2.id)
    assert reason(at_7(N1), elsewhere) == "wrong-recipient"
    assert reason(at_7(N1), elsewhere, now=None) == "accepted"


def test_voters_that_were_damaged_here_are_replaced_by_any_later_ones():
    """What the damaged ones said is not known; the counter is."""
    ledger = fleet()
    head = a.trust.Head(counter=(2,), digest=a.digest(at_7(N1, version=2)))
    ledger.heads["voters/store-7"] = head
    assert ledger.is_hidden("voters/store-7")
    assert reason(at_7(N1, version=2), ledger) == "known"
    assert reason(at_7(N2, version=1), ledger) == "rolled-back"
    assert reason(at_7(N1, N2, version=3), ledger) == "accepted"


@pytest.mark.parametrize(
    "label", [("fact.arch", "arm64"), ("", "x"), ("a", "x\ny"), ("A", "b")]
)
def test_operators_give_no_labels_that_look_like_facts(label):
    """Facts are the device's own word and never select secrets."""
    labels = dict([label])
    assert reason(node(N1, labels=labels), fleet()) == "malformed"
    assert reason(a.voucher(labels=labels), fleet()) == "malformed"


# Vouchers


def test_a_scope_vouches_inside_itself():
    """For its site and with its labels, in its own name."""
    ledger = fleet()
    for beyond in (
        a.voucher(site="store-8", scope="seven"),
        a.voucher(site="store-7"),
        a.voucher(site="store-7", scope="eight"),
    ):
        assert reason(beyond, ledger, SEVEN) == "out-of-scope"
    assert reason(a.voucher(scope="team"), ledger, TEAM) == "out-of-scope"
    inside = a.voucher(site="store-7", scope="seven")
    assert reason(inside, ledger, SEVEN) == "accepted"
    labelled = a.voucher("v2", labels={"team": "a"}, scope="team")
    assert reason(labelled, ledger, TEAM) == "accepted"


def test_a_voucher_must_be_open_for_a_while():
    """A window that ends before it begins was meant otherwise."""
    assert reason(a.voucher(opens_at=5.0, closes_at=5.0), fleet()) == "malformed"


def test_a_voucher_never_changes():
    """One id, one content."""
    ledger = took(fleet(), a.voucher())
    assert reason(a.voucher(uses=9), ledger) == "conflict"


# Revocations


def test_only_the_fleets_operator_revokes():
    """A scope could shut out its neighbours' devices otherwise."""
    assert reason(a.revocation(), fleet(), SEVEN) == "out-of-scope"


@pytest.mark.parametrize(
    "later", [{}, {"devices": ("d-2",)}, {"devices": ("d-1",)}, {"vouchers": ("v1",)}]
)
def test_a_revocation_forgets_nobody(later):
    """Each version holds all of the one before."""
    ledger = took(fleet(), a.revocation(devices=("d-1",), vouchers=("v1",)))
    assert reason(a.revocation(2, **later), ledger) == "rolled-back"


def test_a_revocation_grows():
    """And an older one is simply old."""
    first = a.revocation(devices=("d-1",))
    ledger = took(fleet(), a.revocation(2, devices=("d-1", "d-2"), vouchers=("v1",)))
    assert reason(first, ledger) == "rolled-back"
    more = a.revocation(3, devices=("d-1", "d-2", "d-3"), vouchers=("v1",))
    assert reason(more, ledger) == "accepted"


# Secrets


def secret(name="web/token", device=N1, version=1, scope=""):
    """Return a secret in the name of a scope."""
    made = a.secret(name, device, version=version)
    return a.msgspec.structs.replace(made, scope=scope)


def test_a_scope_seals_for_its_own_deployments():
    """And for one that is not known yet: order of arrival must not matter."""
    ledger = took(fleet(), limited(scope="seven"), SEVEN)
    assert reason(secret(scope="seven"), ledger, SEVEN) == "accepted"
    assert reason(secret(scope="seven"), fleet(), SEVEN) == "accepted"


@pytest.mark.parametrize("owner", ["", "eight"])
@pytest.mark.parametrize("said", ["", "seven", "eight"])
def test_a_scope_puts_no_secret_into_anothers_deployment(owner, said):
    """Whatever name it writes on it."""
    deployment = limited(site="store-8", scope=owner)
    ledger = took(fleet(), deployment, a.OPERATOR)
    assert reason(secret(scope=said), ledger, SEVEN) == "out-of-scope"


def test_a_scope_replaces_no_secret_of_another():
    """Also where the deployment is not known yet."""
    ledger = took(fleet(), secret(scope="eight"), EIGHT)
    assert reason(secret(version=2, scope="seven"), ledger, SEVEN) == "out-of-scope"


def test_a_device_takes_only_secrets_sealed_to_it():
    """Others would be ciphertext to it, and a record of who runs what."""
    assert reason(secret(device=N2), fleet(me=N1.id)) == "wrong-recipient"
    assert reason(secret(), fleet(me=N1.id)) == "accepted"


def test_refusals_say_what_to_do():
    """At 3 a.m. the sentence is all there is."""
    verdict = judged(limited(site="store-8", scope="seven"), fleet(), SEVEN)
    assert "'web'" in getattr(verdict, "problem", "")
