"""What a rule may look at."""

import msgspec

from edge.trust.claim import Claim
from tests.support import builders as a


def claim(document, ledger=None, now: float | None = a.NOW) -> Claim:
    """Return a claim for a document nobody signed."""
    return Claim(
        document=document,
        digest=a.digest(document),
        signers=frozenset(),
        ledger=ledger or a.ledger_of([a.signed(a.trusted())]),
        now=now,
    )


def test_a_head_that_comes_again_is_known():
    """By its digest: another version, or another content, is not."""
    ledger = a.ledger_of([a.signed(a.trusted()), a.signed(a.deployment())])
    assert claim(a.deployment(), ledger).is_known
    assert not claim(a.deployment(parent=a.INDEX), ledger).is_known
    assert not claim(a.deployment("web", 2), ledger).is_known


def test_what_was_judged_before_is_settled():
    """Read back, or held."""
    ledger = a.ledger_of([a.signed(a.trusted()), a.signed(a.deployment())])
    assert claim(a.deployment(), ledger).is_settled
    assert claim(a.deployment("db"), now=None).is_settled
    assert claim(a.deployment("db"), now=None).is_replay
    assert not claim(a.deployment("db")).is_settled


def test_keys_are_judged_at_the_latest_time_anyone_names():
    """The clock, the floor and the document itself."""
    ledger = a.ledger_of([a.signed(a.trusted())])
    assert claim(a.deployment(), ledger, now=0.0).judged_at == a.NOW
    assert claim(a.deployment(), ledger, now=a.NOW + 5).judged_at == a.NOW + 5
    late = msgspec.structs.replace(a.deployment(), issued_at=a.NOW + 9)
    assert claim(late, ledger).judged_at == a.NOW + 9


def test_what_is_settled_is_judged_at_no_time():
    """Nothing expires on replay."""
    assert claim(a.deployment(), now=None).judged_at is None


def test_time_never_falls_below_the_floor():
    """A board without a clock boots in 1970."""
    ledger = a.ledger_of([a.signed(a.trusted())])
    assert claim(a.beacon(), ledger, now=0.0).time == a.NOW
    assert claim(a.beacon(), ledger, now=None).time == a.NOW


def test_machines_name_no_time():
    """A hub's or a device's clock decides nothing."""
    assert claim(a.beacon(at=9e9)).issued_at == 0.0
    assert claim(a.report(a.Device("n1"))).issued_at == 0.0
