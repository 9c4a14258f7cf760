"""What a plan means on each device: waves, orders, who loses service."""

import msgspec

from edge.ctl import impact
from edge.model import MIB, Health, Port, Resources
from edge.names import NodeName, Slot
from edge.placement import Held
from edge.staging.shapes import Limit, Wave, Window
from edge.staging.waves import wave_of
from tests.support import builders as a
from tests.support.drafts import ground, next_version, planned, stays, version, view

THREE = tuple(view(f"n{number}") for number in (1, 2, 3))
OLD = version(1, a.workload("web", replicas=3))


def web(**changes):
    """Return three replicas that differ from `OLD` in a variable."""
    return a.workload("web", replicas=3, **{"env": {"A": "1"}, **changes})


def test_each_device_is_told_its_wave():
    """The canary first, counted from 1."""
    plan = stays(ground(OLD, next_version(web()), *THREE), 3)
    assert {each.node: each.wave for each in plan.changes} == {
        "n1": 1,
        "n2": 2,
        "n3": 2,
    }
    assert plan.course[1:] == ("wave 1 (n1): n1", "wave 2 (100%): n2, n3")


def test_a_share_is_the_hash_that_every_device_computes():
    """The plan and the devices cannot disagree."""
    waves = (Wave(share=2_500), Wave(share=10_000))
    after = next_version(web(), waves=waves)
    plan = stays(ground(OLD, after, *THREE), 3)
    assert after.rollout
    assert [each.wave for each in plan.changes] == [
        wave_of("web", after.rollout, each.node) + 1 for each in plan.changes
    ]


def test_the_limits_are_said():
    """How many at a time, what proves a device, and what happens on failure."""
    plan = stays(ground(OLD, next_version(web()), *THREE), 3)
    assert plan.course[0] == (
        "canary, at most 1 away at a time; each proves itself by 10s of health;"
        " all go back to version 1 when one fails"
    )


def test_every_limit_that_is_set_is_said():
    """Sites, windows, and a pause instead of the way back."""
    window = Window(opens="0 2 * * *", lasts=7200.0, zone="Europe/Berlin")
    limits = {
        "max_unavailable": Limit(share=2_500),
        "group_by": "site",
        "on_failure": "pause",
        "window": window,
    }
    plan = stays(ground(OLD, next_version(web(), **limits), *THREE), 3)
    assert plan.course[0] == (
        "canary, at most 25% away at a time, never two of one site; each proves itself"
        " by 10s of health; begins only while its window is open (0 2 * * *,"
        " Europe/Berlin, for 2h); pauses when one fails"
    )


def test_a_wave_nobody_is_in_is_shown():
    """A canary that is no device of this deployment would hold nobody."""
    waves = (Wave(nodes=("n9",)), Wave(share=10_000))
    plan = stays(ground(OLD, next_version(web(), waves=waves), *THREE), 3)
    assert plan.course[1] == "wave 1 (n9): nobody yet"


def test_what_stays_as_it_is_has_no_wave():
    """A new number alone restarts nothing."""
    plan = stays(ground(OLD, next_version(*OLD.workloads), *THREE), 3)
    assert {(each.wave, each.order) for each in plan.changes} == {(0, "")}
    assert plan.course == plan.losses == ()


def test_without_a_way_back_there_are_no_waves():
    """A first version is everywhere at once, whatever it says."""
    after = version(2, web(), rollout=a.rollout())
    plan = stays(ground(OLD, after, *THREE), 3)
    assert {each.wave for each in plan.changes} == {0}
    assert {each.order for each in plan.changes} == {"start-first"}
    assert plan.course == ()


def test_start_first_loses_nothing():
    """And says why, and what it costs."""
    plan = stays(ground(OLD, next_version(web()), *THREE), 3)
    assert {each.order for each in plan.changes} == {"start-first"}
    assert plan.losses == (
        "web: start-first, because two copies do not clash: nobody loses it",
    )


def test_start_first_costs_memory_meanwhile():
    """Where there is a limit to tell."""
    after = next_version(web(resources=Resources(memory=32 * MIB)))
    (said,) = stays(ground(OLD, after, *THREE), 3).losses
    assert said.endswith("32MiB more memory on its device while both run")


def test_stop_first_says_who_serves_meanwhile_and_for_how_long():
    """An estimate, and called one."""
    ports = (Port(host=80, container=80),)
    after = next_version(web(ports=ports, health=Health(tcp=":80", every=1.0)))
    plan = stays(ground(OLD, after, *THREE), 3)
    (said,) = plan.losses
    assert said == (
        "web: stop-first, because host port 80 is held by the one that runs: each is"
        " away for about 13 s (an estimate: 10 s to stop at most, 3 s to start);"
        " 2 of 3 serve meanwhile"
    )


