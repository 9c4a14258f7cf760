"""The single rules of the planner; its laws are in test_reconcile_laws."""

from dataclasses import replace

import msgspec

from node import backoff, reconcile
from node.actions import Create, Provide, Pull, Remove, Start, Stop, Wipe
from node.preflight import Room
from node.replica import Replica
from tests.support.planning import Device, kinds, ready, running
from tests.support.replicas import (
    HEALTH,
    PodmanModel,
    a_container,
    a_port,
    a_replica,
    a_workload,
    exited,
    image,
    image_id,
)


def test_a_missing_image_is_pulled_before_anything_is_created():
    """A chain of its own: a slow registry delays nothing else."""
    plan = Device(PodmanModel()).plan([a_replica()])
    assert kinds(plan) == [Pull]
    assert plan.statuses[0].state == "pulling"


def test_one_image_for_two_replicas_is_pulled_once():
    """The second one waits for the first one's pull."""
    plan = Device(PodmanModel()).plan([a_replica(), a_replica("web/web.2")])
    assert kinds(plan) == [Pull]


def test_the_old_revision_runs_while_the_new_image_is_pulled():
    """Preparing stops nothing."""
    device = ready(a_replica())
    newer = a_replica(version=2, workload=a_workload(image=image(3)))
    assert kinds(device.plan([newer])) == [Pull]


def test_a_new_revision_is_created_before_the_old_one_stops():
    """What cannot be created must not cost what runs."""
    device = ready(a_replica())
    newer = a_replica(version=2, workload=a_workload(env={"A": "2"}))
    assert kinds(device.plan([newer])) == [Create, Stop, Start, Remove]


def test_a_revision_that_changes_nothing_for_a_workload_leaves_it_alone():
    """A deploy restarts what it changes, and reports the new number for the rest."""
    device = ready(a_replica())
    plan = device.plan([a_replica(version=2)])
    assert (plan.actions, plan.statuses[0].version) == ((), 2)


def test_more_replicas_or_another_probe_restart_nothing():
    """Only what shapes the container counts as drift."""
    device = ready(a_replica())
    same = a_workload(replicas=5, takers=1, require={"a": "b"})
    assert device.plan([a_replica(version=2, workload=same)]).actions == ()


def test_a_new_term_restarts_a_strict_replica_only():
    """There the term is a promise: the workload fences with it."""
    loose, strict = a_workload(failover="available"), a_workload(failover="strict")
    kept = ready(a_replica(workload=loose)).plan([a_replica(workload=loose, term=2)])
    made = ready(a_replica(workload=strict)).plan([a_replica(workload=strict, term=2)])
    assert kept.actions == ()
    assert kinds(made) == [Stop, Remove, Create, Start]


def test_an_unwanted_container_is_stopped_and_removed():
    """Its secrets go with it."""
    wanted = a_replica(
        workload=a_workload(secrets={"t": "/run/secrets/t"}), secrets="p"
    )
    device = ready(wanted)
    plan = device.plan([])
    assert kinds(plan) == [Stop, Remove, Wipe]
    assert plan.statuses[0].state == "stopping"


def test_secrets_are_provided_after_creation_and_before_the_start():
    """A container never starts without them."""
    model = PodmanModel()
    model.images = {image_id(1)}
    wanted = a_replica(
        workload=a_workload(secrets={"t": "/run/secrets/t"}), secrets="p"
    )
    assert kinds(Device(model).plan([wanted])) == [Create, Provide, Start]


def test_a_new_container_gets_its_secrets_though_old_ones_lie_there():
    """They may belong to another user: its image was another."""
    wanted = a_replica(
        workload=a_workload(secrets={"t": "/run/secrets/t"}), secrets="p"
    )
    device = Device(PodmanModel())
    device.model.images = {image_id(1)}
    device.model.provided["tutti-web_web.1_r1"] = "p"
    assert kinds(device.plan([wanted])) == [Create, Provide, Start]


def test_a_new_value_is_provided_without_a_restart():
    """Rotation reaches the running container."""
    workload = a_workload(secrets={"t": "/run/secrets/t"})
    device = ready(a_replica(workload=workload, secrets="p"))
    plan = device.plan([a_replica(workload=workload, secrets="q")])
    assert kinds(plan) == [Provide]


def test_after_a_reboot_secrets_are_provided_before_the_start():
    """The vault is memory: it comes back empty."""
    wanted = a_replica(
        workload=a_workload(secrets={"t": "/run/secrets/t"}), secrets="p"
    )
    device = ready(wanted)
    device.model.crash(running(device.model, wanted))
    rebooted = Device(device.model)
    rebooted.model.provided.clear()
    assert kinds(rebooted.plan([wanted])) == [Provide, Start]


