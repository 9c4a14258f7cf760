"""Rollouts whose slots move: the versions ask for others, or devices are drained."""

import msgspec

from edge.documents import Node
from edge.sim import fleet
from edge.staging.shapes import Rollout, Wave
from tests.support import builders
from tests.support.shop import LIMITS, WEB, Shop

ONE, THREE = builders.workload(replicas=1), builders.workload(replicas=3)


def limits(*names: str) -> Rollout:
    """These devices first, then all."""
    first = (Wave(nodes=names),) if names else ()
    return msgspec.structs.replace(LIMITS, waves=(*first, Wave(share=10_000)))


def holder_of(shop: Shop) -> str:
    """The device of the one replica."""
    return next(name for name, versions in shop.versions().items() if versions)


def test_a_workload_that_only_the_newest_has_fails_and_all_go_back() -> None:
    """Its slot has no place then, and its report is the evidence all the same."""
    shop = Shop()
    more = (WEB, builders.workload("extra", every="*"))
    shop.deploy(2, fallback=1, limits=limits("n2"), workloads=more)
    shop.until(lambda: shop.wave() == 1)
    shop.breaks(2, "n5", slot="web/extra@n5")
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(2) == 0)
    assert shop.count(1) == 6


def test_a_replica_that_only_the_newest_has_fails_and_all_are_gone() -> None:
    """Also those that did well: their devices give them up on the word of it."""
    shop = Shop(workload=ONE)
    holder = holder_of(shop)
    shop.deploy(2, fallback=1, limits=limits(holder), workloads=(THREE,))
    shop.until(lambda: shop.count(2) == 3)
    extra = next(
        name for name, ran in shop.versions().items() if ran and name != holder
    )
    shop.breaks(2, extra)
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(2) == 0)
    assert shop.versions()[holder] == [1]


def test_a_failure_of_the_first_replica_takes_the_new_ones_along() -> None:
    """They have no version before, and nothing to stay for."""
    shop = Shop(workload=ONE)
    holder = holder_of(shop)
    shop.breaks(2, holder)
    shop.deploy(2, fallback=1, limits=limits("n2", "n4"), workloads=(THREE,))
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(2) == 0)
    assert shop.versions()[holder] == [1]


def test_an_abort_ends_replicas_that_only_the_newest_has() -> None:
    """On the operator's word."""
    shop = Shop(workload=ONE)
    holder = holder_of(shop)
    shop.deploy(2, fallback=1, limits=limits(holder), workloads=(THREE,))
    shop.until(lambda: shop.count(2) == 3)
    shop.say("abort", 1, target=2)
    shop.until(lambda: shop.phase() == "aborted")
    shop.until(lambda: shop.count(2) == 0)
    assert shop.versions()[holder] == [1]


def test_from_every_device_to_a_number_and_back() -> None:
    """The slots are others: the old ones stay until the rollout is over."""
    shop = Shop()
    shop.deploy(2, fallback=1, limits=limits(), workloads=(THREE,))
    shop.until(lambda: shop.count(2) == 3)
    assert shop.count(1) == 6
    shop.until(lambda: shop.phase() == "done")
    shop.until(lambda: (shop.count(1), shop.count(2)) == (0, 3))
    shop.deploy(3, fallback=2, limits=limits(), workloads=(WEB,))
    shop.until(lambda: shop.count(3) >= 1)
    shop.say("abort", 1, target=3)
    shop.until(lambda: shop.phase() == "aborted")
    shop.until(lambda: (shop.count(2), shop.count(3)) == (3, 0))


def test_what_moved_with_the_newest_version_moves_back() -> None:
    """To a site that only the version before names."""
    shop = Shop(workload=builders.workload(sites=("north",)))
    holder = holder_of(shop)
    south = builders.workload(sites=("south",))
    later = msgspec.structs.replace(limits(), healthy_for=60.0)
    shop.deploy(2, fallback=1, limits=later, workloads=(south,))
    shop.until(lambda: shop.count(2) == 1)
    shop.say("abort", 1, target=2)
    shop.until(lambda: shop.phase() == "aborted")
    shop.until(lambda: (shop.count(1), shop.count(2)) == (1, 0))
    assert shop.versions()[holder] == [1]


def test_labels_that_only_the_newest_has_dropped_count_again_after_a_failure() -> None:
    """Devices that the version before is not for run nothing then."""
    shop = Shop(workload=builders.workload(every="*", sites=("north",)))
    shop.breaks(2, "n1")
    shop.deploy(2, fallback=1, limits=limits("n4"), workloads=(WEB,))
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(2) == 0)
    assert shop.count(1) == 3


def drain(shop: Shop, name: str) -> None:
    """Empty a device."""
    ledger = shop.world.hub.state.ledger
    device = ledger.names[name]
    before = ledger.nodes.get(device)
    document = Node(
        fleet=fleet.FLEET,
        name=name,
        device=device,
        version=before.version + 1 if before else 1,
        member=ledger.members[device].digest,
        site=ledger.site_of(device),
        issued_at=fleet.EPOCH,
        scheduling="drained",
    )
    shop.post(document)


def test_a_canary_that_is_drained_serves_until_its_taker_does() -> None:
    """Which runs the version before: its wave is not open."""
    two = builders.workload(replicas=2, failover="available")
    shop = Shop(workload=two)
    holder = holder_of(shop)
    later = msgspec.structs.replace(limits(holder), healthy_for=60.0)
    shop.deploy(2, fallback=1, limits=later)
    shop.until(lambda: shop.count(2) == 1)
    drain(shop, holder)
    ran = []
    for _ in range(100):
        shop.world.run(shop.world.kernel.now + 0.2)
        ran.append(sum(map(len, shop.versions().values())))
    assert min(ran) == 2
    assert shop.versions()[holder] == []
    assert shop.count(1) == 2
