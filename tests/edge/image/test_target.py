"""Which disks are left alone."""

import json

from edge.image import target
from edge.image.target import STATE_LEAST, Target

GIB = 1024**3


def device(**changes: object) -> dict[str, object]:
    """A card in a reader, as lsblk prints it."""
    shown = {
        "name": "/dev/sdb",
        "type": "disk",
        "size": 32 * GIB,
        "model": "Card Reader ",
        "tran": "usb",
        "ro": False,
        "fstype": None,
        "label": None,
        "partlabel": None,
        "mountpoints": [None],
    }
    return {**shown, **changes}


def seen(**changes: object) -> Target:
    """What we make of it."""
    return target.parse(json.dumps({"blockdevices": [device(**changes)]}).encode())


def part(**changes: object) -> dict[str, object]:
    """A partition of it."""
    return device(name="/dev/sdb1", type="part", size=GIB, **changes)


def test_a_card_in_a_reader_may_be_written():
    """And is shown by what is written on its case."""
    assert target.refusal(seen(), GIB) == ""
    assert seen().title == "/dev/sdb (Card Reader (usb), 34.4 GB)"
    assert seen().holds == ()


def test_what_is_on_it_is_told():
    """A person recognises their photos."""
    photos = part(fstype="exfat", label="PHOTOS")
    assert seen(children=[photos]).holds == ("/dev/sdb1: exfat PHOTOS, 1.1 GB",)
    assert seen(fstype="ext4").holds == ("/dev/sdb: ext4, 34.4 GB",)


def test_a_disk_with_a_mounted_part_is_refused():
    """Also deep inside: an encrypted volume on a partition."""
    inner = device(name="/dev/mapper/x", type="crypt", mountpoints=["/mnt/x"])
    problem = target.refusal(seen(children=[part(children=[inner])]), GIB)
    assert problem == "it is in use; unmount /mnt/x first"


def test_the_disk_this_machine_runs_from_is_refused():
    """Nobody means that one."""
    for place in ("/", "/boot", "[SWAP]"):
        system = seen(children=[part(mountpoints=[None, place])])
        assert "this machine runs from it" in target.refusal(system, GIB)


def test_a_partition_is_no_disk():
    """The table would be inside of it, where no firmware looks."""
    assert target.refusal(seen(type="part"), GIB) == "it is a part, not a whole disk"


def test_a_locked_card_is_refused():
    """With a hint at the switch."""
    assert "read-only" in target.refusal(seen(ro=True), GIB)


def test_a_disk_without_room_for_the_state_is_refused():
    """The image alone would fit, and the device never start."""
    assert "too small" in target.refusal(seen(size=GIB + STATE_LEAST - 1), GIB)
    assert target.refusal(seen(size=GIB + STATE_LEAST), GIB) == ""