def test_a_replica_that_waits_is_not_started_but_its_image_is_fetched():
    """Preparing goes on while a secret is on its way."""
    plan = Device(PodmanModel()).plan([a_replica(waits_for="secret token")])
    assert kinds(plan) == [Pull]
    assert plan.statuses[0].reason == "secret token"


def test_what_runs_is_left_alone_while_its_newer_revision_waits():
    """Half a configuration is no reason to stop a whole one."""
    device = ready(a_replica())
    newer = a_workload(env={"A": "2"})
    plan = device.plan([a_replica(version=2, workload=newer, waits_for="a secret")])
    assert plan.actions == ()


def test_an_image_that_was_not_signed_for_this_machine_fails_clearly():
    """Nothing is pulled that cannot be checked."""
    workload = a_workload(image=replace_platforms())
    plan = Device(PodmanModel()).plan([a_replica(workload=workload)])
    assert plan.actions == ()
    assert "amd64" in plan.statuses[0].reason


def replace_platforms():
    """Return an image that was signed for another architecture."""
    other = msgspec.structs.replace(image().platforms[0], architecture="arm64")
    return msgspec.structs.replace(image(), platforms=(other,))


def test_a_full_disk_stops_the_pull_and_says_so():
    """A pull that fills the disk breaks more than itself."""
    room = Room(disk_free=1, memory_total=2**30, memory_available=2**30)
    plan = Device(PodmanModel()).plan([a_replica()], room=room)
    assert plan.actions == ()
    assert "disk" in plan.statuses[0].reason
    assert plan.wake_at == 1000.0 + reconcile.ROOM_AGAIN


def test_a_failed_pull_is_tried_again_after_a_pause():
    """The registry may come back."""
    device = Device(PodmanModel())
    for _ in range(2):
        plan = device.plan([a_replica()])
        device.history = reconcile.failed(
            device.history, plan.chains[0], "refused", device.now
        )
    plan = device.plan([a_replica()])
    assert (plan.actions, plan.wake_at) == ((), device.now + 1)
    assert plan.statuses[0].reason == "refused"


LATER = tuple(
    a_replica(f"db/db.{number}", workload=a_workload(image=image(number)))
    for number in (3, 4)
)


def test_what_may_be_needed_later_is_fetched_one_by_one():
    """By a device that has nothing else to do."""
    device = ready(a_replica())
    (chain,) = device.plan([a_replica()], standbys=LATER).chains
    assert chain.about == "db/db.3:1"
    assert not device.plan([a_replica()], standbys=LATER, busy={"web/web.2"}).actions
    newer = a_replica(version=2, workload=a_workload(env={"A": "2"}))
    assert Pull not in kinds(device.plan([newer], standbys=LATER))


def test_an_image_that_cannot_be_fetched_ahead_holds_up_no_other():
    """And it is not asked for again at once by a plan made meanwhile."""
    device = ready(a_replica())
    for _ in range(3):
        (chain,) = device.plan([a_replica()], standbys=LATER).chains
        device.history = reconcile.failed(
            device.history, chain, "no such image", device.now
        )
        device.plan([a_replica()], standbys=LATER, busy={"web/web.2"})
    assert chain.about == "db/db.4:1"
    plan = device.plan([a_replica()], standbys=LATER)
    device.history = reconcile.failed(
        device.history, chain, "no such image", device.now
    )
    plan = device.plan([a_replica()], standbys=LATER)
    assert (plan.actions, plan.wake_at) == ((), device.now + 1)


def test_a_failure_of_an_old_revision_is_not_held_against_the_new_one():
    """A chain may end long after its revision was replaced."""
    device = Device(PodmanModel())
    (chain,) = device.plan([a_replica()]).chains
    device.plan([a_replica(version=2)])
    after = reconcile.failed(device.history, chain, "refused", device.now)
    assert after == device.history


def crashed_twice(device: Device, wanted: Replica) -> reconcile.Plan:
    """Let a container crash, be started, and crash again."""
    device.model.crash(running(device.model, wanted))
    plan = device.plan([wanted])
    for action in plan.actions:
        device.model.perform(action)
    device.plan([wanted])
    device.model.crash(running(device.model, wanted))
    return device.plan([wanted])


