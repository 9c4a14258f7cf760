"""Rollouts by the real hub and real devices in virtual time: what operators see."""

import msgspec

from edge.staging.shapes import Limit, Wave
from tests.support import builders
from tests.support.shop import LIMITS, Shop


def test_a_good_version_goes_through_all_waves() -> None:
    """The canary, then two, then everybody; each on the word of those before."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.until(lambda: shop.count(2) == 1)
    assert shop.versions()["n2"] == [2]
    shop.until(lambda: shop.phase() == "done")
    assert shop.count(2) == 6
    assert [line.partition(" ")[2] for line in shop.told().splitlines()] == [
        "web revision 2: wave 1 of 3 is open",
        "web revision 2: wave 2 of 3 is open",
        "web revision 2: wave 3 of 3 is open",
        "web revision 2 is done",
    ]


def test_a_bad_version_runs_on_the_canary_only() -> None:
    """It goes back by itself, and nobody else ever sees that version."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.breaks(2)
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(1) == 6)
    assert {each.node for each in shop.world.record if each.version == 2} == {"n2"}
    assert "web/web@n2 failed at revision 2 on n2: failed 2 times" in shop.told()


def test_a_version_that_is_bad_somewhere_is_taken_back_everywhere() -> None:
    """Also where it does well; each device on the word of the one where it failed."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.until(lambda: shop.wave() == 2)
    shop.breaks(2, "n5")
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(1) == 6)
    assert shop.count(2) == 0
    assert "web/web@n5 failed at revision 2 on n5" in shop.told()


def test_a_hub_that_forgets_in_any_phase_comes_to_the_same_end() -> None:
    """A restart, with and without its memory of the rollout."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    for wave in range(3):
        shop.until(lambda wave=wave: shop.wave() >= wave)
        shop.forget()
    shop.until(lambda: shop.phase() == "done")
    assert shop.count(2) == 6


def test_a_hub_that_forgets_while_all_go_back_goes_on_with_it() -> None:
    """That the bad one was assigned the version before says enough."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.until(lambda: shop.wave() == 2)
    shop.breaks(2, "n5")
    shop.until(lambda: shop.phase() == "going-back")
    shop.forget()
    shop.until(lambda: shop.phase() == "failed")
    shop.until(lambda: shop.count(1) == 6)
    assert shop.count(2) == 0


def test_an_aborted_version_goes_from_everywhere() -> None:
    """On the operator's word, whatever is said after it."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.until(lambda: shop.count(2) >= 3)
    shop.say("abort", 1, target=2)
    shop.until(lambda: shop.phase() == "aborted")
    assert shop.count(1) == 6


def test_a_paused_rollout_waits_for_the_operator() -> None:
    """And a promote does not wait for proofs."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.say("pause", 1, target=2)
    shop.world.run(shop.world.kernel.now + 60.0)
    assert (shop.phase(), shop.count(2)) == ("paused", 1)
    shop.say("promote", 2, target=2, wave=2)
    shop.until(lambda: shop.phase() == "done")


def test_a_newer_version_takes_over_in_the_middle() -> None:
    """The canary of the older one keeps it until its turn comes."""
    shop = Shop()
    shop.deploy(2, fallback=1)
    shop.until(lambda: shop.count(2) == 3)
    shop.deploy(3, fallback=1)
    shop.until(lambda: shop.phase() == "done")
    assert shop.count(3) == 6


def test_a_device_that_was_away_gets_the_version_when_it_is_back() -> None:
    """It holds up nobody meanwhile."""
    shop = Shop()
    shop.world.nodes["n5"].kill()
    shop.world.run(shop.world.kernel.now + 60.0)
    shop.deploy(2, fallback=1)
    shop.until(lambda: shop.phase() == "done")
    assert shop.count(2) == 5
    shop.world.nodes["n5"].boot()
    shop.until(lambda: shop.count(2) == 6)


def test_a_slot_that_is_taken_over_runs_what_its_neighbour_may() -> None:
    """The wave of the taker is not open: it runs the version before until it is.

    The canary carries nothing any more that could prove the new one: the operator is
    asked.
    """
    movable = builders.workload(replicas=2, failover="available")
    shop = Shop(workload=movable)
    holder = next(name for name, versions in shop.versions().items() if versions)
    waves = (Wave(nodes=(holder,)), Wave(share=10_000))
    limits = msgspec.structs.replace(LIMITS, waves=waves, healthy_for=60.0)
    shop.deploy(2, fallback=1, limits=limits)
    shop.until(lambda: shop.count(2) == 1)
    shop.world.nodes[holder].kill()
    shop.until(lambda: shop.count(1) == 2)
    shop.world.nodes[holder].boot()
    shop.until(lambda: shop.phase() == "paused")
    assert shop.told().endswith("no device of wave 1 can prove revision 2")
    shop.say("promote", 1, target=2, wave=1)
    shop.until(lambda: shop.phase() == "done")
    assert shop.count(2) == 2


def test_a_next_version_has_not_failed_where_the_last_one_did() -> None:
    """Each is on trial for itself, also while all go back from the one before."""
    shop = Shop()
    limits = msgspec.structs.replace(LIMITS, max_unavailable=Limit(count=1))
    shop.deploy(2, fallback=1, limits=limits)
    shop.breaks(2, "n6")
    shop.until(lambda: shop.phase() == "going-back")
    shop.deploy(3, fallback=1, limits=limits)
    shop.until(lambda: shop.phase() == "done")
    assert shop.count(3) == 6
