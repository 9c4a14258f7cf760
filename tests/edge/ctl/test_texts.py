"""A file that somebody wrote is read, or it is said what is wrong with it."""

import pytest

from edge.ctl import texts
from edge.errors import ConfigError, EdgeError, ManifestError


def test_a_text_is_read_without_its_mark(tmp_path):
    """Editors of Windows put three bytes first."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfname = 'a'\n")
    assert texts.read(path, 100) == "name = 'a'\n"


def test_a_missing_file_is_named(tmp_path):
    """With exit code 3, as everything that is not found."""
    with pytest.raises(EdgeError, match=r"cannot read .*no\.toml: there is no such"):
        texts.read(tmp_path / "no.toml", 100)


def test_a_file_that_is_no_text_is_the_asker_s_error(tmp_path):
    """A manifest's fault is another one than a setting's."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        texts.read(path, 100)
    with pytest.raises(ManifestError, match="it is not UTF-8 text"):
        texts.manifest_in(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    """Nothing is read without a limit."""
    path = tmp_path / "a.toml"
    path.write_text("#" * 101)
    with pytest.raises(EdgeError):
        texts.read(path, 100)


def test_a_manifest_s_error_names_file_and_line(tmp_path):
    """As a compiler would."""
    path = tmp_path / "a.toml"
    path.write_text("name = \n")
    with pytest.raises(ManifestError, match=rf"{path}"):
        texts.manifest_in(path)
