"""The environment of a device: what runs there, and nothing of the builder."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from edge.errors import ImageError
from edge.image import wheels

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the environment of a device of another machine than this one, perhaps."""
    folder = tmp_path_factory.mktemp("wheels") / "payload"
    lock = folder.parent / "lock"
    # One wheel: what is installed is ours, the rest is uv's affair.
    text = (ROOT / "requirements.lock").read_text()
    start = text.index("ifaddr==")
    lock.write_text(text[start : text.index("\nimport-linter==", start)])
    wheels.install(ROOT, lock, "arm64", folder)
    return folder / wheels.HOME


def test_what_a_device_runs_is_there(made):
    """The daemon and what it imports, ours and others'."""
    for name in ("node/cli.py", "edge/trust", "netmesh", "ifaddr"):
        assert (made / wheels.PACKAGES / name).exists()


def test_what_only_operators_and_hubs_use_is_not(made):
    """Less to attack, less to store."""
    for name in wheels.NOT_ON_DEVICES:
        assert not (made / wheels.PACKAGES / name).exists()


def test_nothing_tells_where_it_was_built(made):
    """Or the same input would make other bytes in another folder."""
    said = subprocess.run(
        ["grep", "-rl", str(made.parent), str(made)], capture_output=True, check=False
    )
    assert said.stdout == b""
    assert not list(made.rglob("direct_url.json"))


def test_the_command_is_python_s_own(made):
    """As `ExecStart=/opt/tutti/bin/edge-node` of the units expects it."""
    assert (made / "bin" / "python").readlink() == Path("/usr/bin/python3.11")
    assert (made / "bin" / "edge-node").stat().st_mode & 0o777 == 0o755


def test_a_folder_without_a_project_is_refused(tmp_path):
    """Recipes alone are not enough."""
    with pytest.raises(ImageError, match="built from a clone"):
        wheels.build(tmp_path, tmp_path)


def test_a_wheel_that_is_too_large_is_refused(tmp_path, monkeypatch):
    """A zip can say anything of itself."""
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("node/a.py", "x" * 100)
    monkeypatch.setattr(wheels, "WHEEL_MAX", 10)
    with pytest.raises(ImageError, match="larger than"):
        wheels.unpack(tmp_path / "a.whl", tmp_path / "out")
