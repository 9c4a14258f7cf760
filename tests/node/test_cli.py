"""`edge-node leave`: it waits until nothing that may move is left, or says what is."""

import subprocess
import sys

import pytest

from node import cli, status

DAEMON = """
import json, pathlib, signal, sys
def hand_over(*_):
    view = json.loads(sys.argv[2])
    path = pathlib.Path(sys.argv[1])
    told = json.loads(path.read_text()) | {"site_view": view}
    path.with_suffix(".new").write_text(json.dumps(told))
    path.with_suffix(".new").replace(path)
signal.signal(signal.SIGUSR1, hand_over)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def leave(tmp_path):
    """Run the command beside a process that passes for the daemon."""
    started = []

    def run(view):
        """Return the exit code; the daemon shows ``view`` once it was asked."""
        path = tmp_path / status.FILE
        words = [sys.executable, "-c", DAEMON, str(path), view, "edge-node"]
        daemon = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        started.append(daemon)
        assert daemon.stdout.readline() == "ready\n"
        status.write(tmp_path, {"pid": daemon.pid, "site_view": {}})
        with pytest.raises(SystemExit) as ended:
            cli.main(["leave", "--run", str(tmp_path), "--within", "1"])
        return ended.value.code

    yield run
    for each in started:
        each.kill()
        each.communicate()


def test_leaving_ends_when_all_is_handed_over(leave, capsys):
    """A shutdown goes on from there."""
    assert leave('{"handed_over": true}') == 0
    assert "nothing that could move runs here" in capsys.readouterr().err


def test_what_stays_is_named(leave, capsys):
    """Nobody could take it; whoever waits wants to know."""
    slots = '[{"slot": "web/web.1", "mine": true}, {"slot": "a/a.1", "mine": false}]'
    assert leave(f'{{"handed_over": false, "slots": {slots}}}') == 1
    assert "cannot hand over web/web.1 in time" in capsys.readouterr().err


def test_nobody_leaves_where_no_daemon_runs(tmp_path, capsys):
    """A process of that number may be anybody's."""
    status.write(tmp_path, {"pid": 1})
    with pytest.raises(SystemExit) as ended:
        cli.main(["leave", "--run", str(tmp_path)])
    assert ended.value.code == 1
    assert "none of" in capsys.readouterr().err
