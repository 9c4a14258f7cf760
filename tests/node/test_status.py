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


def test_events_are_plain_values(tmp_path):
    """Ready for JSON."""
    journal.load(tmp_path / status.JOURNAL).add("k", "s", "text", a.NOW)
    (event,) = status.events(tmp_path)
    assert (event["kind"], event["text"]) == ("k", "text")
