"""A boot is good when daemon and Podman were there for a while; not before."""

import json
import os
import socket
import threading

import pytest

from edge.errors import ConfigError, RuntimeFailure
from node import bootcount
from node.settings import Settings

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"


@pytest.fixture
def device(tmp_path):
    """Return settings whose Podman answers, and whose daemon is this process."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "podman.sock"))
    listener.listen()

    def serve():
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                caller.recv(4096)
                caller.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    note = {"pid": os.getpid()}
    (tmp_path / "status.json").write_text(json.dumps(note))
    yield Settings(run=tmp_path, podman=f"unix://{tmp_path}/podman.sock")
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_steady_boot_is_good(device):
    """After as long as it has to be steady for."""
    pauses: list[float] = []
    bootcount.wait(device, pauses.append)
    assert sum(pauses) == bootcount.STEADY_FOR


def test_a_daemon_that_starts_again_begins_anew(device):
    """One that crashes every few seconds is not steady."""
    pauses: list[float] = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:  # another process: our parent lives too
            note = {"pid": os.getppid()}
            (device.run / "status.json").write_text(json.dumps(note))

    bootcount.wait(device, pause)
    assert sum(pauses) == bootcount.STEADY_FOR + 3 * bootcount.LOOK_EVERY


def test_without_podman_no_boot_is_good(device):
    """It is what a device is for."""
    (device.run / "podman.sock").unlink()
    with pytest.raises(RuntimeFailure, match="nothing steady"):
        bootcount.wait(device, lambda _: None)


@pytest.mark.parametrize("note", ["", "[]", '{"pid": "x"}', '{"pid": 4194305}'])
def test_a_note_without_a_living_process_is_no_daemon(tmp_path, note):
    """Old, damaged, or of a process that is gone (above PID_MAX_LIMIT)."""
    (tmp_path / "status.json").write_text(note)
    assert bootcount.daemon(tmp_path) == 0


def test_a_daemon_that_still_joins_counts(tmp_path):
    """A hub that is away says nothing about the system on this disk."""
    (tmp_path / "enrolment.json").write_text(json.dumps({"pid": os.getpid()}))
    assert bootcount.daemon(tmp_path) == os.getpid()


def test_counting_is_seen_by_the_loader_s_variable(tmp_path):
    """Without it there is nothing to say."""
    assert not bootcount.is_counted(tmp_path)
    (tmp_path / bootcount.COUNTED).parent.mkdir(parents=True)
    (tmp_path / bootcount.COUNTED).touch()
    assert bootcount.is_counted(tmp_path)


def test_a_helper_that_fails_is_told(monkeypatch):
    """With its own words."""
    words = ("sh", "-c", "echo no ESP >&2; exit 1")
    monkeypatch.setattr(bootcount, "BLESS", words)
    with pytest.raises(ConfigError, match="cannot call this boot good: no ESP"):
        bootcount.bless()
