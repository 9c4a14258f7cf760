"""The contracts of .importlinter catch what they are there for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# One forbidden line for each contract, in a module that may not have it.
PLANTED = {
    "Nothing imports the operator's tools": ("edge/names.py", "import edge.lab"),
    "Only the operator's tools import the hub": ("node/share.py", "import hub"),
    "Only the operator's tools import the node": ("hub/authority.py", "import node"),
    "The common language does not know the mesh": ("edge/model.py", "import netmesh"),
    "Pure modules have no clock, files, sockets, tasks, logs or clients": (
        "edge/trust/judge.py",
        "import time",
    ),
    "Every third-party library has one home": ("edge/topics.py", "import nacl"),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of our packages with every forbidden line in them."""
    folder = tmp_path_factory.mktemp("planted")
    for name in ("edge", "hub", "netmesh", "node"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / ".importlinter", folder)
    for file, line in PLANTED.values():
        with (folder / file).open("a") as source:
            source.write(f"\n{line}\n")
    linter = str(Path(sys.executable).parent / "lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
    )
    return done.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_contract_catches_its_violation(contract: str, verdicts: str) -> None:
    """A contract that never breaks protects nothing."""
    assert f"{contract} BROKEN" in " ".join(verdicts.split())


def test_every_contract_is_tried(verdicts: str) -> None:
    """A new contract comes with the line it forbids."""
    assert f"{len(PLANTED)} broken" in verdicts
    assert "Contracts: 0 kept" in verdicts
