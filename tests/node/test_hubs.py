"""Where a device looks for its hub: what is known first, each place once."""

import socket

from node import hubs, supervisor
from tests.support import builders as a


def test_the_setting_comes_before_the_join_file_and_root():
    """The nearest word first, without repeats."""
    ledger = a.ledger_of(a.enrolled())
    found = hubs.known("https://set:1", ["https://join:1", "https://set:1"], ledger)
    assert found == ("https://set:1", "https://join:1", "https://127.0.0.1:8443")


def test_nothing_is_known_of_a_blank_device():
    """Then mDNS is all there is."""
    assert hubs.known("", (), a.empty_ledger()) == ()


def test_known_addresses_come_before_anyone_is_asked():
    """A device with a known hub starts no discovery."""
    first = next(hubs.candidates("shop", ["https://join:1"]))
    assert first == "https://join:1"


def test_each_address_is_a_sign_of_life(tmp_path, monkeypatch):
    """Sixteen hubs that are gone take longer than systemd's watchdog waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as init:
        init.bind(str(tmp_path / "notify"))
        init.settimeout(5)
        monkeypatch.setenv(supervisor.SOCKET, str(tmp_path / "notify"))
        tried = hubs.candidates("shop", ["https://a:1", "https://b:1"])
        for _ in range(2):
            next(tried)
            assert init.recv(100) == b"WATCHDOG=1"
