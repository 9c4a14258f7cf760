"""An image gets another join file; everything else of it stays."""

import pytest

from edge import joinfile
from edge.errors import ConfigError, ImageError
from edge.image import card, disk, fat, gpt, packing, tools
from edge.image.disk import Change
from tests.support import images

NOW = 1_000_000.0
NETWORK = 'hostname = "till-7"\n'


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A raw image with a join file of fleet shop."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return images.image(tmp_path)[0]


def configure(image, **changes):
    """Configure without a progress."""
    return disk.configure(image, Change(**changes), NOW, images.silent)


def root(image):
    """The root file system in an image."""
    table = disk.read_table(image)
    with image.open("rb") as file:
        file.seek(table[gpt.ROOT_A].start)
        return file.read(3 * gpt.MIB + 4)


def test_another_join_file_replaces_the_first(image):
    """The rest of the disk is as it was, and the network settings too."""
    before, table = root(image), disk.read_table(image)
    configure(image, join=images.join_text("other"))
    found = disk.read_card(image, disk.read_table(image))
    assert joinfile.parse(found.join).fleet == "other"
    assert found.network == card.NO_NETWORK
    assert root(image) == before
    assert disk.read_table(image) == table
    assert b'fleet = "shop"' not in image.read_bytes()


def test_a_packed_image_stays_packed(image, tmp_path):
    """Nothing of the work is left beside it."""
    packed = tmp_path / "shop.img.zst"
    packing.pack(image, packed, images.silent)
    configure(packed, network=NETWORK)
    assert packing.is_packed(packed)
    raw = tmp_path / "again.img"
    packing.unpack(packed, raw, images.silent)
    assert disk.read_card(raw, disk.read_table(raw)).network == NETWORK
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"made.img", "parts", "shop.img.zst", "again.img"}


def test_a_hub_can_be_changed_alone(image):
    """The site got another address."""
    made = configure(image, hubs=("https://10.0.0.9:8443",))
    assert joinfile.parse(made.join).hubs == ("https://10.0.0.9:8443",)


def test_a_refused_change_leaves_the_image(image):
    """Whole, and with the join file it had."""
    before = image.read_bytes()
    with pytest.raises(ConfigError, match="it is damaged"):
        configure(image, join="nonsense")
    assert image.read_bytes() == before


def test_a_damaged_card_can_be_written_anew(image):
    """By naming everything that would be on it."""
    with image.open("r+b") as file:
        file.seek(disk.read_table(image)[gpt.CARD].start)
        file.write(b"\xff" * gpt.MIB)
    with pytest.raises(
        ImageError, match=r"partition TUTTI of .* is damaged; name both"
    ):
        configure(image, join=images.join_text())
    configure(image, join=images.join_text(), network=NETWORK)
    assert disk.read_card(image, disk.read_table(image)).network == NETWORK


def test_a_card_that_is_full_is_written_anew(image):
    """Somebody kept their photos on it."""
    volume = fat.at(image, disk.read_table(image)[gpt.CARD], images.EPOCH)
    fat.put(volume, {"photo": b"x" * 60 * gpt.MIB})
    configure(image, join=images.join_text("other"))
    table = disk.read_table(image)
    assert "photo" not in fat.names(fat.at(image, table[gpt.CARD], 0))


def test_an_image_without_a_join_file_needs_one_for_a_hub(image, tmp_path):
    """The hub is written in the join file."""
    (tmp_path / "bare").mkdir()
    bare, _ = images.image(tmp_path / "bare", text="")
    with pytest.raises(ConfigError, match="name --join"):
        configure(bare, hubs=("https://h:1",))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (b"label: dos\n2048,2048,c\n", "not a Tutti image .*not GPT"),
        (b'label: gpt\nsize=2048,name="x"\n', "no partition tutti-root-a"),
        (b'label: gpt\nsize=2048,name="tutti-root-a"\n', "no partition TUTTI; build"),
    ],
)
def test_a_foreign_disk_is_refused(tmp_path, table, problem):
    """With what is missing."""
    image = tmp_path / "x.img"
    with image.open("xb") as file:
        file.truncate(8 * gpt.MIB)
    tools.call("sfdisk", "--quiet", image, data=table)
    with pytest.raises(ImageError, match=problem):
        configure(image, network=NETWORK)


def test_something_else_is_no_image(tmp_path):
    """A text file, or nothing at all."""
    (tmp_path / "x").write_text("x" * 10000)
    with pytest.raises(ImageError, match="not a Tutti image"):
        configure(tmp_path / "x", network=NETWORK)
    with pytest.raises(ImageError, match="cannot read"):
        configure(tmp_path / "nowhere", network=NETWORK)


def test_an_image_that_was_cut_short_is_refused(image):
    """A copy that ran out of disk."""
    with image.open("r+b") as file:
        file.truncate(disk.read_table(image)[gpt.ROOT_B].start)
    with pytest.raises(ImageError, match="cannot use"):
        disk.read_table(image)
