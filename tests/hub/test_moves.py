from dataclasses import replace

import pytest

from edge.model import ReplicaStatus
from edge.names import Slot
from hub import moves
from hub.fleet import Standing
from tests.support import builders
from tests.support.builders import Device, enrolled, ledger_of
from tests.support.fleets import heard, standings

N1, N2 = Device("n1"), Device("n2")
FLEET = standings(ledger_of(enrolled(N1, N2)), N1, N2)
HOLDER, TAKER = FLEET["n1"], FLEET["n2"]
PLACE = builders.place("web/web.1")


def asked(version: int = 1, **changes: object) -> moves.Asked:
    """The deployment as the operator signed it last."""
    workload = builders.workload(**changes)
    return builders.deployment(version=version, workloads=(workload,)), workload


def drained(standing: Standing = HOLDER) -> Standing:
    """A device the operator empties."""
    return replace(standing, scheduling="drained")


def test_nothing_moves_without_a_cause() -> None:
    """The device would go on running it, and there would be two."""
    assert not moves.has_cause(asked(), PLACE, HOLDER)


@pytest.mark.parametrize(
    ("wanted", "node"),
    [
        (None, HOLDER),
        (asked(version=2), HOLDER),
        (asked(require={"role": "sensor"}), HOLDER),
        (asked(sites=("elsewhere",)), HOLDER),
        (asked(), drained()),
        (asked(), replace(HOLDER, is_revoked=True)),
        (asked(), None),
    ],
    ids=["ended", "newer", "relabelled", "resited", "drained", "revoked", "gone"],
)
def test_what_the_operator_signed_is_a_cause(
    wanted: moves.Asked | None, node: Standing | None
) -> None:
    """Each of these the device checks for itself."""
    assert moves.has_cause(wanted, PLACE, node)


def test_facts_not_heard_of_are_no_cause() -> None:
    """A hub that lost its reports must not empty the fleet."""
    silent = standings(ledger_of(enrolled(N1)))["n1"]
    wanted = asked(require={"fact.arch": "amd64"})
    assert not moves.has_cause(wanted, PLACE, silent)
    assert moves.has_cause(asked(require={"fact.arch": "riscv64"}), PLACE, HOLDER)


def test_a_drained_node_holds_on_until_the_taker_is_healthy() -> None:
    """Draining is no outage."""
    wanted = asked(failover="available")
    healthy = heard(N2, replicas=(builders.status("web/web.1"),))
    assert moves.is_kept(wanted, PLACE, drained(), TAKER)
    assert moves.is_kept(wanted, PLACE, drained(), None)
    assert not moves.is_kept(wanted, PLACE, drained(), replace(TAKER, heard=healthy))


@pytest.mark.parametrize(("here", "there"), [(2, 1), (1, 2)])
def test_under_a_rollout_the_taker_may_get_another_version(
    here: int, there: int
) -> None:
    """A drained canary serves until its taker does in the version before."""
    wanted = asked(version=there, failover="available")
    place = builders.place("web/web.1", here)

    def is_kept(*replicas: ReplicaStatus) -> bool:
        taker = replace(TAKER, heard=heard(N2, replicas=replicas))
        return moves.is_kept(wanted, place, drained(), taker, is_staged=True)

    assert is_kept()
    assert is_kept(builders.status("web/web.1", there, healthy=False))
    assert not is_kept(builders.status("web/web.1", there))


@pytest.mark.parametrize("failover", ["none", "strict"])
def test_what_may_not_run_twice_moves_at_once(failover: str) -> None:
    """Two copies may be worse than none."""
    assert not moves.is_kept(asked(failover=failover), PLACE, drained(), TAKER)


def test_only_a_drained_node_hands_over() -> None:
    """A new version decides where it goes at once; revoked devices get no word."""
    wanted = asked(failover="available")
    assert not moves.is_kept(wanted, PLACE, HOLDER, TAKER)
    revoked = replace(drained(), is_revoked=True)
    assert not moves.is_kept(wanted, PLACE, revoked, TAKER)
    newer = asked(version=2, failover="available")
    assert not moves.is_kept(newer, PLACE, drained(), TAKER)


def test_a_replica_of_every_device_is_handed_to_nobody() -> None:
    """Its slot names the device."""
    wanted = asked(every="*", failover="available")
    place = builders.place("web/web@n1")
    assert not moves.is_kept(wanted, place, drained(), None)


@pytest.mark.parametrize(
    ("slot", "is_asked"),
    [
        ("web/web.3", True),
        ("web/web.4", False),
        ("web/db.1", False),
        ("x/web.1", False),
    ],
)
def test_a_slot_is_asked_for_while_the_deployment_says_so(
    slot: str, *, is_asked: bool
) -> None:
    """Fewer replicas, another workload, no deployment: asked for no longer."""
    wanted = builders.deployment(workloads=(builders.workload(replicas=3),))
    assert bool(moves.workload_of({"web": wanted}, Slot(slot))) == is_asked


def test_numbered_slots_and_those_of_every_device_are_not_the_same() -> None:
    """Though the workload kept its name."""
    everywhere = builders.deployment(workloads=(builders.workload(every="*"),))
    numbered = builders.deployment(workloads=(builders.workload(replicas=2),))
    assert moves.workload_of({"web": everywhere}, Slot("web/web@n1"))
    assert not moves.workload_of({"web": everywhere}, Slot("web/web.1"))
    assert not moves.workload_of({"web": numbered}, Slot("web/web@n1"))


def test_under_a_rollout_a_newer_version_alone_is_no_cause() -> None:
    """What serves stays; what the newer one does not allow goes."""
    assert not moves.has_cause(asked(version=2), PLACE, HOLDER, is_staged=True)
    bound = asked(version=2, sites=("elsewhere",))
    assert moves.has_cause(bound, PLACE, HOLDER, is_staged=True)


def test_what_a_staged_deployment_comes_from_still_counts() -> None:
    """Where the newest has no such slot."""
    before = builders.deployment()
    newest = builders.deployment(version=2, workloads=(builders.workload("other"),))
    ground = moves.Ground(deployments={"web": newest}, before={"web": before})
    old, new = Slot("web/web.1"), Slot("web/other.1")
    assert ground.asked(old) == (before, before.workloads[0])
    assert ground.asked(new) == (newest, newest.workloads[0])
    assert ground.asked(Slot("web/none.1")) is None
