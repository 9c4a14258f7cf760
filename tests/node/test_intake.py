"""What arrives is judged; what is not for a device is counted and dropped."""

from hypothesis import given
from hypothesis import strategies as st

from edge import envelope
from node.intake import Intake
from tests.support import builders as a

N1, N2, N3 = (a.Device(f"n{n}") for n in (1, 2, 3))


def intake() -> Intake:
    """Return the gate of n1 after its enrolment."""
    return Intake(ledger=a.ledger_of(a.enrolled(N1), me=N1.id, counts_uses=False))


def test_a_bundle_is_accepted_in_order():
    """The node document and the deployment of one message both count."""
    gate = intake()
    bundle = envelope.bundle([a.signed(a.node(N1)), a.signed(a.deployment())])
    received = gate.receive(bundle, a.NOW)
    assert len(received.accepted) == 2
    assert gate.ledger.deployments["web"].version == 1


def test_the_same_again_is_known():
    """A republished message changes nothing."""
    gate = intake()
    bundle = envelope.bundle([a.signed(a.deployment())])
    gate.receive(bundle, a.NOW)
    assert len(gate.receive(bundle, a.NOW).known) == 1


def test_refusals_are_counted_by_name():
    """What the hub signs in the operator's place is counted."""
    gate = intake()
    forged = envelope.bundle([a.signed(a.deployment(), a.HUB)])
    assert not gate.receive(forged, a.NOW).accepted
    assert gate.refusals == {"deployment: not-authorised": 1}


def test_another_devices_assignment_is_refused():
    """An assignment is for one device."""
    gate = intake()
    bundle = envelope.bundle([a.signed(a.assignment(a.Device("n2")))])
    gate.receive(bundle, a.NOW)
    assert gate.refusals == {"assignment: wrong-recipient": 1}


def test_a_neighbour_is_welcome_with_its_chain():
    """A hub cannot plant devices: an operator's voucher and its key must be there."""
    gate = intake()
    n2 = a.signed(a.member(N2, voucher="v2"))
    gate.receive(envelope.bundle([n2]), a.NOW)
    assert gate.refusals == {"member: unknown-voucher": 1}
    chain = envelope.bundle([a.signed(a.voucher("v2")), n2])
    assert len(gate.receive(chain, a.NOW).accepted) == 2
    assert gate.ledger.members[N2.id].member.name == "n2"


def test_nobody_tells_a_device_who_it_is():
    """Not even with its own signature: a copy of its disk could make one."""
    gate = intake()
    gate.receive(envelope.bundle([a.signed(a.member(N1, 2))]), a.NOW)
    assert gate.refusals == {"member: wrong-kind": 1}
    again = envelope.bundle([a.signed(a.member(N1))])
    assert len(gate.receive(again, a.NOW).known) == 1


def test_a_neighbours_report_is_evidence_and_nothing_more():
    """It is signed by the neighbour, whoever handed it over, and is kept by nobody."""
    gate = intake()
    gate.receive(envelope.bundle([a.signed(a.member(N2))]), a.NOW)
    heads = dict(gate.ledger.heads)
    reports = [a.signed(a.report(N2)), a.signed(a.report(N1)), a.signed(a.report(N3))]
    received = gate.receive(envelope.bundle(reports), a.NOW)
    assert received.evidence == (a.report(N2),)
    assert (received.accepted, gate.ledger.heads) == ((), heads)
    assert gate.refusals == {"report: wrong-kind": 1, "report: unknown-device": 1}


def test_strangers_who_bear_witness_are_not_kept():
    """A device of another site comes with its chain, for this one message."""
    gate = intake()
    documents = (
        a.deployment(),
        a.deployment(version=2),
        a.voucher("v2", site="elsewhere"),
        a.member(N2, voucher="v2"),
        a.report(N2),
        a.assignment(N1),
    )
    received = gate.receive(envelope.bundle(map(a.signed, documents)), a.NOW)
    assert not gate.refusals
    assert received.evidence == (a.report(N2),)
    kept = [each.document for each in received.accepted]
    assert kept == [documents[0], documents[1], documents[-1]]
    assert N2.id not in gate.ledger.members
    assert "v2" not in gate.ledger.vouchers
    alone = gate.receive(envelope.bundle([a.signed(a.report(N2))]), a.NOW)
    assert alone.evidence == ()


def test_a_witness_is_judged_like_any_device():
    """Revoked, unknown or with a voucher nobody signed: then it proves nothing."""
    gate = intake()
    revoked = a.revocation(devices=(N2.id,))
    forged = a.signed(a.voucher("v3"), a.HUB)
    bundle = [
        a.signed(revoked),
        *(a.signed(each) for each in (a.member(N2), a.report(N2))),
        forged,
        *(a.signed(each) for each in (a.member(N3, voucher="v3"), a.report(N3))),
    ]
    assert not gate.receive(envelope.bundle(bundle), a.NOW).evidence


def test_the_version_to_go_back_to_may_come_after_the_newest():
    """That is no way backwards: the newest names it, and the ledger stays there."""
    gate = intake()
    old, newest = a.deployment(version=2), a.deployment(version=3, fallback=2)
    gate.receive(envelope.bundle([a.signed(newest)]), a.NOW)
    received = gate.receive(envelope.bundle([a.signed(old)]), a.NOW)
    assert [each.document for each in received.ways_back] == [old]
    assert (received.accepted, received.refused) == ((), ())
    assert gate.ledger.deployments["web"] == newest
    bundle = [a.deployment(version=1), a.tombstone(version=2)]
    others = gate.receive(envelope.bundle(map(a.signed, bundle)), a.NOW)
    assert [each.reason for each in others.refused] == ["rolled-back"] * 2
    forged = envelope.bundle([a.signed(old, a.HUB)])
    assert not gate.receive(forged, a.NOW).ways_back


def test_the_plan_of_its_site_and_what_it_rests_on_come_in_one_bundle():
    """Each is judged when what it needs is believed already."""
    gate = intake()
    documents = (a.member(N2), a.node(N2), a.voters(N1, N2), a.plan(N1, N2))
    gate.receive(envelope.bundle([a.signed(each) for each in documents]), a.NOW)
    assert not gate.refusals
    assert gate.ledger.plan == documents[-1]


def test_the_older_links_of_the_trust_chain_are_no_attack():
    """The topic carries the chain for those who are behind."""
    gate = intake()
    gate.receive(envelope.bundle([a.signed(a.trusted(2))]), a.NOW)
    chain = envelope.bundle([a.signed(a.trusted(1)), a.signed(a.trusted(2))])
    assert not gate.receive(chain, a.NOW).refused


def test_an_old_trust_document_alone_is_refused():
    """Without the newest beside it, it is a roll-back."""
    gate = intake()
    gate.receive(envelope.bundle([a.signed(a.trusted(2))]), a.NOW)
    gate.receive(envelope.bundle([a.signed(a.trusted(1))]), a.NOW)
    assert gate.refusals == {"trust: rolled-back": 1}


def test_a_cleared_topic_means_nothing():
    """An empty payload is MQTT's way to clear a retained message."""
    assert not intake().receive(b"", a.NOW).refused


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(payload):
    """No bytes crash the gate."""
    received = intake().receive(payload, a.NOW)
    assert not received.accepted
