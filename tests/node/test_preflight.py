"""Whether there is room before anything is fetched."""

from dataclasses import replace

from edge.model import MIB, Resources
from node import preflight
from node.preflight import Room
from tests.support.replicas import a_workload

WIDE = Room(disk_free=2048 * MIB, memory_total=1024 * MIB, memory_available=512 * MIB)


def test_enough_room_is_no_problem():
    """The usual case says nothing."""
    assert preflight.problem(WIDE, a_workload()) == ""


def test_a_reserve_of_disk_is_always_left():
    """Podman's database and our state need to be written."""
    tight = replace(WIDE, disk_free=preflight.DISK_RESERVE + 1)
    assert "of disk" in preflight.problem(tight, a_workload())


def test_a_known_size_is_counted_unpacked():
    """Layers are fetched, then unpacked beside themselves."""
    room = replace(WIDE, disk_free=preflight.DISK_RESERVE + 300 * MIB)
    assert preflight.problem(room, a_workload(), image_bytes=100 * MIB) == ""
    assert preflight.problem(room, a_workload(), image_bytes=101 * MIB) != ""


def test_a_limit_may_exceed_what_is_free_now():
    """The old revision still runs and gives its memory back."""
    big = a_workload(resources=Resources(memory=900 * MIB))
    assert preflight.problem(WIDE, big) == ""


def test_a_limit_beyond_the_device_is_refused():
    """With both figures and what to change."""
    huge = a_workload(resources=Resources(memory=2048 * MIB))
    assert "2048 MiB" in preflight.problem(WIDE, huge)


def test_no_free_memory_delays_the_pull():
    """Unpacking would bring the out-of-memory killer to what runs."""
    full = replace(WIDE, memory_available=1 * MIB)
    assert "unpack" in preflight.problem(full, a_workload())
