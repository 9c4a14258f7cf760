"""What is remembered of what was accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.documents import KeySet
from edge.trust import Head, Ledger
from edge.trust.ledger import fingerprint
from tests.support import builders as a
from tests.support.trials import took

N1, N2 = a.Device("n1"), a.Device("n2")


def book(*envelopes: bytes, **changes) -> Ledger:
    """Return a ledger with n1 enrolled."""
    return a.ledger_of((*a.enrolled(N1), *envelopes), **changes)


def test_the_newest_of_a_stream_is_its_head():
    """Counter and digest."""
    ledger = book(a.signed(a.deployment()), a.signed(a.deployment("web", 2)))
    assert ledger.head("deployment/web") == Head(
        counter=(2,), digest=a.digest(a.deployment("web", 2))
    )
    assert ledger.head("deployment/db") is None


def test_a_tombstone_ends_a_deployment_and_keeps_its_place():
    """Nothing runs, and nothing older begins again."""
    ledger = book(a.signed(a.deployment()), a.signed(a.tombstone()))
    assert "web" not in ledger.deployments
    head = ledger.head("deployment/web")
    assert head is not None
    assert head.counter == (2,)


def test_an_owner_is_whoever_signed_last_for_the_name():
    """Nobody before, the scope afterwards; a floor owns nothing."""
    ledger = book()
    ledger.heads["deployment/db"] = Head(counter=(3,), digest="")
    assert ledger.owner("deployment/web") is None
    assert ledger.owner("deployment/db") is None
    took(ledger, a.deployment())
    assert ledger.owner("deployment/web") == ""
    took(ledger, a.deployment("web", 2, scope="seven"))
    assert ledger.owner("deployment/web") == "seven"


def test_members_are_found_by_name():
    """Which device carries it."""
    found = book().member_named("n1")
    assert found is not None
    assert found.member == a.member(N1)
    assert book().member_named("n2") is None


def test_a_device_is_revoked_by_id_or_by_its_voucher():
    """One the ledger never heard of too."""
    assert not book().is_revoked(N1.id)
    ledger = took(book(), a.revocation(devices=(N2.id,)))
    assert ledger.is_revoked(N2.id)
    assert not ledger.is_revoked(N1.id)
    assert took(book(), a.revocation(vouchers=("v1",))).is_revoked(N1.id)


def test_uses_are_counted_by_device():
    """A second version of the same member is no second use."""
    assert took(book(), a.member(N1, 2)).uses == {"v1": {N1.id}}


def test_everyone_who_was_ever_an_operator_or_hub_is_remembered():
    """What they signed is read back after they left."""
    ledger = book()
    new = a.hub_site(key=a.STRANGER.public)
    took(ledger, a.trusted(2, operators=(a.operator("new"),), hubs=(new,)))
    assert set(ledger.operators) == {a.OPERATOR.public, a.signing_key("new").public}
    assert ledger.hubs == {a.HUB.public, a.STRANGER.public}


def test_secrets_are_known_by_name_and_recipient():
    """And by version."""
    ledger = took(book(), a.secret("web/token", N1, version=4))
    assert ledger.secrets == {"web/token": {N1.id: 4}}


def test_nodes_and_vouchers_are_known_by_id():
    """The newest of each."""
    ledger = took(took(book(), a.node(N1)), a.node(N1, 2, scheduling="drained"))
    assert ledger.nodes[N1.id].scheduling == "drained"
    assert ledger.vouchers["v1"] == a.voucher()


@pytest.mark.parametrize("late", [1.0, 5.0])
def test_the_floor_rises_with_what_operators_sign(late):
    """And never falls: a later document may have been signed by a slower clock."""
    ledger = took(book(), a.deployment(issued_at=a.NOW + late))
    took(ledger, a.deployment("web", 2, issued_at=a.NOW - 9))
    assert ledger.floor == a.NOW + late


def test_machines_do_not_move_the_floor():
    """Neither the hub's clock nor a device's."""
    ledger = took(book(), a.beacon(at=9e9))
    took(ledger, a.report(N1, replicas=(a.status("web/web.1", since=9e9),)))
    took(ledger, a.assignment(N1))
    assert ledger.floor == a.NOW


@given(st.lists(st.sampled_from([a.ROOT, a.HUB, a.JOIN]), min_size=1, unique=True))
def test_a_fingerprint_is_of_the_whole_key_set(keys):
    """Keys, their order and the threshold."""
    public = tuple(each.public for each in keys)
    print_of = fingerprint(KeySet(keys=public))
    assert print_of == fingerprint(KeySet(keys=public, threshold=1))
    assert print_of != fingerprint(KeySet(keys=public, threshold=2))
    assert print_of != fingerprint(KeySet(keys=(*public, a.STRANGER.public)))


def test_a_device_remembers_the_hubs_newest_word():
    """Its own assignment, and when the hub last said that it is fresh."""
    device = book(a.signed(a.assignment(N1)), a.signed(a.beacon()), me=N1.id)
    assert device.assignment == a.assignment(N1)
    assert device.beacon == a.beacon()


def test_a_devices_plan_is_that_of_the_site_it_is_at():
    """Its node document outranks its voucher, and it may have moved."""
    ledger = book(me=N1.id)
    assert (ledger.site_of(N1.id), ledger.site_of("x")) == ("home", "")
    here = a.plan(N1)
    assert took(ledger, here).plan == here
    took(ledger, a.node(N1, site="vault"))
    assert ledger.plans == {"home": here}
    assert (ledger.site_of(N1.id), book(me=N1.id).plan) == ("vault", None)


def test_the_newest_voters_of_a_site_are_known():
    """By its name."""
    assert took(book(), a.voters(N1)).voters == {"home": a.voters(N1)}


def test_others_remember_no_assignment():
    """A hub signs one for each device."""
    assert book(a.signed(a.assignment(N1))).assignment is None


def test_a_ledger_can_become_what_the_disk_holds():
    """After a write that failed, without anyone having to hold another object."""
    ledger, disk = book(a.signed(a.deployment())), book()
    before = ledger.revision
    ledger.take_over(disk)
    assert ledger == disk
    assert ledger.revision > before, "what was computed from it holds no more"


@pytest.mark.parametrize(
    "stream", ["trust", "revocation", f"member/{N1.id}", f"node/{N1.id}"]
)
def test_what_decides_who_is_trusted_is_missed_when_it_is_hidden(stream):
    """By its remembered counter, whether something older is at hand or nothing."""
    for ledger in (book(a.signed(a.node(N1)), a.signed(a.revocation())), book()):
        held = ledger.head(stream)
        assert not ledger.is_hidden(stream)
        counter = (held.counter[0] + 1,) if held else (1,)
        ledger.heads[stream] = Head(counter=counter, digest=a.INDEX)
        assert ledger.is_hidden(stream)


def test_a_floor_hides_nothing_and_the_rest_is_whole_by_itself():
    """A join file's number, and streams where each version says everything."""
    ledger = book()
    ledger.heads["revocation"] = Head(counter=(9,), digest="")
    ledger.heads["deployment/web"] = Head(counter=(9,), digest=a.INDEX)
    assert not ledger.is_hidden("revocation")
    assert not ledger.is_hidden("deployment/web")
    assert not ledger.is_hidden("nothing/at-all")
