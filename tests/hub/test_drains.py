from dataclasses import replace

from edge.model import Held
from edge.names import NodeName, Slot
from hub import drains, fleet
from hub.drains import PATIENCE, Known
from tests.support import builders
from tests.support.builders import NOW, Device, enrolled, ledger_of, signed
from tests.support.fleets import heard

N1, N2, N3 = DEVICES = Device("n1"), Device("n2"), Device("n3")
SLOT = Slot("web/web.1")


def known(*envelopes: bytes, planned: tuple[Device, ...] = (N2, N3)) -> Known:
    """n1 is drained and holds the slot; n2 and n3 are its neighbours."""
    web = builders.workload(failover="available")
    base = (
        *enrolled(*DEVICES),
        signed(builders.deployment(workloads=(web,))),
        signed(builders.node(N1, scheduling="drained")),
        *envelopes,
    )
    ledger = ledger_of(base)
    plan = builders.plan(*DEVICES, slots=(builders.plan_slot(SLOT, N1),))
    here = Held(stream=plan.stream, version=1, digest=builders.digest(plan))
    signals = fleet.Signals(
        heard={
            each.id: heard(each, held=(here,) if each in planned else ())
            for each in DEVICES
        }
    )
    return Known(
        standings=fleet.fold(ledger, signals, NOW),
        deployments=ledger.deployments,
        holders={SLOT: NodeName("n1")},
        sealed=fleet.sealed(ledger),
        plans={plan.site: plan},
        drained_at={N1.id: NOW},
    )


def test_what_a_neighbour_can_take_is_left_to_the_devices() -> None:
    """They hand over without a gap."""
    assert drains.left(known(), NOW) == {SLOT}


def test_only_a_drained_holder_hands_over() -> None:
    """A cordoned one keeps what it has anyway."""
    back = signed(builders.node(N1, 2, scheduling="cordoned"))
    assert drains.left(known(back), NOW) == set()


def test_what_never_moves_is_the_hubs_to_move() -> None:
    """Nobody takes over what has no failover, or is gone."""
    fixed = builders.workload(failover="none")
    newer = signed(builders.deployment(version=2, workloads=(fixed,)))
    assert drains.left(known(newer), NOW) == set()
    assert drains.left(known(signed(builders.tombstone())), NOW) == set()


def test_without_a_neighbour_that_knows_the_slot_the_hub_moves_it() -> None:
    """To another site, if need be."""
    assert drains.left(known(planned=()), NOW) == set()
    assert drains.left(known(planned=(N1,)), NOW) == set()
    assert drains.left(known(planned=(N3,)), NOW) == {SLOT}
    assert drains.left(replace(known(), plans={}), NOW) == set()
    empty = {"home": builders.plan(*DEVICES)}
    assert drains.left(replace(known(), plans=empty), NOW) == set()


def test_a_neighbour_that_is_silent_does_not_count() -> None:
    """Nor a drained device that cannot hear of it."""
    for silent in ((N2, N3), (N1,)):
        asked = known()
        names = {each.name for each in silent}
        standings = {
            name: replace(each, is_reporting=each.is_reporting and name not in names)
            for name, each in asked.standings.items()
        }
        assert drains.left(replace(asked, standings=standings), NOW) == set()


def test_a_neighbour_that_may_not_take_it_does_not_count() -> None:
    """Cordoned, revoked, or at another site by now."""
    two_more = (
        signed(builders.node(N2, scheduling="cordoned")),
        signed(builders.revocation(devices=(N3.id,))),
    )
    assert drains.left(known(*two_more), NOW) == set()
    away = (signed(builders.node(each, site="away")) for each in (N2, N3))
    assert drains.left(known(*away), NOW) == set()


def test_a_neighbour_without_room_does_not_count() -> None:
    """Another replica has the port there."""
    web = builders.workload(failover="available", ports=(builders.port(80),))
    newer = signed(builders.deployment(version=2, workloads=(web,)))
    other = builders.workload("db", replicas=2, ports=(builders.port(80),))
    db = signed(builders.deployment("db", workloads=(other,)))
    asked = known(newer, db)
    full = {Slot("db/db.1"): NodeName("n2"), Slot("db/db.2"): NodeName("n3")}
    assert drains.left(asked, NOW) == {SLOT}
    held = {**asked.holders, **full}
    assert drains.left(replace(asked, holders=held), NOW) == set()


def test_patience_ends() -> None:
    """Devices that do not hand over are not waited for."""
    assert drains.left(known(), NOW + PATIENCE - 1) == {SLOT}
    assert drains.left(known(), NOW + PATIENCE) == set()
