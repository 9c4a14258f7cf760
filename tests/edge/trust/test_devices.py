"""What devices and the hub may say, and what a token, a key or a hub cannot do."""

import msgspec
import pytest

from edge import sealing
from edge.documents import Scope
from edge.trust import Ledger, withheld
from edge.trust.devices import MEMBERS_MAX, device_id
from tests.support import builders as a
from tests.support.trials import reason, took

N1, N2 = a.Device("n1"), a.Device("n2")
OTHER_HUB = a.signing_key("other hub")


def fleet(*devices: a.Device, **changes) -> Ledger:
    """Return a ledger with trust, voucher v1 (site home) and members."""
    return a.ledger_of(a.enrolled(*devices), **changes)


def keys(device: a.Device, **changes):
    """Return a device's public keys with some exchanged."""
    return msgspec.structs.replace(device.keys, **changes)


def test_an_id_is_of_the_key():
    """The same key, the same id; another key, another one."""
    assert device_id(N1.sign.public) == N1.id != N2.id
    assert N1.id.startswith("d-")
    assert len(N1.id) == 26


# Joining


def test_the_chain_makes_a_member():
    """Root, operator, voucher, join key and the device's own."""
    assert reason(a.member(N1), fleet()) == "accepted"


@pytest.mark.parametrize(
    "signers",
    [(a.JOIN,), (N1.sign,), (a.HUB, N1.sign), (a.OPERATOR, N1.sign), (a.JOIN, N2.sign)],
)
def test_half_a_chain_does_not(signers):
    """The hub has no seed, and a seed alone speaks for no device."""
    assert reason(a.member(N1), fleet(), *signers) == "not-authorised"


def test_a_voucher_nobody_signed_opens_nothing():
    """A hub cannot make one up."""
    stray = a.member(N1, voucher="v2")
    assert reason(stray, fleet()) == "unknown-voucher"


def test_a_member_is_not_shown_without_its_voucher():
    """Known or not: who hides the voucher hides site, labels and window."""
    ledger = took(a.empty_ledger(), a.trusted())
    head = a.trust.Head(counter=(1,), digest=a.digest(a.member(N1)))
    ledger.heads[f"member/{N1.id}"] = head
    assert reason(a.member(N1), ledger) == "unknown-voucher"


def test_a_device_whose_voucher_was_damaged_is_still_itself():
    """Its disk lost one file; it must not lose its name with it."""
    ledger = took(a.empty_ledger(me=N1.id), a.trusted())
    assert reason(a.member(N1), ledger, now=None) == "accepted"
    other = msgspec.structs.replace(a.member(N1), device=N2.id)
    assert reason(other, ledger, now=None) == "wrong-device"


def test_one_vouchers_seed_does_not_open_anothers_site():
    """The document names the voucher whose key must sign."""
    ledger = took(fleet(), a.voucher("v2", site="vault"))
    assert (
        reason(a.member(N1, voucher="v2"), ledger, a.JOIN, N1.sign) == "not-authorised"
    )


def test_an_id_is_not_chosen():
    """Or a thief of a seed could take any device's streams."""
    taken = msgspec.structs.replace(a.member(N1), device=N2.id)
    assert reason(taken, fleet()) == "wrong-device"


def test_a_name_stays_with_its_first_key():
    """A valid token does not buy a name that is taken."""
    hijack = a.member(N2, name="n1")
    assert reason(hijack, fleet(N1), a.JOIN, N2.sign) == "name-taken"


def test_a_revoked_devices_name_stays_taken():
    """The next holder of a leaked token does not inherit it, restarted hub or not."""
    revoked = a.revocation(devices=(N1.id,))
    live = took(fleet(N1), revoked)
    restarted = took(took(fleet(), revoked), a.member(N1), now=None)
    for ledger in (live, restarted):
        assert reason(a.member(N2, name="n1"), ledger, a.JOIN, N2.sign) == "name-taken"


@pytest.mark.parametrize("use", ["seal", "mesh", "wireguard"])
def test_a_key_that_keeps_no_secret_is_refused(use):
    """Everyone could read what is sealed to the point of order one."""
    weak = keys(N1, **{use: sealing.to_text(b"\x01" + bytes(31))})
    assert reason(a.member(N1, keys=weak), fleet()) == "malformed"


