"""The systemd units are as closed as docs/systemd.md says, line by line."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNITS = {
    "edge-hub.service": ROOT / "hub/systemd/edge-hub.service",
    "edge-node.service": ROOT / "node/systemd/edge-node.service",
    "edge-guard.service": ROOT / "node/systemd/edge-guard.service",
    "edge-leave.service": ROOT / "node/systemd/edge-leave.service",
}

# Exposure on systemd's scale, 0 (closed) to 10 (open), as version 252 counts it.
HIGHEST_EXPOSURE = {
    "edge-hub.service": 2.0,
    "edge-node.service": 1.9,
    "edge-guard.service": 1.0,
    "edge-leave.service": 0.9,
}

IMAGE = ROOT / "firmware-images/common/tree/usr/lib/systemd/system"
"""Units that only an image has; the running system is asked in tests/firmware."""
HIGHEST_IN_IMAGE = {
    "edge-boot-ok.service": 2.2,
    "edge-console.service": 1.7,
    "edge-firstboot.service": 1.6,
    "edge-wifi@.service": 2.7,
}
PROGRAM = re.compile(
    r"^(ExecStart|ExecStop)=-?/(opt/tutti|sbin|usr/lib/tutti)/.*$", re.MULTILINE
)
"""A command that the machine of this test need not have."""

# The page's tables: | `Directive=value` | exposure without it | …
ROW = re.compile(
    r"^\| `(?P<line>[A-Za-z]+=[^`]*)` \| (?P<without>\d+\.\d) \|", re.MULTILINE
)


def exposure(text: str, folder: Path, name: str) -> float:
    """What systemd-analyze makes of a unit with this text."""
    unit = folder / name
    unit.write_text(text)
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        text=True,
    ).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", told)
    assert found, told
    return float(found[1])


def rows(name: str) -> list[tuple[str, float]]:
    """The lines of this unit that docs/systemd.md prices."""
    page = (ROOT / "docs/systemd.md").read_text()
    section = page.split(f"## {name}", 1)[1].split("\n## ", 1)[0]
    return [(row["line"], float(row["without"])) for row in ROW.finditer(section)]


def without(line: str, text: str) -> str:
    """The unit's text less one line."""
    assert text.count(f"\n{line}\n") == 1, f"cannot find {line!r} once in the unit"
    return text.replace(f"\n{line}\n", "\n")


PRICED = [(name, line, told) for name in UNITS for line, told in rows(name)]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_stays_closed(name: str, tmp_path: Path) -> None:
    """A directive that gets lost is noticed here and not by an attacker."""
    assert exposure(UNITS[name].read_text(), tmp_path, name) <= HIGHEST_EXPOSURE[name]


@pytest.mark.parametrize(("name", "line", "told"), PRICED)
def test_the_page_prices_each_line_as_systemd_does(
    name: str, line: str, told: float, tmp_path: Path
) -> None:
    """What the page says a line is worth was measured, and still holds."""
    text = without(line, UNITS[name].read_text())
    assert exposure(text, tmp_path, name) == told


@pytest.mark.parametrize("name", UNITS)
def test_the_page_prices_every_line_that_counts(name: str, tmp_path: Path) -> None:
    """A line that is worth something is on the page."""
    text = UNITS[name].read_text()
    service = text.split("[Service]", 1)[1].split("[Install]", 1)[0]
    lines = set(re.findall(r"^(?!ExecStart)[A-Z]\w+=.*$", service, re.MULTILINE))
    silent = lines - {line for line, _ in rows(name)}
    closed = exposure(text, tmp_path, name)
    told = {line: exposure(without(line, text), tmp_path, name) for line in silent}
    assert {line for line, it in told.items() if it != closed} == set()


@pytest.mark.parametrize("name", HIGHEST_IN_IMAGE)
def test_a_unit_of_an_image_stays_closed(name: str, tmp_path: Path) -> None:
    """Seen without building one."""
    text = (IMAGE / name).read_text()
    assert exposure(text, tmp_path, name) <= HIGHEST_IN_IMAGE[name]


def test_systemd_understands_every_line_of_a_device(tmp_path: Path) -> None:
    """A word it does not know is a warning in a log that nobody reads."""
    folders = (IMAGE, ROOT / "node/systemd")
    found = [path for each in folders for path in each.glob("**/*") if path.is_file()]
    for path in found:
        folder = tmp_path / path.parent.relative_to(
            next(each for each in folders if path.is_relative_to(each))
        )
        folder.mkdir(exist_ok=True)
        content = PROGRAM.sub(r"\1=/bin/true", path.read_text())
        # A template is looked at as one of its instances.
        (folder / path.name.replace("@.", "@wlan0.")).write_text(content)
    units = sorted(str(each) for each in tmp_path.glob("*.*") if each.is_file())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "SYSTEMD_UNIT_PATH": f"{tmp_path}:",
        },
        text=True,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert (ours, done.returncode) == ([], 0), done.stderr
