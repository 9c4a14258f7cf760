"""Nobody looks on: whatever is wrong is said, waited for, and never final.

Enrolment with a real hub: `tests/integration/test_unattended.py`.
"""

import json

import pytest

from edge import documents, joinfile
from edge.errors import ConfigError, Damaged, RequestError, Unreachable
from node import device as devices
from node import enrol, hubs, unattended
from node.settings import Settings
from node.unattended import Joining, World
from tests.support import builders as a


class Enough(BaseException):
    """Ends what would wait for ever."""


JOIN = joinfile.JoinFile(
    fleet=a.FLEET,
    root=a.empty_ledger().anchor,
    hubs=("https://hub:1",),
    seed=a.JOIN.seed,
    voucher=documents.sign(a.voucher(), a.OPERATOR),
)


class Bench:
    """A device on its way, whose every wait is counted."""

    def __init__(self, folder, waits):
        self.settings = Settings(state=folder / "state", run=folder / "run", name="n1")
        self.settings.state.mkdir()
        self.path = folder / "join.toml"
        self.waits, self.said, self.join = waits, [], None
        self.before_wait = lambda: None

    def read(self, path):
        """Return what is on the card, or raise it."""
        assert path == self.path
        if isinstance(self.join, Exception):
            raise self.join
        return self.join

    def pause(self, seconds):
        """Count a wait; the last one ends the test."""
        self.waits.append(seconds)
        self.before_wait()
        if len(self.waits) == 8:
            raise Enough

    def run(self):
        """Join until there is nothing left to wait for."""
        world = World(
            read=self.read,
            clock=lambda: a.NOW,
            pause=self.pause,
            draw=lambda: 1.0,
            tell=self.said.append,
        )
        joining = Joining(self.settings, self.path, world)
        return joining.run()

    @property
    def note(self):
        """Return what the console reads."""
        return json.loads((self.settings.run / unattended.NOTE).read_text())


@pytest.fixture
def bench(tmp_path):
    """Return a device that was never started."""
    return Bench(tmp_path, [])


def test_without_a_join_file_it_waits(bench):
    """Longer each time, a minute at most: a card may come any time."""
    with pytest.raises(Enough):
        bench.run()
    assert bench.waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert bench.note["state"] == "waiting"
    assert "no join file on the card" in bench.note["text"]


def test_a_bad_join_file_is_said(bench):
    """With what the parser said, not "no file"."""
    bench.join = ConfigError("cannot use the join file: it is damaged")
    with pytest.raises(Enough):
        bench.run()
    assert bench.note["text"] == "cannot use the join file: it is damaged"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Unreachable("cannot enrol: nobody answers"), "looking"),
        (RequestError(403, "closed", "cannot enrol: the voucher closed"), "refused"),
    ],
)
def test_a_hub_that_is_away_or_says_no_is_asked_again(bench, monkeypatch, error, state):
    """A hub may come back, and an operator may think again."""
    asked = []

    def refuse(*_):
        asked.append(1)
        raise error

    monkeypatch.setattr(enrol, "enrol", refuse)
    monkeypatch.setattr(hubs, "candidates", lambda *_: iter(()))
    bench.join = JOIN
    with pytest.raises(Enough):
        bench.run()
    assert len(asked) == 8
    assert bench.note["state"] == state
    assert bench.note["device"].startswith("d-")
    assert bench.note["text"] == str(error)


def test_a_name_that_is_taken_gets_a_number(bench, monkeypatch):
    """A device whose disk was lost comes back beside the one the fleet remembers."""
    asked = []

    def refuse(_device, _join, name, _hubs):
        asked.append(name)
        raise RequestError(409, "name-taken", "cannot enrol: the name is taken")

    monkeypatch.setattr(enrol, "enrol", refuse)
    bench.join = JOIN
    with pytest.raises(Enough):
        bench.run()
    assert asked[:3] == ["n1", "n1-2", "n1-3"]


def test_the_same_device_asks_each_time(bench, monkeypatch):
    """Keys are made once, before anyone hears of them."""
    seen = set()

    def refuse(device, *_):
        seen.add(device.identity.device)
        raise Unreachable("no")

    monkeypatch.setattr(enrol, "enrol", refuse)
    bench.join = JOIN
    with pytest.raises(Enough):
        bench.run()
    assert len(seen) == 1


def test_keys_that_are_damaged_are_kept_aside(bench):
    """And the device begins anew, with whatever the card allows."""
    bench.join = JOIN
    devices.open_device(bench.settings, JOIN, lambda n: b"k" * n, lambda: a.NOW)
    keys = bench.settings.state / devices.KEYS
    for path in bench.settings.state.glob("keys*"):
        path.write_bytes(b"\0" * 100)
    with pytest.raises(Damaged):
        devices.open_device(bench.settings, None, lambda n: b"k" * n, lambda: a.NOW)
    bench.join = None
    with pytest.raises(Enough):
        bench.run()
    kept = bench.settings.state / unattended.ASIDE / "1"
    assert (kept / devices.KEYS).read_bytes() == b"\0" * 100
    assert not keys.exists()
    assert any("damaged" in each for each in bench.said)


def test_a_device_that_begins_anew_has_another_name(bench):
    """The fleet still knows the one that was."""
    assert unattended.own_name(bench.settings) == "n1"
    unattended.set_aside(bench.settings.state)
    assert unattended.own_name(bench.settings) == "n1-2"
    unattended.set_aside(bench.settings.state)
    assert unattended.own_name(bench.settings) == "n1-3"


def test_setting_aside_keeps_everything(tmp_path):
    """Folders too; what was aside before stays where it is."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.json").write_text("a")
    first = unattended.set_aside(tmp_path)
    (tmp_path / "anchor").write_text("b")
    second = unattended.set_aside(tmp_path)
    assert (first / "documents" / "a.json").read_text() == "a"
    assert (second / "anchor").read_text() == "b"
    assert [each.name for each in tmp_path.iterdir()] == [unattended.ASIDE]


def test_a_file_is_forgotten_once(tmp_path):
    """The second time there is nothing to do."""
    path = tmp_path / "join.toml"
    path.write_text("key")
    unattended.forget(path)
    unattended.forget(path)
    assert not path.exists()
