"""Nobody looks on: whatever is wrong is said, waited for, and never final.

Enrolment with a real hub: `tests/integration/test_unattended.py`.
"""

import json
import os
from dataclasses import replace

import pytest

from edge import documents, joinfile
from edge.errors import ConfigError, Damaged, RequestError, Unreachable
from edge.names import is_name
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


def test_what_a_stranger_answers_is_one_line(bench, monkeypatch):
    """Whoever calls itself a hub chooses the words of a refusal."""

    def refuse(*_):
        raise RequestError(403, "no", "cannot enrol: no\ndevice  d-evil\x1b[2J")

    monkeypatch.setattr(enrol, "enrol", refuse)
    bench.join = JOIN
    with pytest.raises(Enough):
        bench.run()
    assert bench.note["text"] == "cannot enrol: no device d-evil [2J"
    assert bench.said[-1] == bench.note["text"]


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


def test_a_power_cut_while_state_is_set_aside_is_finished(bench):
    """Half a state says neither who the device is nor that it is nobody yet."""
    kept = bench.settings.state / unattended.ASIDE / unattended.MOVING
    kept.mkdir(parents=True)
    (kept / devices.ANCHOR).write_text("moved before the cut")
    (bench.settings.state / devices.CERTIFICATE).write_text("left by the cut")
    with pytest.raises(Enough):
        bench.run()
    whole = bench.settings.state / unattended.ASIDE / "1"
    assert {each.name for each in whole.iterdir()} == {
        devices.ANCHOR,
        devices.CERTIFICATE,
    }
    assert not kept.exists()
    assert bench.note["name"] == "n1-2"


def test_a_member_that_forgot_its_fleet_is_kept_aside(bench):
    """An anchor of nothing would refuse every card for ever."""
    devices.open_device(bench.settings, JOIN, os.urandom, lambda: a.NOW)
    (bench.settings.state / devices.CERTIFICATE).write_text("pem")
    (bench.settings.state / devices.ANCHOR).write_bytes(b"")
    with pytest.raises(Enough):
        bench.run()
    assert (bench.settings.state / unattended.ASIDE / "1" / devices.KEYS).exists()


def test_keys_that_cannot_be_read_now_are_not_given_up(bench):
    """A card that stumbles once must not make another device of this one."""
    devices.open_device(bench.settings, JOIN, os.urandom, lambda: a.NOW)
    keys = bench.settings.state / devices.KEYS
    keys.unlink()
    keys.mkdir()  # reading it is an error of the system's, as EIO is
    with pytest.raises(Enough):
        bench.run()
    assert keys.exists()
    assert "cannot read" in bench.note["text"]


def test_a_disk_that_takes_nothing_is_waited_for(bench):
    """It is said, and looked at again: nothing ends this."""
    devices.open_device(bench.settings, JOIN, os.urandom, lambda: a.NOW)
    (bench.settings.state / devices.KEYS).write_bytes(bytes(100))
    (bench.settings.state / unattended.ASIDE).write_text("no folder")
    with pytest.raises(Enough):
        bench.run()
    assert "cannot set" in bench.note["text"]


def test_the_longest_name_has_room_for_a_number(bench):
    """A name that is too long would never be taken."""
    longest = replace(bench.settings, name="a" * 60 + "-bc")
    assert unattended.own_name(longest, taken=1) == "a" * 60 + "-2"
    assert is_name(unattended.own_name(longest, taken=9))
