"""Who votes for a site: what is chosen by itself, and what an operator may change."""

import pytest

from edge.ctl import voters
from edge.ctl.voters import Wish
from edge.errors import ConfigError
from tests.support import builders as a
from tests.support.trials import reason

DEVICES = tuple(a.Device(f"n{number}") for number in range(1, 8))
N1, N2, N3, N4 = DEVICES[:4]
NAMES = {each.name: each.id for each in DEVICES}


def fleet(*devices, approve=False):
    """Return a ledger of devices at site ``home``."""
    members = (a.signed(a.member(each)) for each in devices)
    voucher = a.signed(a.voucher(uses=100, approve=approve))
    return a.ledger_of((a.signed(a.trusted()), voucher, *members))


def members(count):
    """Return that many approved devices."""
    return voters.members(fleet(*DEVICES[:count]), "home")


def ids(*devices):
    """Return the ids of devices."""
    return tuple(each.id for each in devices)


def chosen(before, found=4, **wish):
    """Return what an operator's wish makes of the voters before."""
    return voters.chosen(before, Wish(**wish), "home", members(found), NAMES)


def test_all_devices_of_a_small_site_vote_at_first():
    """Each of them is likely to be there when another is lost."""
    assert voters.initial(members(3)) == ids(N1, N2, N3)


def test_a_site_without_devices_has_no_voters():
    """There is nothing to sign."""
    assert voters.initial(()) == ()


def test_the_first_five_by_name_vote_at_a_larger_site():
    """Two may be lost, and a renewal does not ask the whole site."""
    assert voters.initial(reversed(members(7))) == ids(*DEVICES[:5])


def test_a_device_that_waits_for_approval_has_no_vote():
    """Whoever holds a leaked token would win a majority by enrolling often."""
    waiting = fleet(N1, N2, approve=True)
    assert voters.members(waiting, "home") == ()
    waiting.nodes[N1.id] = a.node(N1)
    assert [each.name for each in voters.members(waiting, "home")] == ["n1"]


def test_a_device_of_another_site_is_no_member():
    """Its grants would not arrive when the uplink is cut."""
    assert voters.members(fleet(N1), "elsewhere") == ()


def test_a_first_version_may_name_any_devices():
    """Nothing was promised before it."""
    assert chosen(None, named=("n3", "n1")) == ids(N1, N3)


def test_a_voter_is_added_and_removed_by_name():
    """One change each, which is what every device accepts."""
    before = a.voters(N1, N2, N3)
    more = chosen(before, added="n4")
    assert more == ids(N1, N2, N3, N4)
    after = a.voters(N1, N2, N3, N4, version=2)
    assert chosen(after, removed="n2") == ids(N1, N3, N4)


def test_what_is_chosen_is_what_everybody_accepts():
    """The refusal here is for the sentence; the gate is the one of the devices."""
    ledger = fleet(*DEVICES[:4])
    ledger.voters["home"] = a.voters(N1, N2, N3)
    made = a.voters(N1, N2, N3, N4, version=2)
    assert reason(made, ledger) == "accepted"


def test_two_changes_at_once_are_refused_with_the_names():
    """Two majorities might not meet."""
    with pytest.raises(ConfigError, match=r"change 2 voters at once \(n3, n4\)"):
        chosen(a.voters(N1, N2, N3), named=("n1", "n2", "n4"))


def test_a_stranger_gets_no_vote():
    """It is no approved device of the site."""
    with pytest.raises(ConfigError, match="'n9' vote: no approved device of home"):
        chosen(None, named=("n1", "n9"))


def test_a_voter_does_not_vote_twice():
    """It would count as two."""
    with pytest.raises(ConfigError, match="votes already"):
        chosen(a.voters(N1, N2), added="n2")


def test_the_last_voter_stays():
    """A site without voters would run nothing that is strict, without a word."""
    with pytest.raises(ConfigError, match="the last one of home"):
        chosen(a.voters(N1), removed="n1")


def test_a_device_that_is_gone_can_leave_the_voters():
    """A revoked one is no member any more, and must not keep its vote for ever."""
    assert chosen(a.voters(N1, N2, N4), found=2, removed="n4") == ids(N1, N2)


def test_nobody_leaves_who_was_no_voter():
    """A typing error changes nothing."""
    with pytest.raises(ConfigError, match="has no such voter"):
        chosen(a.voters(N1, N2), removed="n3")


def test_two_voters_are_told_of_the_witness():
    """It is the one thing that helps a site of two devices."""
    said = " ".join(voters.remarks(2, 2))
    assert "needs 2 of 2 voters: none may be lost" in said
    assert "witness" in said


def test_an_even_number_is_told_why_odd_is_better():
    """Four survive one loss, like three."""
    assert any("3 voters survive as many" in each for each in voters.remarks(4, 4))
    assert len(voters.remarks(3, 3)) == 1
