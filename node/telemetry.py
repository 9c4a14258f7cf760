"""This device's own figures as flat JSON, units in the keys (DESIGN §5).

Pure functions over the text of /proc and /sys files; `read` is the thin part.
``cpu_percent`` is of all cores since the reading before; a figure the hardware does not
offer is left out rather than made up.
"""

import os
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
MILLI = 1000.0
THERMAL = "sys/class/thermal/thermal_zone0/temp"


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """Clock ticks since boot, over all cores."""

    busy: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read at one moment; ``cpu`` is kept for the next difference."""

    cpu: CpuTime
    values: dict[str, float]


def parse_cpu(stat: str) -> CpuTime:
    """Return the first line of /proc/stat; idle and iowait are not busy (proc(5))."""
    ticks = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return CpuTime(busy=sum(ticks) - idle, total=sum(ticks))


def cpu_percent(before: CpuTime, after: CpuTime) -> float:
    """Return how busy all cores were between two readings, 0 to 100."""
    total = after.total - before.total
    return round(100.0 * (after.busy - before.busy) / total, 1) if total > 0 else 0.0


def parse_memory(meminfo: str) -> dict[str, float]:
    """Return used and total memory in bytes from /proc/meminfo."""
    found = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    total = int(found["MemTotal"].split()[0]) * KIB
    available = int(found["MemAvailable"].split()[0]) * KIB
    return {"mem_used_bytes": total - available, "mem_total_bytes": total}


def read(before: CpuTime | None, disk: Path, root: Path = Path("/")) -> Reading:
    """Read this device; ``disk`` lies on the file system whose space is told."""
    cpu = parse_cpu((root / "proc/stat").read_text())
    values = parse_memory((root / "proc/meminfo").read_text())
    values["cpu_percent"] = cpu_percent(before, cpu) if before else 0.0
    values["load_1m"] = float((root / "proc/loadavg").read_text().split()[0])
    values["uptime_s"] = float((root / "proc/uptime").read_text().split()[0])
    space = os.statvfs(disk)
    values["disk_free_bytes"] = space.f_bavail * space.f_frsize
    values["disk_total_bytes"] = space.f_blocks * space.f_frsize
    values |= _temperature(root)
    return Reading(cpu=cpu, values=values)


def _temperature(root: Path) -> dict[str, float]:
    try:
        return {"temp_c": int((root / THERMAL).read_text()) / MILLI}
    except (OSError, ValueError):
        return {}
