"""Old content or new, never half; what the disk does then is in tests/integration."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import files
from edge.errors import StoreError

ROOM = 100
WRITE_TOO_MUCH = f"""
import resource, sys
from pathlib import Path
from edge import files
from edge.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, ({ROOM}, {ROOM}))
try:
    files.write(Path(sys.argv[1]), bytes({ROOM} * 2))
except StoreError as error:
    print(error)
"""


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_the_newest_content_is_read_back(tmp_path_factory, first, second):
    """Written, written over, read."""
    path = tmp_path_factory.mktemp("files") / "a"
    for content in (first, second):
        files.write(path, content)
        assert files.read(path, at_most=500) == content


def test_folders_on_the_way_are_made_private(tmp_path):
    """Only this user looks into them."""
    files.write(tmp_path / "a" / "b" / "file", b"x")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == files.PRIVATE_FOLDER


@pytest.mark.parametrize("mode", [files.PRIVATE, 0o644, 0o400])
def test_a_file_has_its_mode_from_the_first_moment(tmp_path, mode):
    """And is private unless asked for otherwise; the umask has no say."""
    path = tmp_path / "file"
    before = os.umask(0o777)
    try:
        files.write(path, b"x", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_writing_replaces_a_link_and_not_what_it_points_to(tmp_path):
    """A link somebody planted does not send a key elsewhere."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"kept")
    link.symlink_to(target)
    files.write(link, b"new")
    assert target.read_bytes() == b"kept"
    assert not link.is_symlink()


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path):
    """Here the disk gives less than is needed."""
    path = tmp_path / "file"
    files.write(path, b"old")
    said = subprocess.run(
        [sys.executable, "-c", WRITE_TOO_MUCH, str(path)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert said.startswith(f"cannot write {path}: ")
    assert files.read(path, at_most=ROOM) == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_write_that_is_broken_off_leaves_no_litter(tmp_path):
    """Ctrl-C, or a bug of ours."""
    with pytest.raises(TypeError):
        files.write(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file/below", "folder"])
def test_what_cannot_be_written_is_a_store_error(tmp_path, where):
    """Below a file, over a folder."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        files.write(tmp_path / where, b"x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_not_there_is_none(tmp_path):
    """A first start is no error."""
    assert files.read(tmp_path / "file", at_most=1) is None
    assert files.read(tmp_path / "no" / "file", at_most=1) is None


@pytest.mark.parametrize(("size", "is_fine"), [(10, True), (11, False)])
def test_reading_is_capped(tmp_path, size, is_fine):
    """A file that grew beyond reason does not fill the memory."""
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    if is_fine:
        assert files.read(path, at_most=10) == bytes(size)
    else:
        with pytest.raises(StoreError, match="larger than 10 bytes"):
            files.read(path, at_most=10)


def test_a_folder_cannot_be_read(tmp_path):
    """A path that went wrong is named."""
    with pytest.raises(StoreError, match="cannot read"):
        files.read(tmp_path, at_most=1)


def test_removing_is_idempotent(tmp_path):
    """There, not there, and nothing there at all."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    files.remove(path)
    files.remove(path)
    files.remove(tmp_path / "no" / "file")
    assert not path.exists()


def test_a_folder_is_not_removed_as_a_file(tmp_path):
    """It would be somebody's mistake."""
    with pytest.raises(StoreError, match="cannot remove"):
        files.remove(tmp_path)


def test_sweeping_removes_what_an_interrupted_write_left(tmp_path):
    """And nothing else; a folder that is not there has nothing."""
    kept = [tmp_path / name for name in ("file", ".hidden", "x.part")]
    for each in kept:
        each.write_bytes(b"x")
    (tmp_path / f".file.abcdefgh{files.TEMPORARY}").write_bytes(b"half")
    files.sweep(tmp_path)
    files.sweep(tmp_path / "nowhere")
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_what_cannot_be_swept_is_a_store_error(tmp_path):
    """A folder under a temporary file's name."""
    (tmp_path / f".file.x{files.TEMPORARY}").mkdir()
    with pytest.raises(StoreError, match="cannot clean"):
        files.sweep(tmp_path)


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    """Somebody may have opened it to a group on purpose."""
    folder: Path = tmp_path / "a"
    folder.mkdir(mode=0o755)
    files.make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    files.make_folder(folder / "b" / "c", mode=0o750)
    assert stat.S_IMODE((folder / "b" / "c").stat().st_mode) == 0o750
