"""What a container's state means, by Podman's word and the kernel's."""

from dataclasses import replace

from tests.support.replicas import a_container, a_replica, a_workload, exited

ALIVE = a_container(a_replica())


def test_running_needs_both_podman_and_the_kernel():
    """Podman says "running" for ever when its monitor died."""
    assert ALIVE.is_running
    assert not replace(ALIVE, is_alive=False).is_running


def test_lost_is_running_without_a_process():
    """Also while it is being stopped or removed; an ended one is not lost."""
    dead = replace(ALIVE, is_alive=False)
    assert dead.is_lost
    assert replace(dead, state="stopping").is_lost
    assert not exited(ALIVE).is_lost


def test_another_process_is_another_life():
    """Whoever started it: Podman's repair changes the process only."""
    assert replace(ALIVE, pid=7).life != ALIVE.life
    assert replace(ALIVE, started_at=7).life != ALIVE.life


def test_only_strict_failover_makes_a_replica_strict():
    """The others may run twice for a moment."""
    assert a_replica(workload=a_workload(failover="strict")).is_strict
    assert not a_replica(workload=a_workload(failover="available")).is_strict
