"""The device on its disk: one fleet, one daemon."""

import os
import time

import pytest

from edge import documents, joinfile
from edge.errors import ConfigError, Damaged, TrustError
from node import device as devices
from node.settings import Settings
from tests.support import builders as a


def join(fleet: str = a.FLEET) -> joinfile.JoinFile:
    """Return a join file of a fleet."""
    voucher = documents.sign(a.voucher(fleet=fleet), a.OPERATOR)
    return joinfile.JoinFile(
        fleet=fleet,
        root=a.empty_ledger().anchor,
        hubs=(),
        seed=a.JOIN.seed,
        voucher=voucher,
    )


def opened(folder, file):
    """Open the device in a folder."""
    return devices.open_device(Settings(state=folder), file, os.urandom, lambda: a.NOW)


def test_a_blank_device_needs_a_join_file(tmp_path):
    """Without one, the message says what to do."""
    with pytest.raises(ConfigError, match="--join"):
        opened(tmp_path, None)


def test_the_second_start_is_the_same_device(tmp_path):
    """An interrupted enrolment resumes with the same keys, join file or not."""
    first = opened(tmp_path, join())
    again = opened(tmp_path, None)
    assert again.identity.device == first.identity.device
    assert not again.is_enrolled


def test_a_wrong_join_file_can_be_replaced_before_enrolment(tmp_path):
    """Until it is a member, a device belongs to whoever joins it."""
    opened(tmp_path, join("other"))
    assert opened(tmp_path, join()).ledger.fleet == a.FLEET


def test_an_enrolled_device_refuses_another_fleet(tmp_path):
    """Once enrolled, no join file takes it away."""
    opened(tmp_path, join())
    (tmp_path / devices.CERTIFICATE).write_text("pem")
    with pytest.raises(ConfigError, match="this device is in 'shop'"):
        opened(tmp_path, join("other"))


@pytest.mark.parametrize("content", [b"", b"\0" * 80, b"shop", b"shop sha256:", None])
@pytest.mark.parametrize("file", [None, join(), join("other")])
def test_a_member_that_forgot_its_fleet_is_damaged(tmp_path, content, file):
    """It is no blank device, and no join file may say whose it was."""
    opened(tmp_path, join())
    (tmp_path / devices.CERTIFICATE).write_text("pem")
    (tmp_path / devices.ANCHOR).unlink()
    if content is not None:
        (tmp_path / devices.ANCHOR).write_bytes(content)
    with pytest.raises(Damaged, match="which fleet"):
        opened(tmp_path, file)


def test_before_it_is_a_member_a_join_file_mends_that(tmp_path):
    """Nothing is lost but the keys' first use."""
    first = opened(tmp_path, join())
    (tmp_path / devices.ANCHOR).write_bytes(b"\0" * 80)
    again = opened(tmp_path, join())
    assert again.identity.device == first.identity.device


def test_two_daemons_do_not_share_a_folder(tmp_path):
    """The second one is told."""
    with (
        devices.locked(tmp_path),
        pytest.raises(ConfigError, match="another edge-node"),
        devices.locked(tmp_path),
    ):
        pass


def test_the_lock_is_free_again(tmp_path):
    """An ended daemon leaves nothing behind."""
    with devices.locked(tmp_path):
        pass
    with devices.locked(tmp_path):
        assert tmp_path.exists()


def test_a_server_is_judged_by_what_has_passed_for_sure(tmp_path):
    """Clocks without a battery say any year."""
    device = opened(tmp_path, join())
    dates = {"notBefore": "Jan  1 00:00:00 1970 GMT"}
    device.ledger.floor = a.NOW
    device.judge_peer({**dates, "notAfter": ends(a.NOW + 1)})
    with pytest.raises(TrustError, match="its certificate ended"):
        device.judge_peer({**dates, "notAfter": ends(a.NOW - 1)})


def ends(at: float) -> str:
    """Return a date as OpenSSL writes it."""
    return time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(at))
