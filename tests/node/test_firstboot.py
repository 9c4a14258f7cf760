"""Before the network: whatever is on the card, the device gets a name and goes on."""

import json
from pathlib import Path

import pytest

from node import firstboot, hostfiles


@pytest.fixture
def root(tmp_path):
    """Return a device's root with an empty card."""
    (tmp_path / firstboot.CARD).mkdir(parents=True)
    return tmp_path


def note(root):
    """Return what the console is told of the card."""
    return json.loads((root / firstboot.NOTE).read_text())["problem"]


def test_an_empty_card_is_a_good_card(root):
    """DHCP, and a name of its own."""
    name = firstboot.prepare(root, Path.is_dir)
    assert firstboot.NAME.fullmatch(name)
    assert (root / "run" / hostfiles.SETTINGS).read_text() == f'name = "{name}"\n'
    assert note(root) == ""


def test_what_the_card_says_is_done(root):
    """A person's name for it comes first."""
    card = root / firstboot.CARD / "network.toml"
    card.write_text('hostname = "till-7"\nntp = ["10.0.0.1"]\n')
    assert firstboot.prepare(root, Path.is_dir) == "till-7"
    assert (root / "run" / hostfiles.TIME).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hostname = ", "damaged"),
        (b"\xff\xfe", "cannot read network.toml"),
        (b"colour = 1", "unknown field"),
        (b"#" * 100_000, "larger than"),
    ],
)
def test_a_bad_file_is_said_and_passed_by(root, content, said):
    """The device uses DHCP rather than nothing."""
    (root / firstboot.CARD / "network.toml").write_bytes(content)
    name = firstboot.prepare(root, Path.is_dir)
    assert firstboot.NAME.fullmatch(name)
    assert said in note(root)
    assert (root / "run" / hostfiles.REGISTRIES).read_text() == ""


def test_a_card_that_is_not_there_is_said(tmp_path):
    """Pulled out, or its table of files gone."""
    (tmp_path / firstboot.CARD).mkdir(parents=True)
    firstboot.prepare(tmp_path)  # nothing is mounted on the folder
    assert note(tmp_path) == firstboot.NO_CARD


def test_a_card_that_fails_when_touched_stops_nothing(root):
    """A worn-out card answers with EIO, and a device without a name is nobody."""

    def fails(_):
        raise OSError(5, "Input/output error")

    assert firstboot.NAME.fullmatch(firstboot.prepare(root, fails))
    assert note(root) == firstboot.NO_CARD


def test_a_name_comes_from_the_hardware_and_stays(root):
    """A network card found late, or exchanged, does not rename a device."""
    serial = root / "sys/class/dmi/id/product_serial"
    serial.parent.mkdir(parents=True)
    serial.write_text("G6BN\n")
    name = firstboot.own_name(root)
    (root / firstboot.NAMES).unlink()
    assert firstboot.own_name(root) == name
    serial.write_text("other\n")
    assert firstboot.own_name(root) == name


def test_two_devices_without_a_serial_differ(root, tmp_path_factory):
    """Luck, where hardware has nothing to say; kept as well."""
    other = tmp_path_factory.mktemp("other")
    assert firstboot.own_name(root) != firstboot.own_name(other)
    assert firstboot.own_name(root) == firstboot.own_name(root)


def test_a_kept_name_that_is_damaged_is_made_again(root):
    """It becomes part of a settings file."""
    path = root / firstboot.NAMES
    path.parent.mkdir(parents=True)
    path.write_text('x"\nhub = "https://evil')
    assert firstboot.NAME.fullmatch(firstboot.own_name(root))


def test_passwords_are_root_s_alone(root):
    """What wpa_supplicant reads nobody else does."""
    card = root / firstboot.CARD / "network.toml"
    card.write_text('[[wifi]]\nssid = "shop"\npassword = "correct horse"\n')
    firstboot.prepare(root, Path.is_dir)
    assert (root / "run" / hostfiles.WIFI).stat().st_mode & 0o777 == 0o600
    assert (root / "run" / hostfiles.SETTINGS).stat().st_mode & 0o777 == 0o644
