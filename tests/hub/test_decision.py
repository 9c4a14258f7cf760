import pytest

from edge.documents import Assignment
from edge.model import Neighbour
from edge.trust import Accepted, judge
from hub import decision
from hub.assignments import Plan
from hub.beats import Beat
from hub.fleet import Presence
from hub.state import State
from tests.support import builders
from tests.support.builders import HUB, NOW, Device, empty_ledger, enrolled, signed
from tests.support.fleets import heard, places_of

N1, N2 = Device("n1"), Device("n2")


def state(*envelopes: bytes, hub: str = HUB.public) -> State:
    """A hub's memory of n1 and n2, which both report."""
    made = State(hub=hub, ledger=empty_ledger())
    for each in (*enrolled(N1, N2), *envelopes):
        verdict = judge(each, made.ledger, NOW)
        assert isinstance(verdict, Accepted), verdict
        made.take(verdict)
    made.heard = {each.id: heard(each) for each in (N1, N2)}
    return made


def carry_out(made: State) -> decision.Decision:
    """Decide, sign and remember."""
    decided = decision.decide(made, NOW)
    signed_ones = [decision.sign(each, HUB) for each in decided.plan.assignments]
    decision.apply(made, decided, signed_ones)
    return decided


def test_a_deployment_is_placed_and_assigned() -> None:
    """One replica, one node, one document to sign."""
    made = state(signed(builders.deployment()))
    decided = decision.decide(made, NOW)
    assert places_of(decided.plan.assignments) == {"n1": (builders.place("web/web.1"),)}


def test_deciding_again_changes_nothing() -> None:
    """The loop comes to rest."""
    made = state(signed(builders.deployment()))
    assert carry_out(made).plan != Plan()
    assert decision.decide(made, NOW).plan == Plan()


def test_what_the_hub_signs_is_what_devices_accept() -> None:
    """The same judge, at the other end."""
    made = state(signed(builders.deployment()))
    (assignment,) = decision.decide(made, NOW).plan.assignments
    signed_one = decision.sign(assignment, HUB)
    ledger = builders.ledger_of(enrolled(N1), me=N1.id)
    verdict = judge(signed_one.envelope, ledger, NOW)
    assert isinstance(verdict, Accepted)
    assert (verdict.document, verdict.digest) == (assignment, signed_one.digest)


def test_a_second_replica_goes_to_the_other_node() -> None:
    """And the first one stays where it is."""
    made = state(signed(builders.deployment()))
    carry_out(made)
    wider = builders.deployment(version=2, workloads=(builders.workload(replicas=2),))
    made.take(judge(signed(wider), made.ledger, NOW))
    assert places_of(carry_out(made).plan.assignments) == {
        "n1": (builders.place("web/web.1", 2),),
        "n2": (builders.place("web/web.2", 2),),
    }


def test_a_new_version_that_needs_a_taken_port_is_no_longer_its_own() -> None:
    """Ports a replica holds are those of the version it runs, not of the next one."""
    taken = builders.facts(ports=(builders.port(8080),))
    made = state(signed(builders.deployment()))
    carry_out(made)
    for device in (N1, N2):
        made.heard[device.id] = heard(device, facts=taken)
    needs = builders.workload(ports=(builders.port(8080),))
    newer = builders.deployment(version=2, workloads=(needs,))
    made.take(judge(signed(newer), made.ledger, NOW))
    (why,) = carry_out(made).placement.unplaced
    assert "taken by a program of the device" in why.reasons["n1"]


def test_what_keeps_its_node_without_a_filters_leave_is_not_without_a_place() -> None:
    """A device was unplugged: the replica fails there, visibly, and nowhere else."""
    camera = builders.workload(devices=("/dev/video0",))
    made = state(signed(builders.deployment(workloads=(camera,))))
    with_camera = builders.facts(devices=("/dev/video0",))
    made.heard[N1.id] = heard(N1, facts=with_camera)
    carry_out(made)
    made.heard[N1.id] = heard(N1)
    decided = carry_out(made)
    assert decided.plan == Plan()
    assert decided.placement.unplaced == ()


def test_a_revoked_devices_replicas_go_elsewhere() -> None:
    """With a higher term; the device itself is told nothing."""
    made = state(signed(builders.deployment()))
    carry_out(made)
    gone = builders.revocation(devices=(N1.id,))
    made.take(judge(signed(gone), made.ledger, NOW))
    assert places_of(carry_out(made).plan.assignments) == {
        "n2": (builders.place("web/web.1", term=2),)
    }


def test_a_revoked_devices_replica_that_fits_nowhere_else_is_said() -> None:
    """Its last assignment is no place: nobody would wait for what never comes."""
    port = builders.workload(replicas=2, ports=(builders.port(8080),))
    made = state(signed(builders.deployment(workloads=(port,))))
    carry_out(made)
    gone = builders.revocation(devices=(N1.id,))
    made.take(judge(signed(gone), made.ledger, NOW))
    assert [each.slot for each in carry_out(made).placement.unplaced] == ["web/web.1"]


@pytest.mark.parametrize("hub", [builders.STRANGER.public, "x"])
def test_a_hub_that_root_does_not_name_decides_nothing(hub: str) -> None:
    """Its word would count nothing."""
    made = state(signed(builders.deployment()), hub=hub)
    assert decision.decide(made, NOW).plan == Plan()


def test_beacons_are_numbered_on_from_the_last() -> None:
    """Across restarts too: the last one is stored."""
    made = state()
    first = decision.next_beacon(made.ledger, NOW)
    signed_one = decision.sign(first, HUB)
    made.take_own(signed_one.document, signed_one.digest, signed_one.envelope)
    second = decision.next_beacon(made.ledger, NOW + 1)
    assert (first.counter, second.counter) == ((1, 1, 1), (1, 1, 2))


def test_hand_over_is_remembered_until_it_is_done() -> None:
    """Only then does every report need another decision."""
    web = builders.workload(failover="available")
    made = state(signed(builders.deployment(workloads=(web,))))
    carry_out(made)
    drained = builders.node(N1, scheduling="drained")
    made.take(judge(signed(drained), made.ledger, NOW))
    assert list(places_of(carry_out(made).plan.assignments)) == ["n2"]
    assert made.is_handing_over
    made.heard[N2.id] = heard(N2, replicas=(builders.status("web/web.1"),))
    assert places_of(carry_out(made).plan.assignments) == {"n1": ()}
    assert not made.is_handing_over
    assert isinstance(made.assignments[N1.id], Assignment)


def test_a_relayed_node_keeps_its_work_and_is_given_nothing_new() -> None:
    """It is well, and whether it gets what is published nobody knows."""
    made = state(signed(builders.deployment()))
    carry_out(made)
    made.presence = {N1.id: Presence(is_online=False, at=NOW)}
    made.beats = {N1.id: Beat(sequence=2, text="", at=NOW)}
    said = Neighbour(device=N1.id, name="n1", state="alive")
    made.heard[N2.id] = heard(N2, neighbours=(said,))
    assert made.view(NOW).links["n1"].word == "relayed"
    workloads = (builders.workload(replicas=3),)
    wider = builders.deployment(version=2, workloads=workloads)
    made.take(judge(signed(wider), made.ledger, NOW))
    given = places_of(carry_out(made).plan.assignments)
    assert [each.slot for each in given["n1"]] == ["web/web.1"]
    assert [each.slot for each in given["n2"]] == ["web/web.2", "web/web.3"]
