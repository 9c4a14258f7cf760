"""The console shows who a device is and how far it has come; it asks nothing."""

import json
import os
import pty
from pathlib import Path

from node import console

NOTHING = {
    "name": "tutti-1",
    "addresses": [],
    "card": "",
    "disk": "",
    "note": {"state": "", "text": "", "device": "", "hub": ""},
    "status": {},
    "running": 0,
}


def test_a_device_that_just_starts_says_so():
    """Better than a black screen."""
    text = console.paint(NOTHING, "")
    assert "tutti-1" in text
    assert "state   starts" in text
    assert "address none yet" in text


def test_what_stands_in_the_way_is_shown():
    """A person before the device can mend it."""
    note = {"state": "waiting", "text": "cannot join: no file", "device": "", "hub": ""}
    shown = NOTHING | {
        "note": note,
        "card": "cannot read network.toml",
        "disk": "this disk is too small",
    }
    text = console.paint(shown, "")
    assert "state   waits" in text
    assert "cannot join: no file" in text
    assert "card    cannot read network.toml" in text
    assert "disk    this disk is too small" in text


def test_a_member_says_what_it_runs():
    """And its identifier, to compare with what the operator sees."""
    status = {
        "name": "n1",
        "device": "d-1",
        "fleet": "shop",
        "site": "s",
        "ready": True,
        "hub": "connected",
    }
    text = console.paint(NOTHING | {"status": status, "running": 2}, "██")
    assert "ready in shop/s, 2 replicas, hub connected" in text
    assert "device  d-1" in text
    assert text.endswith("██\r\n")
    one = console.paint(NOTHING | {"status": status, "running": 1}, "")
    assert "ready in shop/s, 1 replica, hub" in one


def test_a_stranger_s_words_are_no_line_of_ours():
    """A hub that nobody vouches for yet could show its own device's fingerprint."""
    lie = "no\x1b[2J\x1b[H\ndevice  d-evil" + " " * 80 + "device  d-evil"
    note = {"state": "refused", "text": lie, "device": "d-real", "hub": ""}
    text = console.paint(NOTHING | {"note": note, "card": lie}, "")
    assert "\x1b" not in text
    begun = [each for each in text.splitlines() if each.startswith("device")]
    assert begun == ["device  d-real"]
    assert " " * 20 not in text


def test_every_line_ends_for_a_terminal():
    """A serial line that is raw would draw stairs."""
    text = console.paint(NOTHING, console.qr("d-0cec197584953a3587b9750e"))
    assert text.count("\n") == text.count("\r\n")


def test_a_code_holds_the_whole_line():
    """Another identifier, another code."""
    assert console.qr("d-1") != console.qr("d-2")
    assert len(console.qr("d-0cec197584953a3587b9750e").splitlines()) < 20


def test_what_the_daemon_left_is_read(tmp_path):
    """Damaged notes are as good as none."""
    (tmp_path / "enrolment.json").write_text("{")
    status = {"name": "n1", "device": "d-1", "replicas": [1, 2], "refusals": {}}
    (tmp_path / "status.json").write_text(json.dumps(status))
    (tmp_path / "card.json").write_text('["a"]')
    shown = console.facts(tmp_path, tmp_path)
    assert shown["running"] == 2
    assert console.fingerprint(shown) == "d-1"
    assert shown["card"] == shown["note"]["text"] == ""


def test_addresses_are_those_of_cards(tmp_path):
    """What containers bring has no device behind it."""
    (tmp_path / "sys/class/net/eth9/device").mkdir(parents=True)
    (tmp_path / "sys/class/net/veth0").mkdir()
    (tmp_path / "proc/net").mkdir(parents=True)
    line = "fe80000000000000505400fffe000001 02 40 20 80"
    other = "fe80000000000000505400fffe000002 03 40 20 80"
    table = tmp_path / "proc/net/if_inet6"
    table.write_text(f"{line} eth9\n{other} veth0\n")
    assert console.addresses(tmp_path) == ["fe80::5054:ff:fe00:1"]


def test_terminals_that_are_there_get_the_text(tmp_path):
    """One that is missing is no error."""
    ours, theirs = pty.openpty()
    console.write([tmp_path / "tty9", Path(os.ttyname(theirs))], "hello")
    assert b"hello" in os.read(ours, 100)
    os.close(ours)
    os.close(theirs)