def test_the_first_restart_is_immediate():
    """Most crashes are single."""
    device = ready(a_replica())
    device.model.crash(running(device.model, a_replica()))
    assert kinds(device.plan([a_replica()])) == [Start]


def test_the_second_crash_in_a_row_waits_a_second():
    """A crash loop must not eat the device."""
    device = ready(a_replica())
    plan = crashed_twice(device, a_replica())
    assert (plan.actions, plan.wake_at) == ((), device.now + 1)
    assert plan.statuses[0].state == "backing-off"


def test_podman_gets_time_for_its_own_repair():
    """It is quicker, and keeps the container's address."""
    device = ready(a_replica())
    one = running(device.model, a_replica())
    device.model.add(exited(one, 137, repair_pending=True))
    plan = device.plan([a_replica()])
    assert (plan.actions, plan.statuses[0].state) == ((), "starting")
    device.now += backoff.REPAIR_GRACE
    assert kinds(device.plan([a_replica()])) == [Start]


def test_a_process_that_podman_did_not_miss_is_made_anew():
    """Its monitor died: Podman would say "Up" for ever."""
    device = ready(a_replica())
    lost = replace(running(device.model, a_replica()), is_alive=False)
    device.model.add(lost)
    assert kinds(device.plan([a_replica()])) == []
    device.now += backoff.LOST_AFTER
    assert kinds(device.plan([a_replica()])) == [Remove, Create, Start]


def test_an_unhealthy_replica_is_killed_and_started():
    """A process that does not answer may not answer SIGTERM either."""
    wanted = a_replica(workload=a_workload(health=HEALTH))
    device = ready_unprobed(wanted)
    life = running(device.model, wanted).life
    plan = device.plan([wanted], verdicts={life: "unhealthy"})
    assert kinds(plan) == [Stop, Start]
    assert plan.actions[0].is_immediate


def ready_unprobed(wanted: Replica) -> Device:
    """Return a device on which a replica runs that nobody has probed yet."""
    model = PodmanModel()
    model.images = {image_id(1)}
    model.add(a_container(wanted))
    device = Device(model)
    device.plan([wanted])
    return device


def test_a_replica_is_healthy_when_its_probes_say_so():
    """Running is not enough where a health check was signed."""
    wanted = a_replica(workload=a_workload(health=HEALTH))
    device = ready_unprobed(wanted)
    life = running(device.model, wanted).life
    before = device.plan([wanted]).statuses[0]
    after = device.plan([wanted], verdicts={life: "healthy"}).statuses[0]
    assert (before.state, before.healthy) == ("starting", False)
    assert (after.state, after.healthy) == ("running", True)


def test_what_ran_before_this_daemon_is_healthy_at_once():
    """A restart of the daemon is no news about a container."""
    wanted = a_replica()
    model = PodmanModel()
    model.add(a_container(wanted))
    assert Device(model).plan([wanted]).statuses[0].healthy


def test_a_new_revision_that_changes_nothing_keeps_a_replica_healthy():
    """The same container has proved itself under the number before."""
    wanted = a_replica()
    model = PodmanModel()
    model.add(a_container(wanted))
    device = Device(model)
    device.plan([wanted])
    status = device.plan([replace(wanted, version=2)]).statuses[0]
    assert (status.version, status.healthy) == (2, True)


def test_a_status_tells_since_when():
    """By the device's clock at the change, not at the look."""
    device = ready(a_replica())
    first = device.plan([a_replica()], clock=50.0).statuses[0].since
    assert device.plan([a_replica()], clock=60.0).statuses[0].since == first


def test_replicas_that_swap_ports_do_not_wait_for_each_other():
    """Both stop first, then both start."""

    def wanted(first: int, second: int, version: int) -> list[Replica]:
        ports = {"web/web.1": first, "web/web.2": second}
        return [
            a_replica(slot, version, workload=a_workload(ports=(a_port(number),)))
            for slot, number in ports.items()
        ]

    device = ready(*wanted(8080, 8081, 1))
    swapped = wanted(8081, 8080, 2)
    device.settle(swapped)
    assert [running(device.model, each).ports for each in swapped] == [
        (a_port(8081),),
        (a_port(8080),),
    ]


def test_a_port_held_by_a_neighbour_is_named():
    """The one who waits says for whom."""
    workload = a_workload(ports=(a_port(8080),))
    device = ready(a_replica(workload=workload))
    second = a_replica("web/web.2", workload=workload)
    plan = device.plan([a_replica(workload=workload), second])
    assert plan.actions == ()
    assert "8080/tcp is held by web/web.1" in plan.statuses[1].reason
