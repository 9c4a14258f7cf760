"""Whom an operator's word is given to in bulk, and what it says."""

import pytest

from edge.ctl import approval
from edge.errors import ConfigError
from tests.support import builders as a

N1, N2, N3 = (a.Device(name) for name in ("n1", "n2", "n3"))


def fleet(*devices, uses=100):
    """Return a ledger of devices that joined by one token of so many uses."""
    members = (a.signed(a.member(each)) for each in devices)
    voucher = a.signed(a.voucher(uses=uses, labels={"role": "sensor"}))
    trusted = a.signed(a.trusted())
    return a.ledger_of((trusted, voucher, *members), counts_uses=False)


def refusal(ledger, name="n1", first_seen=None, now=a.NOW):
    """Return why a device is not approved in bulk."""
    device = next(each for each in approval.devices(ledger) if each.name == name)
    return approval.refusal(device, ledger, first_seen or {}, now)


def test_a_device_without_a_word_is_what_its_token_says():
    """Site and labels come from the voucher until an operator says otherwise."""
    (device,) = approval.devices(fleet(N1))
    assert (device.name, device.site, device.labels) == (
        "n1",
        "home",
        {"role": "sensor"},
    )
    assert device.node is None


def test_a_device_with_a_word_is_what_the_word_says():
    """The operator's newest word replaces the token's."""
    ledger = fleet(N1)
    word = a.node(N1, site="away", labels={})
    ledger.nodes[N1.id] = word
    (device,) = approval.devices(ledger)
    assert (device.site, device.labels, device.node) == ("away", {}, word)


def test_a_revoked_device_is_not_there():
    """It gets no word, and no secret."""
    ledger = fleet(N1, N2)
    ledger.revocation = a.revocation(devices=(N1.id,))
    assert [device.name for device in approval.devices(ledger)] == ["n2"]


def test_a_device_seen_while_its_token_was_open_is_approved():
    """The usual case: `secret sync` on the day of the roll-out."""
    assert refusal(fleet(N1)) is None


def test_it_stays_approved_when_the_token_closed_since():
    """What counts is when this machine first saw it."""
    seen = {N1.id: a.NOW}
    assert refusal(fleet(N1), first_seen=seen, now=a.NOW + 90 * a.DAY) is None


def test_a_device_first_seen_after_the_token_closed_is_not():
    """A hub that got hold of a seed could bring one up a year later."""
    assert "had closed" in (refusal(fleet(N1), now=a.NOW + 2 * a.DAY) or "")


def test_one_device_too_many_stops_them_all():
    """Nobody can tell which one is the thief's."""
    ledger = fleet(N1, N2, N3, uses=2)
    assert "3 devices joined" in (refusal(ledger) or "")
    assert "may have leaked" in (refusal(ledger, "n3") or "")


def test_the_word_names_the_member_by_its_digest():
    """It is about these very keys."""
    (device,) = approval.devices(fleet(N1))
    word = approval.word(device, 4, "", a.NOW)
    assert word.member == a.digest(a.member(N1))
    assert (word.version, word.labels, word.scheduling) == (
        4,
        {"role": "sensor"},
        "active",
    )


def test_a_cordon_survives_the_next_word():
    """Labelling a cordoned device must not open it."""
    ledger = fleet(N1)
    ledger.nodes[N1.id] = a.node(N1, scheduling="cordoned")
    (device,) = approval.devices(ledger)
    assert approval.word(device, 2, "", a.NOW).scheduling == "cordoned"
    assert approval.scheduled(a.node(N1), "drained").scheduling == "drained"


def test_labels_are_set_and_removed():
    """As kubectl does it."""
    word = a.node(N1, labels={"role": "sensor", "floor": "1"})
    changed = approval.labelled(word, ("floor=2", "role-", "gone-"))
    assert changed.labels == {"floor": "2"}


@pytest.mark.parametrize("text", ["role", "=x", "role=a b", "Role=x", "fact.arch=x"])
def test_what_is_no_label_is_refused(text):
    """Facts are the device's own words."""
    with pytest.raises(ConfigError, match="cannot use the label"):
        approval.labelled(a.node(N1), (text,))


def test_a_label_given_twice_is_refused():
    """One of the two was a slip."""
    with pytest.raises(ConfigError, match="twice"):
        approval.parse_labels(["role=a", "role=b"])
