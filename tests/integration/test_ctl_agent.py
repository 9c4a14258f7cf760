"""The agent as a process: signs without typing, for this user alone, until it ends."""

import os
import socket
import stat
import time
from pathlib import Path

import pytest

from edge import sealing, trust
from edge.ctl import agent, keys
from edge.errors import ConfigError
from tests.support import builders as a

PASSPHRASE = "correct horse"
SEEDS = a.seed("sign operator") + a.seed("open operator")
KEY = a.OPERATOR.public
PATIENCE = 10.0  # seconds


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home of its own, and no agent left behind."""
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    yield tmp_path
    agent.lock()
    wait_for(lambda: not agent.path().exists())


def wait_for(fact):
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_an_agent_nobody_answers(home):
    """The key file is used instead."""
    assert agent.shown() == ()
    assert agent.find(KEY) is None
    assert agent.lock() is False
    assert list(home.iterdir()) == []


def test_the_agent_signs_what_a_ledger_accepts(home):
    """As if the key were here."""
    agent.hold("operator", SEEDS, 60.0)
    found = agent.find(KEY)
    assert found is not None
    ledger = a.ledger_of([a.signed(a.trusted())])
    document = a.signed(a.deployment(), found.signer)
    assert isinstance(trust.judge(document, ledger, a.NOW), trust.Accepted)
    box = sealing.seal(a.OPERATOR_SEAL.public, b"hunter2")
    assert found.opener.open(box) == b"hunter2"
    assert home


def test_it_signs_nothing_else(home):
    """A program of the same user cannot log in elsewhere with it."""
    agent.hold("operator", SEEDS, 60.0)
    found = agent.find(KEY)
    assert found is not None
    with pytest.raises(ConfigError, match="no document of ours"):
        found.signer.sign(b"ssh")
    assert home


def test_a_second_key_joins_the_first(home):
    """One agent for all contexts of a home."""
    agent.hold("operator", SEEDS, 60.0)
    agent.hold("anna", a.seed("sign anna") + a.seed("open anna"), 60.0)
    assert sorted(each.name for each in agent.shown()) == ["anna", "operator"]
    assert home


def test_it_leaves_when_the_time_is_up(home):
    """With its socket."""
    agent.hold("operator", SEEDS, 0.5)
    assert agent.shown()
    wait_for(lambda: not agent.path().exists())
    assert agent.find(KEY) is None
    assert home


def test_locking_drops_the_key_at_once(home):
    """And a later unlock starts anew."""
    agent.hold("operator", SEEDS, 60.0)
    assert agent.lock() is True
    assert agent.find(KEY) is None
    agent.hold("operator", SEEDS, 60.0)
    assert agent.find(KEY) is not None
    assert home


def test_the_socket_is_for_this_user_alone(home):
    """0600 in a folder that is 0700."""
    agent.hold("operator", SEEDS, 60.0)
    assert stat.S_IMODE(agent.path().stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_silent_or_odd_peer_does_not_stop_it(home):
    """Nonsense, nothing, and half a line."""
    agent.hold("operator", SEEDS, 60.0)
    for data in (b"", b"nonsense\n", b"\xff" * 1000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(str(agent.path()))
            peer.sendall(data)
    assert agent.find(KEY) is not None
    assert home


def test_nobody_looks_into_it(home):
    """Not dumpable: its memory belongs to root, and it leaves no core file."""
    agent.hold("operator", SEEDS, 60.0)
    (limits,) = [
        (path.parent / "limits").read_text()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(agent.path()).encode() in path.read_bytes()
    ]
    core = next(line for line in limits.splitlines() if "core file" in line)
    assert core.split()[4:6] == ["0", "0"]
    assert home


def test_a_stale_socket_is_replaced(home):
    """The machine lost power while the agent ran."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(str(home / agent.SOCKET))
    agent.hold("operator", SEEDS, 60.0)
    assert agent.find(KEY) is not None


def test_a_long_path_is_refused_with_advice(monkeypatch, tmp_path):
    """A socket's path has 107 bytes."""
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / ("x" * 100)))
    with pytest.raises(ConfigError, match="set EDGE_HOME to a shorter one"):
        agent.hold("operator", SEEDS, 60.0)


def test_a_locked_key_is_unlocked_for_the_agent(home):
    """`edgectl key unlock`, from the file to the signature."""
    phrase = home / "phrase"
    phrase.write_text(PASSPHRASE)
    os.environ[keys.ENVIRONMENT] = str(phrase)
    try:
        keys.write(home / "operator.key", keys.make("operator", "anna", PASSPHRASE))
        found, seeds = keys.unlock(home / "operator.key")
    finally:
        del os.environ[keys.ENVIRONMENT]
    agent.hold(found.name, seeds, 60.0)
    assert agent.find(found.public) is not None