@pytest.mark.parametrize("now", [a.NOW - 2 * a.DAY, a.NOW + a.DAY, a.NOW + 9 * a.DAY])
def test_the_hub_lets_nobody_in_outside_the_window(now):
    """Seconds: open is inside, closed is outside."""
    ledger = a.empty_ledger(floor=0.0)
    took(ledger, a.trusted(issued_at=0.0))
    took(ledger, a.voucher(issued_at=0.0))
    assert reason(a.member(N1), ledger, now=now) == "voucher-closed"
    assert reason(a.member(N1), ledger, now=a.NOW) == "accepted"


def test_others_cannot_know_when_a_device_joined():
    """A peer or edgectl may hear of it years later."""
    peer = fleet(counts_uses=False)
    assert reason(a.member(N1), peer, now=a.NOW + 999 * a.DAY) == "accepted"


def test_a_hub_in_1970_judges_windows_by_the_floor():
    """A dead battery does not reopen yesterday's token."""
    ledger = took(fleet(), a.revocation(issued_at=a.NOW + a.DAY))
    assert reason(a.member(N1), ledger, now=0.0) == "voucher-closed"


def used_up() -> Ledger:
    """Return a hub's ledger after a voucher for one device let n1 in."""
    ledger = took(took(a.empty_ledger(), a.trusted()), a.voucher(uses=1))
    return took(ledger, a.member(N1))


def test_a_token_is_good_for_so_many_devices():
    """The one that is in may come again."""
    assert reason(a.member(N2), used_up()) == "voucher-used-up"
    assert reason(a.member(N1), used_up()) == "known"
    assert reason(a.member(N1, 2), used_up()) == "accepted"


def test_revoking_a_device_gives_no_use_back():
    """Also not to a hub that restarts."""
    ledger = took(took(a.empty_ledger(), a.trusted()), a.voucher(uses=1))
    took(ledger, a.revocation(devices=(N1.id,)))
    took(ledger, a.member(N1), now=None)
    assert reason(a.member(N2), ledger) == "voucher-used-up"


# Growing older


def test_a_device_exchanges_its_keys_with_the_old_one():
    """N+1 is signed by N."""
    new = a.signing_key("new n1")
    rotated = a.member(N1, 2, keys=keys(N1, sign=new.public))
    ledger = fleet(N1)
    assert reason(rotated, ledger, new) == "not-authorised"
    assert reason(rotated, ledger, N1.sign) == "not-authorised"
    assert reason(rotated, ledger, N1.sign, new) == "accepted"


def test_the_join_key_exchanges_no_keys():
    """A leaked seed adds devices, it takes none over."""
    thief = a.signing_key("thief")
    stolen = a.member(N1, 2, keys=keys(N1, sign=thief.public))
    assert reason(stolen, fleet(N1), a.JOIN, thief) == "not-authorised"


def test_a_rotated_member_comes_again_as_known():
    """It has neither its first key nor the join key on it."""
    new = a.signing_key("new n1")
    rotated = a.member(N1, 2, keys=keys(N1, sign=new.public))
    ledger = took(fleet(N1), rotated, N1.sign, new)
    assert reason(rotated, ledger, N1.sign, new) == "known"
    assert (
        reason(rotated, took(fleet(), a.revocation()), N1.sign, new, now=None)
        == "accepted"
    )


def test_a_rotated_member_is_not_believed_from_nowhere():
    """Somebody who never saw the first one needs the chain."""
    new = a.signing_key("new n1")
    rotated = a.member(N1, 2, keys=keys(N1, sign=new.public))
    assert reason(rotated, fleet(), N1.sign, new, a.JOIN) == "wrong-device"


def test_a_device_keeps_its_name():
    """Others know it by it."""
    assert reason(a.member(N1, 2, name="n9"), fleet(N1), N1.sign) == "wrong-member"


def test_a_device_keeps_its_voucher():
    """It gave the site, and revoking it must still reach the device."""
    ledger = took(fleet(N1), a.voucher("v2", site="vault"))
    moved = a.member(N1, 2, voucher="v2")
    assert reason(moved, ledger, N1.sign) == "wrong-member"
    assert reason(moved, ledger, N1.sign, a.signing_key("join v2")) == "wrong-member"
    nowhere = a.member(N1, 2, voucher="nowhere")
    assert reason(nowhere, ledger, N1.sign) == "unknown-voucher"


# Revocation


def test_a_revoked_device_is_silent():
    """Every kind it signs, known or new."""
    ledger = took(fleet(N1), a.report(N1))
    took(ledger, a.certificate_request(N1))
    took(ledger, a.revocation(devices=(N1.id,)))
    for document in (
        a.member(N1),
        a.member(N1, 2),
        a.report(N1),
        a.report(N1, 2),
        a.certificate_request(N1),
        a.certificate_request(N1, 2),
    ):
        assert reason(document, ledger) == "revoked"


