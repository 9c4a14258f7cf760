from dataclasses import replace

import pytest

from hub import fleet
from hub.fleet import RETURN_WITHIN, SILENT_FOR_MAX, Presence, Signals
from tests.support import builders
from tests.support.builders import NOW, Device, enrolled, ledger_of, signed
from tests.support.fleets import heard, signals, standings

N1 = Device("n1")


def state(*envelopes: bytes, **changes: object) -> str:
    """The word for n1, which reported just now."""
    ledger = ledger_of((*enrolled(N1), *envelopes))
    told = Signals(**{"heard": {N1.id: heard(N1)}, **changes})
    return fleet.fold(ledger, told, NOW)["n1"].state


def test_a_member_that_reports_is_ready() -> None:
    """The usual case needs no operator's approval."""
    assert state() == "ready"


@pytest.mark.parametrize("scheduling", ["cordoned", "drained"])
def test_the_operators_scheduling_is_the_state(scheduling: str) -> None:
    """What the operator asked for is what is shown."""
    assert state(signed(builders.node(N1, scheduling=scheduling))) == scheduling


def test_revoked_comes_before_everything() -> None:
    """Nobody may take a revoked device for one that is merely drained."""
    gone = builders.revocation(devices=(N1.id,))
    drained = builders.node(N1, scheduling="drained")
    assert state(signed(drained), signed(gone)) == "revoked"


def test_a_revoked_voucher_revokes_its_devices() -> None:
    """Descendants are included."""
    assert state(signed(builders.revocation(vouchers=("v1",)))) == "revoked"


def test_a_device_waits_for_approval_where_its_voucher_says_so() -> None:
    """Approval is a node document, nothing else."""
    envelopes = [signed(builders.trusted()), signed(builders.voucher(approve=True))]
    ledger = ledger_of([*envelopes, signed(builders.member(N1))])
    assert standings(ledger, N1)["n1"].state == "pending"
    approved = ledger_of(
        [*envelopes, signed(builders.member(N1)), signed(builders.node(N1))]
    )
    assert standings(approved, N1)["n1"].state == "ready"


def test_a_device_that_never_reported_is_offline() -> None:
    """A member document alone says nothing of now."""
    assert state(heard={}) == "offline"


def test_who_is_there_is_known_when_all_were_heard_or_had_time_to_return() -> None:
    """A hub that started anew takes an old report for a sign of life."""
    ledger = ledger_of(enrolled(N1))
    told = {"heard": {N1.id: heard(N1)}}
    online, gone = (Presence(is_online=each, at=NOW) for each in (True, False))
    assert fleet.known_at(ledger, Signals(**told)) == 0.0
    listening = Signals(**told, listens_since=NOW)
    assert fleet.known_at(ledger, listening) == NOW + RETURN_WITHIN
    for presence in (online, gone):
        assert (
            fleet.known_at(ledger, replace(listening, presence={N1.id: presence})) == 0
        )
    before = replace(listening, presence={N1.id: replace(online, at=NOW - 1)})
    assert fleet.known_at(ledger, before) == NOW + RETURN_WITHIN
    ended = ledger_of((*enrolled(N1), signed(builders.revocation(devices=(N1.id,)))))
    assert fleet.known_at(ended, listening) == 0.0


def test_a_last_will_makes_it_offline_at_once() -> None:
    """Dashboards learn within a keepalive."""
    assert state(presence={N1.id: Presence(is_online=False, at=NOW)}) == "offline"


def test_silence_beyond_the_slowest_uplink_is_offline() -> None:
    """A metered device reports daily: a day of silence is no alarm."""
    assert state(heard={N1.id: heard(N1, NOW - SILENT_FOR_MAX)}) == "ready"
    assert state(heard={N1.id: heard(N1, NOW - SILENT_FOR_MAX - 1)}) == "offline"


def test_who_does_not_return_to_a_new_broker_is_offline() -> None:
    """A broker that was killed sends no last wills."""
    since = NOW - RETURN_WITHIN - 1
    silent = {N1.id: heard(N1, since - 5)}
    assert state(heard=silent, broker_since=since) == "offline"
    assert state(heard=silent, broker_since=NOW - 1) == "ready"
    returned = {N1.id: Presence(is_online=True, at=since + 2)}
    assert state(heard=silent, presence=returned, broker_since=since) == "ready"


def test_labels_are_the_vouchers_until_a_node_document_speaks() -> None:
    """The operator's newest word counts, and replaces all of the one before."""
    voucher = builders.voucher(labels={"role": "sensor"}, site="north")
    base = [signed(builders.trusted()), signed(voucher), signed(builders.member(N1))]
    before = standings(ledger_of(base))["n1"]
    node = builders.node(N1, labels={"room": "2"}, site="south")
    after = standings(ledger_of([*base, signed(node)]))["n1"]
    assert (before.site, before.labels) == ("north", {"role": "sensor"})
    assert (after.site, after.labels) == ("south", {"room": "2"})


def test_placement_sees_facts_as_labels_and_the_secrets_sealed_to_it() -> None:
    """What a device says of itself can be required, under its own prefix."""
    envelopes = (*enrolled(N1), signed(builders.secret("web/token", N1)))
    ledger = ledger_of(envelopes)
    standing = standings(ledger, N1)["n1"]
    view = fleet.view(standing, fleet.sealed(ledger)[N1.id])
    assert view.labels["fact.arch"] == view.architecture == "amd64"
    assert view.sealed == {"web/token"}


def test_facts_are_unknown_before_the_first_report() -> None:
    """Placement then filters by nothing the device would have to say."""
    standing = standings(ledger_of(enrolled(N1)))["n1"]
    assert not fleet.view(standing, frozenset()).is_known


def test_one_member_is_found_by_name() -> None:
    """The API asks for one without folding a whole fleet."""
    ledger = ledger_of(enrolled(N1))
    found = fleet.standing_of(ledger, signals(N1), "n1", NOW)
    assert found == standings(ledger, N1)["n1"]
    assert fleet.standing_of(ledger, signals(N1), "n2", NOW) is None
