"""Who may be given a secret, and what opens."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import documents, sealing
from edge.documents import Scope, SecretValue
from edge.errors import TrustError
from edge.trust import Head, doubt, open_secret, withheld
from tests.support import builders as a
from tests.support.trials import took

N1, N2 = a.Device("n1"), a.Device("n2")
NAME = "web/token"
SEVEN = a.operator("seven", scope=Scope(name="seven", sites=("home",)))
FLEET = [*a.enrolled(N1, N2), a.signed(a.trusted(2, operators=(a.operator(), SEVEN)))]


def book(*envelopes: bytes):
    """Return a ledger of a fleet with a scoped operator."""
    return a.ledger_of([*FLEET, *envelopes])


def wrapped(inside: bytes, device=N1, **changes):
    """Return a secret for a device around any bytes, as if an operator signed it."""
    box = sealing.to_text(sealing.seal(device.seal.public, inside))
    made = msgspec.structs.replace(a.secret(NAME, N1), box=box)
    return msgspec.structs.replace(made, **changes)


def value(**changes) -> SecretValue:
    """Return the inside of the secret for n1."""
    made = SecretValue(
        fleet="shop", name=NAME, version=1, recipient=N1.id, value=sealing.to_text(b"v")
    )
    return msgspec.structs.replace(made, **changes)


def why(secret, device=N1, ledger=None) -> str:
    """Return the reason a secret does not open."""
    with pytest.raises(TrustError, match=r"^cannot") as caught:
        open_secret(secret, device.seal, ledger or book())
    return caught.value.reason


def opens(secret, ledger) -> bool:
    """Return whether n1 gets the value."""
    return open_secret(secret, N1.seal, ledger) == b"hunter2"


@given(st.binary(max_size=300))
def test_what_was_sealed_is_opened(content):
    """Any bytes."""
    assert open_secret(a.secret(NAME, N1, content), N1.seal, book()) == content


def test_another_device_cannot_open_it():
    """It was sealed to one."""
    assert why(a.secret(NAME, N1), N2) == "not-sealed-to-us"


@pytest.mark.parametrize("key", [a.HUB, a.ROOT, a.STRANGER, N1.sign])
def test_a_box_can_be_made_by_anyone_and_counts_for_nothing(key):
    """The signature inside is what counts."""
    assert why(wrapped(documents.sign(value(), key))) == "not-authorised"


@pytest.mark.parametrize(
    "changes",
    [{"recipient": N2.id}, {"name": "db/token"}, {"version": 2}, {"fleet": "other"}],
)
def test_a_value_meant_for_something_else_is_re_wrapped(changes):
    """Another device, name, version or fleet."""
    assert why(wrapped(documents.sign(value(**changes), a.OPERATOR))) == "re-wrapped"


def test_the_outside_cannot_be_changed_around_the_inside():
    """An old value under a new number."""
    renamed = msgspec.structs.replace(a.secret(NAME, N1), version=2)
    assert why(renamed) == "re-wrapped"


def test_another_signed_document_is_no_value():
    """Whatever an operator signed before."""
    assert why(wrapped(a.signed(a.deployment()))) == "re-wrapped"


@pytest.mark.parametrize(
    "inside", [b"", b"plain", b"[" * 9999, documents.sign(value(), a.OPERATOR)[:-1]]
)
def test_a_damaged_inside_is_malformed(inside):
    """And raises nothing else."""
    assert why(wrapped(inside)) == "malformed"


@pytest.mark.parametrize("text", ["AB", "A", "not base64", "é"])
def test_text_that_is_no_bytes_is_malformed(text):
    """Outside and inside."""
    assert why(msgspec.structs.replace(a.secret(NAME, N1), box=text)) == "malformed"
    assert why(wrapped(documents.sign(value(value=text), a.OPERATOR))) == "malformed"


def test_a_removed_operators_secret_still_opens():
    """It was accepted when it was new; a reboot must not take it away."""
    ledger = took(book(), a.trusted(3, operators=(SEVEN,)))
    assert opens(a.secret(NAME, N1), ledger)


def in_scope(scope: str):
    """Return the secret in the name of a scope."""
    return msgspec.structs.replace(a.secret(NAME, N1), scope=scope)


def test_a_secret_of_another_scope_does_not_open():
    """It came before the deployment whose name it bears, and was accepted then."""
    assert opens(in_scope("seven"), book())
    fleets = book(a.signed(a.deployment()))
    assert why(in_scope("seven"), ledger=fleets) == "out-of-scope"


def test_a_secret_of_the_deployments_scope_opens():
    """And so does one from the fleet's own operator."""
    ledger = book(a.signed(a.deployment(scope="seven")))
    assert opens(in_scope("seven"), ledger)
    assert opens(in_scope(""), ledger)


def withheld_for(ledger, device=N1) -> str:
    """Return the reason a device gets no secret, "" when it may."""
    refused = withheld(ledger, NAME, device.id)
    return refused.reason if refused else ""


def test_an_approved_device_may_have_it():
    """An operator signed for exactly these keys."""
    assert withheld_for(book(a.signed(a.node(N1)))) == ""


def test_a_member_without_a_word_of_an_operator_may_not():
    """A leaked seed mints members."""
    assert withheld_for(book()) == "wrong-member"
    assert withheld_for(book(), a.Device("ghost")) == "unknown-device"


def test_new_keys_need_a_new_word():
    """A thief of the device would have it sealed to a key of his own."""
    ledger = took(book(a.signed(a.node(N1))), a.member(N1, 2))
    assert withheld_for(ledger) == "wrong-member"


def test_a_revoked_device_may_not():
    """Approved or not."""
    ledger = took(book(a.signed(a.node(N1))), a.revocation(devices=(N1.id,)))
    assert withheld_for(ledger) == "revoked"


def test_a_narrow_scope_attracts_no_wide_secrets():
    """A label on a device of one's own is not a way to the fleet's passwords."""
    approved = a.signed(a.node(N1, scope="seven"), a.signing_key("seven"))
    assert withheld_for(book(approved)) == "out-of-scope"
    assert withheld_for(book(approved, a.signed(a.deployment()))) == "out-of-scope"
    own = a.signed(a.deployment(scope="seven"))
    assert withheld_for(book(approved, own)) == ""


@pytest.mark.parametrize(
    ("stream", "counter"),
    [("trust", 3), ("revocation", 1), (f"member/{N1.id}", 2), (f"node/{N1.id}", 2)],
)
def test_what_was_seen_once_cannot_be_hidden(stream, counter):
    """A hub that leaves out the revocation would get secrets for the thief's device."""
    ledger = book(a.signed(a.node(N1)))
    assert withheld_for(ledger) == ""
    ledger.heads[stream] = Head(counter=(counter,), digest=a.INDEX)
    assert withheld_for(ledger) == "rolled-back"


def test_a_floor_of_the_join_file_hides_nothing():
    """It only says what would be too old."""
    ledger = book(a.signed(a.node(N1)))
    ledger.heads["revocation"] = Head(counter=(7,), digest="")
    assert withheld_for(ledger) == ""


def test_a_device_nobody_approved_yet_may_be_looked_at():
    """`doubt` is asked before an approval, `withheld` after it."""
    assert doubt(book(), N1.id) is None
    ghost = doubt(book(), "d-ghost")
    assert ghost is not None
    assert ghost.reason == "unknown-device"
