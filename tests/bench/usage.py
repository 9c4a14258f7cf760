"""What processes cost: memory, processor time, bytes on the wire, as the kernel counts.

Memory is told three ways (proc(5), smaps_rollup). RSS counts every page a process maps.
PSS divides a shared page among all who map it, on the whole host: here also among the
hub, the lab and this bench, which run the same Python, so it flatters. *Alone* counts a
shared page once and whole, as on a device where nothing else runs Python: it is what a
target is judged on.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import BenchFailed

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024
MIB = 1024 * 1024
# Fields of /proc/PID/stat behind the name in brackets: utime, stime, cutime, cstime.
OWN_TIMES, CHILDRENS_TIMES = slice(11, 13), slice(13, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """In MiB."""

    rss: float
    pss: float
    alone: float


def memory(pids: Iterable[int]) -> Memory:
    """Return what these processes hold together; those that are gone hold nothing."""
    rss = pss = private = 0
    shared: dict[str, int] = {}
    for pid in pids:
        with suppress(OSError):
            totals = _totals(pid)
            rss, pss = rss + totals["Rss"], pss + totals["Pss"]
            for name, size, is_shared in _mappings(pid):
                if is_shared:
                    shared[name] = max(shared.get(name, 0), size)
                else:
                    private += size
    alone = private + sum(shared.values())
    return Memory(rss=rss * KIB / MIB, pss=pss * KIB / MIB, alone=alone * KIB / MIB)


def cpu(pids: Iterable[int]) -> float:
    """Return the seconds these processes and their ended children have used so far."""
    return sum(_times(pid, OWN_TIMES) + _times(pid, CHILDRENS_TIMES) for pid in pids)


def children_cpu(pid: int) -> float:
    """Return the seconds of the children of ``pid`` that have ended."""
    return _times(pid, CHILDRENS_TIMES)


def wire(pid: int, interface: str = "eth0") -> int:
    """Return the bytes in and out of an interface, as the process ``pid`` sees it."""
    for line in (PROC / str(pid) / "net" / "dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == interface:
            fields = counts.split()
            return int(fields[0]) + int(fields[8])
    raise BenchFailed(f"cannot find {interface} where process {pid} is")


def named(*words: str) -> set[int]:
    """Return the processes whose command line has each of these, in any place."""
    found = set()
    for path in PROC.glob("[0-9]*"):
        with suppress(OSError):
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if all(word in line for word in words):
                found.add(int(path.name))
    return found


def _totals(pid: int) -> dict[str, int]:
    totals: dict[str, int] = {}
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        totals[name] = int(rest.split()[0])
    return totals


def _mappings(pid: int) -> Iterable[tuple[str, int, bool]]:
    """Yield each mapping's name and place, its resident KiB, whether it is a file's.

    A file's pages that were written to are the process's own and counted as such.
    """
    name, anonymous, resident = "", 0, 0
    for line in (PROC / str(pid) / "smaps").read_text().splitlines():
        key, _, rest = line.partition(" ")
        if not key.endswith(":"):
            span, _, offset, device, inode, *path = line.split(maxsplit=5)
            name = f"{device} {inode} {offset} {_length(span)}" if path else ""
            if inode == "0":
                name = ""
        elif key == "Rss:":
            resident = int(rest.split()[0])
        elif key == "Anonymous:":
            anonymous = int(rest.split()[0])
            yield "", anonymous, False
            if name:
                yield name, resident - anonymous, True
            else:
                yield "", resident - anonymous, False


def _length(span: str) -> int:
    start, _, end = span.partition("-")
    return int(end, 16) - int(start, 16)


def _times(pid: int, which: slice) -> float:
    with suppress(OSError):
        stat = (PROC / str(pid) / "stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return sum(int(each) for each in fields[which]) / TICKS
    return 0.0
