"""What a bench hands back, and how it is shown: a table for people, JSON for machines.

A figure keeps every value it was made from; median, smallest and largest are counted
when it is shown. A target is judged on what was measured in the same run. Each report
says what command made it, when, and on what machine: figures of two machines are never
compared.
"""

import fcntl
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = Path("/run/tutti/bench.lock")
GIB = 1024**3
IDLE = 3  # the fourth counter in /proc/stat; waiting for a disk is the next
QUIET_FOR, QUIET_WITHIN = 0.5, 20.0
QUIET_SHARE = 0.85
"""Part of all processors that is idle on a machine that has nothing else to do."""


class BenchFailed(Exception):  # noqa: N818 - reads as what happened
    """A bench could not measure what it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing of one system, measured so many times; ``unit`` is s, MiB or %."""

    what: str
    who: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)

    def percentile(self, share: float) -> float:
        """Return the smallest value that ``share`` (0–1) of the values do not pass."""
        ordered = sorted(self.values)
        rank = max(1, -(-len(ordered) * round(share * 100) // 100))
        return ordered[rank - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A number that was promised, and what was reached."""

    what: str
    value: float
    at_most: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.value <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one bench found; notes say what a reader must know to believe it."""

    bench: str
    figures: tuple[Figure, ...]
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What stands beside every figure, or nobody can measure it again."""

    command: str
    machine: str
    date: str
    revision: str
    load: float
    """The machine's load average over 15 minutes: what else it was busy with."""


def circumstances() -> Circumstances:
    """Return what is true of this run."""
    return Circumstances(
        command=" ".join(("just bench", *sys.argv[1:])),
        machine=machine(),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        revision=_revision(),
        load=os.getloadavg()[2],
    )


def machine() -> str:
    """Return what the figures depend on: processor, memory, kernel, versions."""
    release = platform.freedesktop_os_release()["PRETTY_NAME"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {release}, "
        f"kernel {platform.release()}, Python {platform.python_version()}, "
        f"{_said('podman', '--version').replace(' version', '')}"
    )


def table(report: Report) -> str:
    """Return a report for people."""
    width = max(len(each.what) for each in report.figures)
    here = circumstances()
    lines = [here.command, here.machine]
    lines += [f"{here.date}, {here.revision}, load {here.load:.1f}", ""]
    lines.append(f"{'':<{width}}  {'':<10} {'median':>9} {'min':>9} {'max':>9}    n")
    lines += [_row(each, width) for each in report.figures]
    if report.targets:
        lines.append("")
    lines += [_verdict(each) for each in report.targets]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def as_json(report: Report) -> str:
    """Return a report for machines, every single value in it."""
    shown = asdict(report) | asdict(circumstances())
    shown["figures"] = [_with_summary(each) for each in report.figures]
    shown["targets"] = [asdict(each) | {"met": each.is_met} for each in report.targets]
    return json.dumps(shown, indent=2)


def ratio(what: str, one: Figure, other: Figure, at_most: float) -> Target:
    """Return a target on the medians of two figures of the same run."""
    return Target(what=what, value=one.median / other.median, at_most=at_most, unit="×")


@contextmanager
def alone() -> Iterator[None]:
    """Let no other bench run on this machine meanwhile: they would measure each other.

    Raises `BenchFailed` when one runs.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchFailed(f"cannot run: another bench holds {LOCK}") from None
        yield


def wait_quiet() -> None:
    """Wait, but not for ever, until nobody else keeps the processors busy."""
    end = time.monotonic() + QUIET_WITHIN
    before = _processor_times()
    while time.monotonic() < end:
        time.sleep(QUIET_FOR)
        now = _processor_times()
        total, idle = now[0] - before[0], now[1] - before[1]
        if total and idle / total >= QUIET_SHARE:
            return
        before = now
    progress("the machine does not get quiet: expect figures that are too large")


def compiled(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return an environment in which Python keeps its bytecode, below ``folder``.

    A test run may forbid writing bytecode into the tree; who uses a tool has it.
    """
    wanted = {**environment, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    wanted.pop("PYTHONDONTWRITEBYTECODE", None)
    return wanted


def progress(sentence: str) -> None:
    """Say what is going on, beside the report and not in it."""
    print(f"bench: {sentence}", file=sys.stderr, flush=True)


def run(words: Sequence[str], **more: Any) -> str:
    """Return what a program printed; raise `BenchFailed` with what it complained of."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        shown = " ".join(words)
        raise BenchFailed(f"cannot run {shown}: {done.stderr.strip()}{done.stdout}")
    return done.stdout


def _with_summary(figure: Figure) -> dict[str, Any]:
    summary = {"median": figure.median, "min": figure.least, "max": figure.most}
    return asdict(figure) | summary


def _row(figure: Figure, width: int) -> str:
    values = (figure.median, figure.least, figure.most)
    shown = " ".join(f"{_number(each, figure.unit):>9}" for each in values)
    return f"{figure.what:<{width}}  {figure.who:<10} {shown} {len(figure.values):>4}"


def _verdict(target: Target) -> str:
    value = _number(target.value, target.unit)
    limit = _number(target.at_most, target.unit)
    word = "met   " if target.is_met else "MISSED"
    return f"{word}  {target.what}: {value}, target ≤ {limit}"


def _number(value: float, unit: str) -> str:
    digits = {"s": 3, "ms": 0, "MiB": 1, "×": 2, "%": 2, "kbit/s": 3}.get(unit, 0)
    return f"{value:.{digits}f} {unit}" if unit != "×" else f"{value:.{digits}f}×"


def _processor_times() -> tuple[int, int]:
    """Return ticks since boot, all of them and the idle ones (proc(5), /proc/stat)."""
    ticks = [int(each) for each in _first_line("/proc/stat").split()[1:]]
    return sum(ticks), ticks[IDLE] + ticks[IDLE + 1]


def _first_line(path: str) -> str:
    with Path(path).open() as file:
        return file.readline()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _revision() -> str:
    words = ("git", "-c", "safe.directory=*", "-C", str(ROOT))
    head = _said(*words, "rev-parse", "--short", "HEAD")
    changed = _said(*words, "status", "--porcelain", "edge", "hub", "netmesh", "node")
    return f"{head}, with uncommitted changes" if changed else head


def _said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip()
