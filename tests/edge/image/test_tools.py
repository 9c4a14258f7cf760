"""Programs answer, or the failure says which one, and what to install."""

import pytest

from edge.errors import ImageError
from edge.image import tools


def test_a_call_returns_what_was_printed() -> None:
    """As bytes: an image is no text."""
    assert tools.call("cat", data=b"\x00\xff") == b"\x00\xff"


def test_a_failure_repeats_the_program_s_words() -> None:
    """What `sfdisk` complained about is what the operator needs."""
    with pytest.raises(ImageError, match=r"cannot run sh -c .*: no such lamp"):
        tools.call("sh", "-c", "echo no such lamp >&2; exit 3")


def test_an_error_is_one_line() -> None:
    """Whatever a program breaks its lines with."""
    with pytest.raises(ImageError, match=r"cannot run sh -c .*: one; two words$"):
        tools.call("sh", "-c", r"printf 'one\r\n\n two \t words\n' >&2; exit 3")


def test_a_silent_failure_gives_its_code() -> None:
    """Better than nothing."""
    with pytest.raises(ImageError, match="cannot run false: exit code 1"):
        tools.call("false")


def test_a_program_that_hangs_is_given_up() -> None:
    """A build ends."""
    with pytest.raises(ImageError, match="timed out"):
        tools.call("sleep", "9", within=0.1)


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command away from working."""
    monkeypatch.setattr(tools, "PATH", "/nowhere")
    with pytest.raises(ImageError, match=r"mcopy: install the Debian package mtools"):
        tools.find("mcopy")


def test_programs_see_nothing_of_who_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same image on any machine: no language, no time zone, no local variables."""
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    seen = tools.call("env", extra={"SOURCE_DATE_EPOCH": "1"}).decode()
    assert "de_DE" not in seen
    assert "PYTHONPATH" not in seen
    assert "TZ=UTC" in seen
    assert "SOURCE_DATE_EPOCH=1" in seen


def test_a_long_command_is_shown_shortened() -> None:
    """An error fits a screen."""
    assert len(tools.shown(("echo", "x" * 5000))) < 300
