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


def add_device(root, number, name, node):
    """Add a character device as the kernel lists it."""
    put(root, f"sys/devices/any/{name}/uevent", f"MAJOR=1\nDEVNAME={node}\n")
    link = root / "sys/dev/char" / number
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../devices/any/{name}")


def test_devices_are_those_people_pass_to_containers(tmp_path):
    """Serial lines, cameras, chips with pins; not every device there is."""
    add_device(tmp_path, "188:0", "ttyUSB0", "ttyUSB0")
    add_device(tmp_path, "254:0", "gpiochip0", "gpiochip0")
    add_device(tmp_path, "226:128", "renderD128", "dri/renderD128")
    add_device(tmp_path, "116:2", "pcmC0D0p", "snd/pcmC0D0p")
    add_device(tmp_path, "1:3", "null", "null")
    assert hardware.devices(tmp_path) == (
        "/dev/dri/renderD128",
        "/dev/gpiochip0",
        "/dev/snd/pcmC0D0p",
        "/dev/ttyUSB0",
    )


@pytest.mark.parametrize("node", ["", "../../etc/shadow", "/abs", "kvm/../../x", "sda"])
def test_a_device_s_node_is_one_of_those(tmp_path, node):
    """A driver that says something else is not believed."""
    add_device(tmp_path, "10:232", "kvm", node)
    assert hardware.devices(tmp_path) == ()


def test_a_device_that_goes_while_we_look_is_none(tmp_path):
    """USB is pulled out at any moment."""
    link = tmp_path / "sys/dev/char/188:0"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../devices/gone/ttyUSB0")
    assert hardware.devices(tmp_path) == ()


def test_nothing_is_known_of_an_empty_world(tmp_path):
    """A container shows no hardware, and that is no error."""
    assert hardware.model(tmp_path) == hardware.serial(tmp_path) == ""
    assert hardware.cameras(tmp_path) == 0
    assert hardware.devices(tmp_path) == ()


def test_a_file_without_end_is_cut(tmp_path):
    """Nothing is read without a limit."""
    put(tmp_path, "sys/class/dmi/id/product_name", "x" * 10_000)
    assert len(hardware.model(tmp_path)) == hardware.TEXT_MAX
