"""zstd packs and unpacks, and a file is whole or not there."""

import pytest

from edge.errors import ImageError
from edge.image import packing
from tests.support import images

MIB = 1024 * 1024


@pytest.fixture
def image(tmp_path):
    """Forty megabytes, most of them a hole."""
    path = tmp_path / "a.img"
    with path.open("xb") as file:
        file.write(bytes(range(256)) * 4096)
        file.truncate(40 * MIB)
    return path


def test_what_was_packed_is_unpacked(tmp_path, image):
    """The same bytes; holes stay holes."""
    packed, back = tmp_path / "a.zst", tmp_path / "b.img"
    packing.pack(image, packed, images.silent)
    assert packing.is_packed(packed)
    assert not packing.is_packed(image)
    packing.unpack(packed, back, images.silent)
    assert back.read_bytes() == image.read_bytes()
    assert back.stat().st_blocks * 512 < 10 * MIB


def test_packing_repeats_and_ends_its_progress(tmp_path, image):
    """The checksum beside an image is worth something; the bar reaches its end."""
    shares: list[float] = []
    packing.pack(image, tmp_path / "1", lambda _, share: shares.append(share))
    packing.pack(image, tmp_path / "2", images.silent)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_file_that_was_cut_short_is_refused(tmp_path, image):
    """A download that ended early does not become a device that half boots."""
    packed = tmp_path / "a.zst"
    packing.pack(image, packed, images.silent)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(ImageError, match=r"cannot go on unpacking .*a.zst"):
        packing.unpack(packed, tmp_path / "b", images.silent)


def test_a_file_appears_whole(tmp_path):
    """Until the end the old one is there; afterwards only the new one."""
    target = tmp_path / "x"
    target.write_text("old")
    with packing.replacing(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("failure", [ImageError("no"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path, failure):
    """Nor does Ctrl-C."""

    def fail() -> None:
        with packing.replacing(tmp_path / "x") as part:
            part.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """Not a traceback."""
    target = tmp_path / "nowhere" / "x"
    with (
        pytest.raises(ImageError, match=r"cannot write .*nowhere/x: No such"),
        packing.replacing(target) as part,
    ):
        part.write_text("x")
