"""systemd hears what the daemon says, and silence says that it hangs."""

import socket

import pytest

from node import supervisor


@pytest.fixture
def listening(tmp_path):
    """Return a socket where systemd would listen, and the environment naming it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        yield receiver, {supervisor.SOCKET: str(tmp_path / "notify")}


def test_what_is_told_arrives_in_one_message(listening):
    """As sd_notify(3) has it: assignments, a line each."""
    receiver, environment = listening
    supervisor.tell("READY=1", "STATUS=joins", environment=environment)
    assert receiver.recv(100) == b"READY=1\nSTATUS=joins"


def test_a_stranger_s_words_give_no_orders(listening):
    """A hub's answer in a status, with a line of its own for systemd."""
    receiver, environment = listening
    words = "STATUS=refused: no\nWATCHDOG=trigger\nMAINPID=1"
    supervisor.tell("WATCHDOG=1", words, environment=environment)
    life, status = receiver.recv(1000).decode().splitlines()
    assert life == "WATCHDOG=1"
    assert status == "STATUS=refused: no WATCHDOG=trigger MAINPID=1"


def test_a_sign_of_life_is_not_lost_for_a_long_story(listening):
    """No message larger than what a socket takes."""
    receiver, environment = listening
    story = f"STATUS={'x' * 1_000_000}"
    supervisor.tell("WATCHDOG=1", story, environment=environment)
    assert receiver.recv(10_000).startswith(b"WATCHDOG=1\nSTATUS=xxx")


def test_an_abstract_socket_is_found():
    """Its name begins with an @ in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0tutti-test-notify")
        receiver.settimeout(5)
        told = {supervisor.SOCKET: "@tutti-test-notify"}
        supervisor.tell("WATCHDOG=1", environment=told)
        assert receiver.recv(100) == b"WATCHDOG=1"


def test_nobody_listening_is_no_fault(tmp_path):
    """A daemon started by hand, or a supervisor that just went."""
    supervisor.tell("READY=1", environment={})
    gone = tmp_path / "no"
    supervisor.tell("READY=1", environment={supervisor.SOCKET: str(gone)})
    assert not gone.exists()


@pytest.mark.parametrize(
    ("said", "seconds"), [("90000000", 30.0), ("", 0.0), ("soon", 0.0)]
)
def test_signs_of_life_come_three_times_as_often_as_asked(said, seconds):
    """One may get lost in a busy moment."""
    assert supervisor.alive_every({supervisor.WATCHDOG: said}) == pytest.approx(seconds)
    assert supervisor.alive_every({}) == 0.0
