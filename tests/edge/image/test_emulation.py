"""A builder says at once that it cannot run another architecture's programs."""

from pathlib import Path

import pytest

from edge.errors import ImageError
from edge.image import emulation, tools


def machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, runs_others: bool
) -> None:
    """Make this an amd64 machine, with or without qemu-user."""
    scripts = {"dpkg": "echo amd64", "arch-test": f"exit {0 if runs_others else 1}"}
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(tools, "PATH", str(folder))


def test_its_own_architecture_needs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most people build for a machine like theirs."""
    machine(tmp_path, monkeypatch, runs_others=False)
    emulation.check("amd64")


def test_another_s_programs_run_by_emulation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where arch-test says so: it has tried."""
    machine(tmp_path, monkeypatch, runs_others=True)
    emulation.check("arm64")


def test_without_emulation_the_way_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages, and what systemd would have done."""
    machine(tmp_path, monkeypatch, runs_others=False)
    with pytest.raises(ImageError, match="arm64 on this amd64 machine: install the"):
        emulation.check("arm64")


def test_without_arch_test_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be tried then; the sentence names that package as well."""
    machine(tmp_path, monkeypatch, runs_others=True)
    (tmp_path / "arch-test").unlink()
    with pytest.raises(ImageError, match="arch-test"):
        emulation.check("arm64")
