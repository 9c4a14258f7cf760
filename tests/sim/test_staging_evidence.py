"""Rollouts whose evidence does not count any more: what the operator's word does."""

import msgspec

from edge.documents import Revocation
from edge.sim import fleet
from edge.staging.shapes import Limit, Wave
from tests.support.shop import LIMITS, Shop


def revoke(shop: Shop, name: str) -> None:
    """Trust a device no longer."""
    device = shop.world.hub.state.ledger.names[name]
    word = Revocation(
        fleet=fleet.FLEET, version=1, issued_at=fleet.EPOCH, devices=(device,)
    )
    shop.post(word)


def test_one_that_comes_after_the_canary_was_revoked_changes_on_a_promote() -> None:
    """The event says so; before that it keeps the version it has."""
    shop = Shop()
    waves = (Wave(nodes=("n2",)), Wave(share=10_000))
    limits = msgspec.structs.replace(LIMITS, waves=waves)
    shop.world.nodes["n5"].kill()
    shop.world.run(shop.world.kernel.now + 60.0)
    shop.deploy(2, fallback=1, limits=limits)
    shop.until(lambda: shop.phase() == "done")
    revoke(shop, "n2")
    assert shop.told().endswith("`edgectl rollout promote web` does without")
    shop.world.nodes["n5"].boot()
    shop.world.run(shop.world.kernel.now + 60.0)
    assert shop.versions()["n5"] == [1]
    shop.say("promote", 1, target=2, wave=1)
    shop.until(lambda: shop.versions()["n5"] == [2])


def test_one_that_comes_after_the_failed_one_was_revoked_goes_back_on_an_abort() -> (
    None
):
    """Nobody's word takes a version away, except a device's own and the operator's."""
    shop = Shop()
    waves = (Wave(nodes=("n5",)), Wave(share=10_000))
    limits = msgspec.structs.replace(LIMITS, waves=waves)
    shop.deploy(2, fallback=1, limits=limits)
    shop.breaks(2, "n6")
    shop.until(lambda: shop.wave() == 1)
    shop.world.nodes["n5"].kill()
    shop.until(lambda: shop.phase() == "failed")
    revoke(shop, "n6")
    assert shop.told().endswith("`edgectl rollout abort web` ends it there")
    shop.world.nodes["n5"].boot()
    shop.world.run(shop.world.kernel.now + 60.0)
    assert shop.versions()["n5"] == [2]
    shop.say("abort", 1, target=2)
    shop.until(lambda: shop.versions()["n5"] == [1])


def test_one_that_was_away_during_a_promote_and_a_pause_is_not_left_behind() -> None:
    """The resume carries the promote on."""
    shop = Shop()
    limits = msgspec.structs.replace(
        LIMITS,
        waves=(Wave(nodes=("n1", "n2", "n3")), Wave(share=10_000)),
        max_unavailable=Limit(count=6),
        healthy_for=100.0,
    )
    shop.world.nodes["n5"].kill()
    shop.world.run(shop.world.kernel.now + 60.0)
    shop.deploy(2, fallback=1, limits=limits)
    shop.say("promote", 1, target=2, wave=1)
    shop.world.run(shop.world.kernel.now + 0.5)
    shop.say("pause", 2, target=2, wave=1)
    shop.world.run(shop.world.kernel.now + 30.0)
    shop.say("resume", 3, target=2, wave=1)
    shop.world.nodes["n5"].boot()
    shop.until(lambda: 2 in shop.versions()["n5"], within=60.0)
    assert not any(unit.proved for unit in shop.units())
