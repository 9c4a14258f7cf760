"""The words edgectl knows, and how each command ends."""

import subprocess
import sys

import click
import pytest

from edge.ctl import main
from edge.ctl.exits import Exit, not_found
from edge.errors import ConfigError


def end(error):
    """Return the exit code of a command that raises."""

    def command():
        raise error

    return main.run(command)


def test_a_command_that_returns_is_fine():
    """0, or what click says of --help."""
    assert main.run(lambda: None) == Exit.OK
    assert main.run(lambda: 0) == 0


def test_an_error_is_one_sentence_on_stderr(capsys):
    """No traceback, nothing on stdout."""
    assert end(not_found("cannot find node 'n9'")) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "edgectl: cannot find node 'n9'\n"


def test_a_debugger_sees_where_it_came_from(monkeypatch, capsys):
    """EDGE_DEBUG=1."""
    monkeypatch.setenv("EDGE_DEBUG", "1")
    assert end(ConfigError("cannot")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_of_ours_is_a_sentence_too(capsys):
    """Whoever sees it learns how to report it."""
    assert end(KeyError("x")) == 1
    assert "EDGE_DEBUG=1 shows where" in capsys.readouterr().err


def test_wrong_usage_and_interruption_have_their_numbers():
    """2 is click's, 130 the shell's."""
    assert end(click.UsageError("x")) == 2
    assert end(KeyboardInterrupt()) == 130


@pytest.mark.parametrize("name", sorted(set(main.COMMANDS) - {"lab"}))
def test_every_word_leads_to_a_command_of_that_name(name):
    """A slip in the table would show only when somebody types it."""
    context = click.Context(main.cli)
    found = main.cli.get_command(context, name)
    assert found is not None
    assert found.name == name
    assert found.help


def test_an_unknown_word_is_none():
    """Click then says which words there are."""
    assert main.cli.get_command(click.Context(main.cli), "frobnicate") is None


def test_help_imports_no_command():
    """150 ms are click's import and little else."""
    code = (
        "import sys; from edge.ctl import main\n"
        "try: main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'edge.ctl.fleet', 'msgspec', 'nacl', 'ssl', 'http.client', 'rich'}\n"
        "sys.exit(len(loaded & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0
    assert "Exit codes: 0 done" in done.stdout.replace("\n  ", " ")