def test_revoking_a_voucher_reaches_everyone_it_let_in():
    """And everyone it would have."""
    ledger = took(fleet(N1), a.revocation(vouchers=("v1",)))
    assert reason(a.report(N1), ledger) == "revoked"
    assert reason(a.member(N2), ledger) == "revoked"


def test_nobody_joins_while_the_newest_revocation_is_hidden():
    """It may name the very device that speaks; what is known stays known."""
    ledger = fleet(N1)
    ledger.heads["revocation"] = a.trust.Head(counter=(1,), digest=a.INDEX)
    assert reason(a.member(N1, 2), ledger) == "rolled-back"
    assert reason(a.member(N2), ledger) == "rolled-back"
    assert reason(a.member(N1), ledger) == "known"


def test_revoking_binds_nobody_else():
    """A neighbour goes on."""
    ledger = took(fleet(N1, N2), a.revocation(devices=(N1.id,)))
    assert reason(a.report(N2), ledger) == "accepted"


# Reports and certificates


@pytest.mark.parametrize("key", [N2.sign, a.HUB, a.OPERATOR, a.JOIN])
def test_a_device_speaks_for_itself(key):
    """Nobody else reports for it or has its certificate renewed."""
    ledger = fleet(N1, N2)
    assert reason(a.report(N1), ledger, key) == "not-authorised"
    assert reason(a.certificate_request(N1), ledger, key) == "not-authorised"


def test_a_stolen_device_does_not_report_as_another():
    """Name and id belong together."""
    ledger = fleet(N1, N2)
    as_n1 = a.report(N2, node="n1")
    assert reason(as_n1, ledger, N2.sign) == "unknown-device"
    stolen = msgspec.structs.replace(a.report(N2), device=N1.id)
    assert reason(stolen, ledger, N2.sign) == "unknown-device"


def test_who_is_no_member_is_unknown():
    """A hub cannot plant a report either."""
    assert reason(a.report(N1), fleet()) == "unknown-device"
    assert reason(a.certificate_request(N1), fleet()) == "unknown-device"


def viewer(serial=1):
    """Return a request for a dashboard's certificate."""
    return msgspec.structs.replace(
        a.certificate_request(N1, serial), subject="view.wall"
    )


def test_a_viewer_is_let_in_by_an_operator():
    """Not by a device, and not by an operator of one site: it sees them all."""
    seven = a.operator("seven", scope=Scope(name="seven", sites=("home",)))
    ledger = took(fleet(N1), a.trusted(2, operators=(a.operator(), seven)))
    assert reason(viewer(), ledger, N1.sign) == "not-authorised"
    assert reason(viewer(), ledger, a.signing_key("seven")) == "out-of-scope"
    assert reason(viewer(), ledger, a.OPERATOR) == "accepted"


def test_a_removed_operator_gets_no_viewer_again():
    """The answer to a known request is a fresh certificate, so it is judged afresh."""
    ledger = took(fleet(N1), viewer(), a.OPERATOR)
    assert reason(viewer(), ledger, a.OPERATOR) == "known"
    took(ledger, a.trusted(2, operators=(a.operator("new"),)))
    assert reason(viewer(), ledger, a.OPERATOR) == "not-authorised"


# The hub


def test_the_hub_assigns():
    """And says that it is fresh."""
    assert reason(a.assignment(N1), fleet(N1)) == "accepted"
    assert reason(a.beacon(), fleet(N1)) == "accepted"


@pytest.mark.parametrize("key", [a.OPERATOR, a.ROOT, N1.sign, OTHER_HUB])
def test_nobody_else_does(key):
    """An operator says what may run, not where."""
    assert reason(a.assignment(N1), fleet(N1), key) == "not-authorised"
    assert reason(a.beacon(), fleet(N1), key) == "not-authorised"


def test_a_device_takes_only_its_own_assignment():
    """By id, and by the name that goes with it."""
    device = fleet(N1, N2, me=N1.id)
    assert reason(a.assignment(N2), device) == "wrong-recipient"
    assert reason(a.assignment(N1, node="n2"), device) == "wrong-recipient"
    assert reason(a.assignment(N1), device) == "accepted"


@pytest.mark.parametrize("generation", [1, 3])
def test_only_roots_generation_counts(generation):
    """A hub restored from a backup, or one that promotes itself."""
    ledger = took(fleet(N1), a.trusted(2, generation=2))
    assert reason(a.assignment(N1, generation=generation), ledger) == "wrong-generation"
    assert reason(a.beacon(generation=generation), ledger) == "wrong-generation"
    assert reason(a.assignment(N1, generation=2), ledger) == "accepted"


