"""Two layers: signed inside, sealed, signed outside; one version for all."""

import msgspec
import pytest

from edge import sealing, trust
from edge.ctl import sealed
from edge.ctl.sealed import Value
from edge.errors import ConfigError, TrustError
from tests.support import builders as a

N1, N2 = a.Device("n1"), a.Device("n2")
VALUE = Value(fleet=a.FLEET, name="web/token", version=3, content=b"hunter2")
ME = f"operator:{a.OPERATOR.public}"


def copies(value=VALUE, *devices):
    """Return the documents for devices and operators."""
    keys = {each.id: each.seal.public for each in devices}
    keys |= sealed.operators(a.trusted(), "", a.NOW)
    return sealed.seal(value, keys, a.OPERATOR, a.NOW)


def test_each_recipient_opens_its_own_copy():
    """Devices and operators alike."""
    ledger = a.ledger_of([a.signed(a.trusted())])
    found = {each.recipient: each for each in copies(VALUE, N1, N2)}
    assert trust.open_secret(found[N1.id], N1.seal, ledger) == b"hunter2"
    assert trust.open_secret(found[ME], a.OPERATOR_SEAL, ledger) == b"hunter2"


def test_nobody_opens_anothers_copy():
    """n1's thief cannot read n2's."""
    ledger = a.ledger_of([a.signed(a.trusted())])
    theirs = next(each for each in copies(VALUE, N2) if each.recipient == N2.id)
    with pytest.raises(TrustError):
        trust.open_secret(theirs, N1.seal, ledger)


def test_a_copy_given_another_recipient_does_not_open():
    """The inside says whom it is for."""
    ledger = a.ledger_of([a.signed(a.trusted())])
    mine = next(each for each in copies(VALUE, N1) if each.recipient == N1.id)
    bent = msgspec.structs.replace(mine, recipient=N2.id)
    with pytest.raises(TrustError, match="something else"):
        trust.open_secret(bent, N1.seal, ledger)


def test_all_copies_carry_one_version_and_are_accepted():
    """The hub and every device take them."""
    found = copies(VALUE, N1, N2)
    assert {each.version for each in found} == {3}
    ledger = a.ledger_of([a.signed(a.trusted()), *(a.signed(each) for each in found)])
    assert ledger.secrets["web/token"] == {N1.id: 3, N2.id: 3, ME: 3}


def test_the_largest_value_fits_a_document():
    """64 KiB, in base64 three times."""
    large = Value(
        fleet=a.FLEET, name="web/token", version=1, content=b"x" * sealed.VALUE_MAX
    )
    assert all(a.signed(each) for each in copies(large))


def test_the_plain_value_is_in_no_document():
    """Nor does a traceback print it."""
    outside = b"".join(a.signed(each) for each in copies(VALUE, N1))
    assert b"hunter2" not in outside
    assert sealing.to_text(b"hunter2").encode() not in outside
    assert "hunter2" not in repr(VALUE)


def test_who_lacks_the_newest_is_known():
    """A newcomer, and one that holds an older value."""
    heads = {ME: 3, N1.id: 3, N2.id: 2}
    assert sealed.newest(heads) == 3
    assert sealed.lacking(heads, 3, [N1.id, N2.id, "d-new"]) == tuple(
        sorted([N2.id, "d-new"])
    )


def test_a_secret_that_was_never_set_has_no_version():
    """What devices hold alone does not count: nobody could open it here."""
    assert sealed.newest({}) == 0
    assert sealed.newest({N1.id: 4}) == 0


@pytest.mark.parametrize("name", ["token", "web/", "/token", "web/a/b", "Web/token"])
def test_what_is_no_name_is_refused(name):
    """With an example of one."""
    with pytest.raises(ConfigError, match="such as sensor/token"):
        sealed.check_name(name)


def test_a_name_has_two_parts():
    """Deployment and short name."""
    assert sealed.check_name("sensor/token") == ("sensor", "token")


@pytest.mark.parametrize("content", [b"", b"x" * (sealed.VALUE_MAX + 1)])
def test_an_empty_or_large_value_is_refused(content):
    """An empty file is a slip of the shell, not a secret."""
    with pytest.raises(ConfigError):
        sealed.check_value(content)


def test_a_scopes_operator_gets_its_own_secrets_alone():
    """Its stolen key must not open the fleet's; an expired one opens nothing new."""
    limits = a.documents.Scope(name="seven", sites=("store-7",))
    trusted = a.trusted(
        operators=(
            a.operator(),
            a.operator("seven", scope=limits),
            a.operator("gone", expires_at=a.NOW - 1),
        )
    )
    seven = f"operator:{a.signing_key('seven').public}"
    fleets = f"operator:{a.OPERATOR.public}"
    assert set(sealed.operators(trusted, "", a.NOW)) == {fleets}
    assert set(sealed.operators(trusted, "seven", a.NOW)) == {fleets, seven}
    assert set(sealed.operators(trusted, "eight", a.NOW)) == {fleets}
