"""A lab is found again from its record, and without it from its traces."""

from pathlib import Path

import pytest

from edge.errors import LabError
from edge.lab import layout, state
from edge.lab.layout import LabLayout

NAME = "teststate"  # nobody's lab: claims and traces are looked up host-wide


@pytest.fixture
def lab(tmp_path: Path) -> LabLayout:
    """A lab of two sites that was recorded."""
    planned = layout.plan(
        NAME, "10.91.33.0/24", layout.parse_places(None, "a:2,b:1"), tmp_path
    )
    state.save(planned)
    return planned


def test_a_lab_reads_as_it_was_saved(lab: LabLayout) -> None:
    """Everything else is derived from it."""
    assert state.load(NAME, lab.home) == lab


def test_a_lab_that_never_was_is_none(tmp_path: Path) -> None:
    """The command line says so in its own words."""
    assert state.load(NAME, tmp_path) is None


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\0" * 100,
        b"[]",
        b'{"version":2,"name":"teststate","subnet":"10.91.33.0/24","nodes":[]}',
        b'{"version":1,"name":"other","subnet":"10.91.33.0/24","nodes":[["n1","a"]]}',
        b'{"version":1,"name":"teststate","subnet":"8.8.8.0/24","nodes":[["n1","a"]]}',
        b'{"version":1,"name":"teststate","subnet":"10.1.1.0/24","nodes":[["..","a"]]}',
        b" " * (state.RECORD_MAX + 1),
    ],
)
def test_a_damaged_record_is_refused(lab: LabLayout, record: bytes) -> None:
    """Nothing is built on a guess."""
    lab.record.write_bytes(record)
    with pytest.raises(LabError, match="cannot"):
        state.load(NAME, lab.home)


def test_a_damaged_lab_is_recovered_from_its_folders(lab: LabLayout) -> None:
    """`down` must find the machines all the same."""
    lab.machine("n3").folder.mkdir(parents=True)
    lab.record.write_bytes(b"{")
    recovered = state.recover(NAME, lab.home)
    assert [machine.namespace for machine in recovered.nodes] == [f"{NAME}-n3"]


def test_recovery_adds_traces_to_the_record(lab: LabLayout) -> None:
    """A record of an earlier, smaller lab must not hide a machine."""
    (lab.folder / "machines" / "n9").mkdir(parents=True)
    names = [machine.name for machine in state.recover(NAME, lab.home).nodes]
    assert names == ["n1", "n2", "n3", "n9"]


def test_recovery_of_nothing_is_a_lab_with_nothing_to_find(tmp_path: Path) -> None:
    """`down` twice is no error."""
    assert state.recover(NAME, tmp_path).name == NAME


def test_a_name_belongs_to_one_folder_at_a_time(lab: LabLayout, tmp_path: Path) -> None:
    """Namespaces are the host's: two folders with one name would fight over them."""
    other = layout.plan(NAME, str(lab.subnet), lab.places, tmp_path / "other")
    state.claim(lab)
    try:
        with pytest.raises(LabError, match=f"it belongs to {lab.folder}"):
            state.check_claim(other)
    finally:
        state.release(lab)


def test_a_claim_of_a_folder_that_is_gone_is_free(lab: LabLayout) -> None:
    """Whoever removed the folder by hand has given the name up."""
    state.claim(lab)
    try:
        lab.folder.rename(lab.home / "moved")
        other = layout.plan(NAME, str(lab.subnet), lab.places, lab.home / "other")
        state.check_claim(other)
    finally:
        state.release(lab)
