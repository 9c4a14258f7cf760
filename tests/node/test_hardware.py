"""Hardware says what it is, or something meaningless, or nothing."""

import pytest

from node import hardware


def put(root, place, text):
    """Write a file as the kernel shows it."""
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_board_says_what_it_is(tmp_path):
    """The device tree ends its strings with a zero byte."""
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B\0")
    put(tmp_path, "proc/device-tree/serial-number", "100000004a5b6c7d\0")
    assert hardware.model(tmp_path) == "Raspberry Pi 4 Model B"
    assert hardware.serial(tmp_path) == "100000004a5b6c7d"


def test_a_pc_says_it_elsewhere(tmp_path):
    """DMI, with line ends."""
    put(tmp_path, "sys/class/dmi/id/product_name", "NUC\n")
    put(tmp_path, "sys/class/dmi/id/product_serial", "G6BN\n")
    assert (hardware.model(tmp_path), hardware.serial(tmp_path)) == ("NUC", "G6BN")


@pytest.mark.parametrize("said", ["To Be Filled By O.E.M.\n", "Default string\n", "\n"])
def test_a_serial_that_many_have_is_none(tmp_path, said):
    """Two devices must not become one."""
    put(tmp_path, "sys/class/dmi/id/product_serial", said)
    assert hardware.serial(tmp_path) == ""


def test_only_cards_have_addresses_that_count(tmp_path):
    """A bridge of Podman's comes and goes."""
    put(tmp_path, "sys/class/net/cni0/type", "1\n")
    put(tmp_path, "sys/class/net/cni0/address", "aa:aa:aa:aa:aa:aa\n")
    put(tmp_path, "sys/class/net/lo/type", "772\n")
    assert hardware.mac(tmp_path) == ""
    put(tmp_path, "sys/class/net/eth0/type", "1\n")
    put(tmp_path, "sys/class/net/eth0/address", "52:54:00:00:00:01\n")
    put(tmp_path, "sys/class/net/eth0/device/vendor", "0x1af4\n")
    assert hardware.mac(tmp_path) == "52:54:00:00:00:01"


def test_a_camera_with_two_nodes_is_one(tmp_path):
    """UVC has a node for pictures and one for what is said of them."""
    for node, index in (("video0", "0"), ("video1", "1"), ("video2", "0")):
        put(tmp_path, f"sys/class/video4linux/{node}/index", f"{index}\n")
    assert hardware.cameras(tmp_path) == 2


def test_nothing_is_known_of_an_empty_world(tmp_path):
    """A container shows no hardware, and that is no error."""
    assert hardware.model(tmp_path) == hardware.serial(tmp_path) == ""
    assert hardware.cameras(tmp_path) == 0


def test_a_file_without_end_is_cut(tmp_path):
    """Nothing is read without a limit."""
    put(tmp_path, "sys/class/dmi/id/product_name", "x" * 10_000)
    assert len(hardware.model(tmp_path)) == hardware.TEXT_MAX
