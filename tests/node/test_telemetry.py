"""Figures from /proc, pure and from this machine."""

from pathlib import Path

from node import telemetry
from node.telemetry import CpuTime

STAT = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n"
MEMINFO = "MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:   400 kB\n"


def test_waiting_for_the_disk_is_not_busy():
    """Idle and iowait are the rest."""
    assert telemetry.parse_cpu(STAT) == CpuTime(busy=150, total=1000)


def test_percent_is_between_two_readings():
    """Half of the ticks in between were busy."""
    before, after = CpuTime(busy=100, total=1000), CpuTime(busy=150, total=1100)
    assert telemetry.cpu_percent(before, after) == 50.0


def test_no_time_between_readings_is_zero():
    """The first moment divides by nothing."""
    same = CpuTime(busy=1, total=10)
    assert telemetry.cpu_percent(same, same) == 0.0


def test_used_memory_is_what_is_not_available():
    """Caches that can be dropped are not used."""
    assert telemetry.parse_memory(MEMINFO) == {
        "mem_used_bytes": 600 * 1024,
        "mem_total_bytes": 1000 * 1024,
    }


def test_this_machine_can_be_read(tmp_path):
    """All figures are numbers; a temperature only where there is a sensor."""
    reading = telemetry.read(None, tmp_path)
    assert {"cpu_percent", "mem_used_bytes", "disk_free_bytes"} <= set(reading.values)
    has_sensor = (Path("/") / telemetry.THERMAL).exists()
    assert ("temp_c" in reading.values) <= has_sensor