def test_a_new_hub_does_not_make_a_device_forget():
    """Power cut between the new trust and the new hub's first assignment."""
    new_hub = a.trusted(2, generation=2, hubs=(a.hub_site(key=OTHER_HUB.public),))
    ledger = took(took(fleet(N1, me=N1.id), a.assignment(N1)), new_hub)
    assert reason(a.assignment(N1), ledger) == "known"
    assert reason(a.assignment(N1, 2), ledger) == "not-authorised"
    restarted = took(fleet(N1, me=N1.id), new_hub)
    assert reason(a.assignment(N1), restarted, now=None) == "accepted"
    assert reason(a.assignment(N1), restarted, a.STRANGER, now=None) == "not-authorised"


@pytest.mark.parametrize("key", [a.OPERATOR, a.ROOT, N1.sign, OTHER_HUB])
def test_nobody_but_the_hub_plans(key):
    """Not even the operator: where things are is the hub's word."""
    assert reason(a.plan(N1), fleet(N1), key) == "not-authorised"


def test_a_device_takes_the_plan_of_its_own_site():
    """And keeps one read back from its disk, wherever it is now."""
    device = fleet(N1, me=N1.id)
    away = a.plan(N1, site="vault")
    assert reason(a.plan(N1), device) == "accepted"
    assert reason(away, device) == "wrong-recipient"
    assert reason(away, device, now=None) == "accepted"
    assert reason(away, fleet(N1)) == "accepted"


def test_a_plan_counts_in_roots_generation_and_never_goes_back():
    """Like everything a hub says."""
    ledger = took(fleet(N1), a.plan(N1, seq=2))
    assert reason(a.plan(N1, seq=3, generation=2), ledger) == "wrong-generation"
    assert reason(a.plan(N1, seq=1), ledger) == "rolled-back"
    assert reason(a.plan(seq=2), ledger) == "conflict"
    assert reason(a.plan(N1, seq=3), ledger) == "accepted"


def test_a_plan_names_each_device_and_slot_once():
    """Two holders of one slot would be two answers."""
    slot = a.plan_slot("web/web.1", N1)
    again = a.plan_slot("web/web.1", N2)
    assert reason(a.plan(N1, N1), fleet(N1)) == "malformed"
    assert reason(a.plan(N1, slots=(slot, again)), fleet(N1)) == "malformed"


def test_a_device_checks_its_neighbours_like_the_hub():
    """The chain, the name, and who is out."""
    device = fleet(N1, me=N1.id)
    assert reason(a.member(N2), device) == "accepted"
    assert reason(a.member(N2), device, a.JOIN) == "not-authorised"
    assert reason(a.member(N2, name="n1"), device, a.JOIN, N2.sign) == "name-taken"
    out = took(device, a.revocation(devices=(N2.id,)))
    assert reason(a.member(N2), out) == "revoked"


def test_a_device_remembers_no_whole_fleet():
    """Whoever has a voucher's key could fill its disk with members."""
    device = fleet(N1, me=N1.id)
    crowd = {f"d-{n}": device.members[N1.id] for n in range(MEMBERS_MAX)}
    device.members.update(crowd)
    assert reason(a.member(N2), device) == "out-of-limits"
    assert reason(a.member(N1, 2), device) == "accepted"


def test_two_hubs_may_have_to_agree():
    """Root's threshold counts distinct keys."""
    hubs = (a.hub_site(), a.hub_site(key=OTHER_HUB.public))
    ledger = took(fleet(N1), a.trusted(2, hubs=hubs, hub_threshold=2))
    assert reason(a.beacon(), ledger, a.HUB, a.HUB) == "not-authorised"
    assert reason(a.beacon(), ledger, a.HUB, OTHER_HUB) == "accepted"


def test_without_trust_there_is_no_hub():
    """Nothing is believed before root spoke."""
    assert reason(a.beacon(), a.empty_ledger()) == "not-authorised"


def test_a_hub_dated_2100_moves_nothing():
    """Its clock is shown, never believed."""
    ledger = took(fleet(N1), a.beacon(at=4.1e9))
    assert ledger.floor == a.NOW


def test_a_minted_member_gets_no_secrets():
    """The chain alone, by a leaked seed, is not enough."""
    refused = withheld(fleet(N1), "web/token", N1.id)
    assert refused is not None
    assert refused.reason == "wrong-member"
