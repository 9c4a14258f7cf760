"""What a device tells of itself without any hub."""

import pytest

from edge.errors import ConfigError
from node import journal, status
from tests.support import builders as a

STATUS = {
    "name": "n1",
    "device": "d-1",
    "fleet": "shop",
    "site": "home",
    "labels": {"role": "sensor"},
    "hub": "connected",
    "trust": 1,
    "generation": 1,
    "replicas": [
        {"slot": "web/web.1", "version": 2, "state": "running", "healthy": True}
    ],
    "refusals": {"deployment: rolled-back": 3},
}


def test_a_status_is_read_back(tmp_path):
    """The command sees what the daemon left."""
    status.write(tmp_path, STATUS)
    assert status.read(tmp_path) == STATUS


def test_no_daemon_is_a_clear_error(tmp_path):
    """The message says what to do."""
    with pytest.raises(ConfigError, match="start it"):
        status.read(tmp_path)


def test_a_status_is_told_in_lines():
    """People see what runs and what was refused."""
    told = status.tell(STATUS)
    assert "runs    web/web.1 revision 2: running, healthy" in told
    assert "refused 3 × deployment: rolled-back" in told


def test_trials_and_bad_versions_are_told_with_their_last_lines():
    """Why a device went back, when no hub can be asked."""
    bad = {"slot": "web/web.2", "version": 3, "reason": "unhealthy", "log": "a\nb"}
    trials = [{"slot": "web/web.1", "version": 4, "healthy_for": 10.0}]
    lines = status.tell({**STATUS, "trials": trials, "bad": [bad]}).splitlines()
    at = lines.index("bad     web/web.2 revision 3: unhealthy")
    assert lines[at + 1 : at + 3] == ["        | a", "        | b"]
    healthy = "trial   web/web.1 revision 4: proves itself when healthy for 10 s"
    assert healthy in lines


PEER = {
    "name": "n2",
    "state": "alive",
    "path": "direct",
    "has_hub": True,
    "heard": 0.1,
    "reason": "",
}
SHOWN = {"slot": "web/web.1", "holder": "n2", "term": 2, "lease_left": None}


def told(peers=(), slots=(), **site):
    """The lines about the site."""
    kept = {"peers": [{**PEER, **each} for each in peers], **site}
    shown = [{**SHOWN, "waits": "", "homeless": "", **each} for each in slots]
    return status.tell({**STATUS, "site_view": {**kept, "slots": shown}})


def test_neighbours_are_told_with_path_and_reason():
    """What a person at the device needs when no hub can be asked."""
    dead = {"name": "n3", "state": "dead", "path": "", "reason": "silent for 1.1 s"}
    lines = told(peers=[{"path": "peer", "has_hub": False}, dead])
    assert "peer    n2 alive, cut from hub (peer), heard 0.1 s ago" in lines
    assert "peer    n3 dead, heard 0.1 s ago: silent for 1.1 s" in lines


def test_what_may_move_is_told_with_its_holder():
    """Term, what is left of a lease, and why it waits or has no home."""
    mine = {"holder": "n1", "lease_left": 6.2}
    lost = {"slot": "web/web.2", "holder": "", "homeless": "n2: no room"}
    lines = told(slots=[mine, lost], leaving=True)
    assert "leaving hands over what may move" in lines
    assert "moves   web/web.1 n1, term 2, lease for 6.2 s" in lines
    assert "moves   web/web.2 nobody, term 2: n2: no room" in lines


def test_events_are_plain_values(tmp_path):
    """Ready for JSON."""
    journal.load(tmp_path / status.JOURNAL).add("k", "s", "text", a.NOW)
    (event,) = status.events(tmp_path)
    assert (event["kind"], event["text"]) == ("k", "text")
