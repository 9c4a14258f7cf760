import json
from pathlib import Path

import pytest

from hub import cli, daemon

LISTEN = ("--listen", "127.0.0.1:18499")


def run(*words: str) -> int:
    """The exit code of edge-hub."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    return int(ended.value.code or 0)


def test_init_makes_a_hub_and_says_how_to_adopt_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fingerprint and one-time code in one word."""
    assert run("init", "--state", str(tmp_path), *LISTEN, "-o", "json") == 0
    printed = capsys.readouterr()
    word = json.loads(printed.out)
    digits, _, code = word["fingerprint"].partition(":")
    assert len(digits) == 64
    assert len(code) >= 20
    assert word["url"] == "https://127.0.0.1:18499"
    assert word["broker"] == "mqtts://127.0.0.1:8883"


def test_status_says_the_same_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who lost what `init` printed."""
    run("init", "--state", str(tmp_path), *LISTEN, "-o", "json")
    made = json.loads(capsys.readouterr().out)
    assert run("status", "--state", str(tmp_path), "-o", "json") == 0
    word = json.loads(capsys.readouterr().out)
    assert word | made == word
    assert (word["fleet"], word["running"]) == ("", False)


def test_a_running_hub_is_told_from_one_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the lock it holds."""
    run("init", "--state", str(tmp_path), *LISTEN)
    with daemon.locked(tmp_path):
        capsys.readouterr()
        run("status", "--state", str(tmp_path), "-o", "json")
    assert json.loads(capsys.readouterr().out)["running"]


def test_a_known_root_needs_no_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was compared beforehand."""
    root = "sha256:" + "a" * 64
    run("init", "--state", str(tmp_path), *LISTEN, "--root", root, "-o", "json")
    assert ":" not in json.loads(capsys.readouterr().out)["fingerprint"]


def test_a_second_init_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And leaves the first alone."""
    run("init", "--state", str(tmp_path), *LISTEN)
    key = (tmp_path / "hub.key").read_text()
    assert run("init", "--state", str(tmp_path), *LISTEN) == cli.FAILURE
    assert "there is one already" in capsys.readouterr().err
    assert (tmp_path / "hub.key").read_text() == key


@pytest.mark.parametrize("verb", ["run", "status"])
def test_where_there_is_no_hub_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """With the next command."""
    assert run(verb, "--state", str(tmp_path)) == cli.NOT_FOUND
    assert "run `edge-hub init`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--root", "sha256:x"),
        ("--url", "http://hub"),
        ("--broker", "hub"),
    ],
)
def test_a_bad_word_makes_no_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Nothing half-done."""
    assert run("init", "--state", str(tmp_path), *words) == cli.FAILURE
    assert "cannot" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as everywhere."""
    assert run("dance") == 2
    assert "usage" in capsys.readouterr().err


def test_what_it_made_is_its_owners(tmp_path: Path) -> None:
    """Keys and database."""
    state = tmp_path / "hub"
    run("init", "--state", str(state), *LISTEN)
    assert {path.stat().st_mode & 0o077 for path in (state, *state.iterdir())} == {0}
