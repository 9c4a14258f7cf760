"""Programs answer, or their failure says what they said."""

import pytest

from edge.errors import LabError
from edge.lab import programs


def test_a_call_returns_what_was_printed() -> None:
    """Standard output, as text."""
    assert programs.call("echo", "hello") == "hello\n"


def test_a_call_passes_text_in() -> None:
    """As `ip -batch -` reads it."""
    assert programs.call("cat", text="one\ntwo\n") == "one\ntwo\n"


def test_a_call_without_text_reads_nothing() -> None:
    """It must never wait for the keyboard."""
    assert programs.call("cat") == ""


def test_a_failure_repeats_the_program_s_words() -> None:
    """What `ip` complained about is what the user needs."""
    with pytest.raises(LabError, match=r"cannot run sh -c .*: no such lamp"):
        programs.call("sh", "-c", "echo no such lamp >&2; exit 3")


def test_a_silent_failure_gives_its_code() -> None:
    """Better than nothing."""
    with pytest.raises(LabError, match="cannot run false: exit code 1"):
        programs.call("false")


def test_a_missing_program_is_our_error() -> None:
    """No foreign exception leaves the lab."""
    with pytest.raises(LabError, match="cannot run no-such-program"):
        programs.call("no-such-program")


def test_a_program_that_hangs_is_given_up() -> None:
    """A lab must not hang with it."""
    with pytest.raises(LabError, match="timed out"):
        programs.call("sleep", "5", within=0.1)


def test_a_program_is_found_on_the_lab_s_own_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the person's PATH says does not matter."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert programs.find("sh") in {"/usr/bin/sh", "/bin/sh"}
    assert programs.find("no-such-program") is None
