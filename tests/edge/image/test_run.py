"""A real QEMU with real firmware, and an image in which nothing boots.

What an image does is the subject of the image test; here it is the machine's power.
"""

import os
import signal

import pytest

from edge.errors import ImageError
from edge.image.machine import Hardware
from edge.image.run import Guest
from tests.support import images

FIRMWARE_WITHIN = 40.0
"""Seconds for OVMF to say a word in software, on a machine that does other things."""
SAYS = "BdsDxe"


@pytest.fixture
def guest(tmp_path):
    """A device that is off."""
    image, _ = images.image(tmp_path)
    hardware = Hardware(architecture="amd64", serial="s1", mac="52:54:00:00:00:01")
    made = Guest(image, tmp_path / "g1", hardware)
    yield made
    made.forget()


def test_power_goes_on_and_off_and_the_disk_stays(guest):
    """A power cut takes nothing that is on the disk."""
    guest.start()
    assert guest.is_running
    assert SAYS in guest.wait_for(SAYS, FIRMWARE_WITHIN)
    guest.kill()
    assert not guest.is_running
    disk = guest.folder / "disk.qcow2"
    before = disk.stat().st_ino
    guest.start()
    assert SAYS not in guest.console()
    assert guest.is_running
    assert disk.stat().st_ino == before
    # Nothing that listens to the button has booted.
    guest.power_off(0.1)
    assert not guest.is_running


def test_a_guest_that_ends_is_noticed(guest):
    """Not waited for until the time is over."""
    guest.start()
    os.kill(guest.pid, signal.SIGKILL)
    with pytest.raises(
        ImageError, match="'never said' on the console of g1 and is off"
    ):
        guest.wait_for("never said", 30)


def test_another_image_is_another_device(guest, tmp_path):
    """A disk on top of an image that changed under it would be garbage."""
    guest.start()
    guest.kill()
    before = (guest.folder / "image").read_text()
    os.utime(tmp_path / "made.img", (1, 1))
    guest.start()
    assert (guest.folder / "image").read_text() != before


def test_what_qemu_refuses_is_repeated(guest, tmp_path):
    """A tap that is not there, for example."""
    hardware = Hardware(architecture="amd64", serial="s", mac="52:54:00:00:00:01")
    broken = Guest(
        tmp_path / "made.img", tmp_path / "g2", hardware, ("env", "-i", "PATH=/")
    )
    with pytest.raises(ImageError, match=r"cannot switch on g2: .*qemu"):
        broken.start()
