"""What arrives is judged; what is not for a device is counted and dropped."""

from hypothesis import given
from hypothesis import strategies as st

from edge import envelope
from node.intake import Intake
from tests.support import builders as a

N1 = a.Device("n1")


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


def test_a_member_from_outside_is_not_welcome():
    """A hub cannot plant devices through a node."""
    gate = intake()
    bundle = envelope.bundle([a.signed(a.member(a.Device("n2")))])
    assert not gate.receive(bundle, a.NOW).accepted
    assert gate.refusals == {"member: wrong-kind": 1}


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