def test_without_a_rollout_all_are_away_at_once():
    """That is what waves are for."""
    (said,) = stays(ground(OLD, version(2, web()), *THREE), 3).losses
    assert "because the manifest has no [rollout]" in said
    assert said.endswith("nobody else serves meanwhile")


def test_one_on_each_device_has_no_stand_in():
    """Each device loses its own."""
    before = version(1, a.workload("web", every="*"))
    after = next_version(a.workload("web", every="*", devices=("/dev/video0",)))
    places = {f"web/web@n{number}": f"n{number}" for number in (1, 2, 3)}
    plan = planned(ground(before, after, *THREE), places, places)
    assert plan.losses[0].endswith(", 1 of 3 devices at a time")


def test_a_limit_of_nothing_and_stop_first_never_begin():
    """The manifest allows it, because ``auto`` might start first; the plan tells."""
    after = next_version(web(network="host"), max_unavailable=Limit())
    (said,) = stays(ground(OLD, after, *THREE), 3).losses
    assert said.endswith("it is never replaced, for max_unavailable is 0")


def test_new_and_moved_replicas_lose_nothing_here():
    """Nothing on the device is replaced."""
    found = ground(OLD, next_version(web()), *THREE)
    plan = planned(found, {"web/web.1": "n1", "web/web.2": "n3"}, {"web/web.2": "n2"})
    assert {each.order for each in plan.changes} == {""}
    assert {each.wave for each in plan.changes} == {1, 2}
    assert plan.losses == ()


def test_too_little_memory_for_two_copies_is_said():
    """What other deployments were promised counts."""
    other = Held(
        node=NodeName("n1"),
        workload=a.workload("other", resources=Resources(memory=500 * MIB)),
    )
    after = next_version(web(resources=Resources(memory=300 * MIB)))
    found = ground(OLD, after, *THREE, others={Slot("other/other.1"): other})
    assert stays(found, 3).shortages == (
        "n1 has 160 MiB of memory to promise, a second web.1 needs 300 MiB",
    )


def test_a_device_that_never_said_what_it_has_is_left_out():
    """Nothing is known, nothing is claimed."""
    after = next_version(web(resources=Resources(memory=2048 * MIB)))
    dark = tuple(msgspec.structs.replace(each, memory=0) for each in THREE)
    assert stays(ground(OLD, after, *dark), 3).shortages == ()


def test_a_few_devices_are_named_and_the_rest_counted():
    """A thousand lines say less than five."""
    assert impact.some(f"n{number}" for number in range(7)) == (
        "n0",
        "n1",
        "n2",
        "n3",
        "n4",
        "and 2 more devices",
    )
    assert impact.named(["a", "b", "c", "d", "e"]) == "a, b, c, d, e"
    assert impact.named(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"


def test_a_thousand_devices_are_told_once_each():
    """Counts, not time: every device has one line and one wave."""
    many = tuple(view(f"n{number}") for number in range(1, 1001))
    waves = (Wave(nodes=("n1",)), Wave(share=1_000), Wave(share=10_000))
    before = version(1, a.workload("web", replicas=1000))
    after = next_version(a.workload("web", replicas=1000, env={"A": "1"}), waves=waves)
    plan = stays(ground(before, after, *many), 1000)
    assert len(plan.changes) == 1000
    assert [each.wave for each in plan.changes].count(1) == 1
    assert 50 < [each.wave for each in plan.changes].count(2) < 150
    assert all(len(said) < 200 for said in (*plan.course, *plan.losses))


def test_two_sets_are_said_with_what_both_of_them_take():
    """Until when they run, and the memory at its peak."""
    old = version(1, a.workload("web", resources=Resources(memory=64 * MIB)))
    new = a.workload("web", env={"A": "2"}, resources=Resources(memory=32 * MIB))
    limits = {"strategy": "blue-green", "keep_for": 600.0}
    after = next_version(new, waves=(Wave(share=10_000),), **limits)
    plan = stays(ground(old, after, view("n1")), 1)
    assert plan.course[0] == (
        "blue-green, the old set runs on until the promote and 10m after it; each"
        " proves itself by 10s of health; all go back to version 1 when one fails"
    )
    (said,) = plan.losses
    assert said == (
        "web: start-first, because both sets run until the promote: nobody loses it;"
        " 64MiB more memory on its device while both run"
    )


def test_too_little_memory_for_two_sets_is_said():
    """What the old set holds is held until it leaves."""
    old = version(1, a.workload("web", resources=Resources(memory=900 * MIB)))
    new = a.workload("web", env={"A": "2"}, resources=Resources(memory=64 * MIB))
    after = next_version(new, strategy="blue-green")
    (said,) = stays(ground(old, after, view("n1")), 1).shortages
    assert said.startswith("n1 has ")
    assert said.endswith("a second web.1 needs 900 MiB")
