"""What is decided before anything is installed; `tests/firmware` does install it."""

from pathlib import Path

from edge.image import recipe, stage
from edge.image.parts import Wishes

OURS = Path(__file__).parents[3] / "firmware-images"
AMD64 = recipe.read(OURS, "debian-amd64")


def test_the_command_names_what_is_wished_for(tmp_path):
    """Non-free packages need their part of Debian's archive."""
    plain = stage.command(AMD64, Wishes(), tmp_path)
    rich = stage.command(AMD64, Wishes(has_firmware=True), tmp_path)
    assert "--components=main" in plain
    assert "--components=main,non-free-firmware" in rich
    assert plain[-2:] == ["bookworm", str(tmp_path / "root.tar")]


def test_no_mirror_is_named(tmp_path):
    """The builder's own configuration says where packages come from."""
    assert not any("://" in word for word in stage.command(AMD64, Wishes(), tmp_path))


def test_what_a_board_s_rom_reads_goes_beside_the_loader(tmp_path):
    """By its path on the ESP; a machine whose ROM reads nothing has none."""
    assert stage.extras(tmp_path / "none") == ()
    (tmp_path / "overlays").mkdir()
    for name in ("start4.elf", "overlays/a.dtbo"):
        (tmp_path / name).touch()
    assert [name for name, _ in stage.extras(tmp_path)] == [
        "overlays/a.dtbo",
        "start4.elf",
    ]
