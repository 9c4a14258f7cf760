"""The table of an image follows from its root file system."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ImageError
from edge.image import gpt, tools
from edge.image.gpt import MIB

DIGEST = "ab" * 32


@given(st.integers(1, 4096 * MIB))
def test_a_root_fits_its_slot_and_slots_are_aligned(size):
    """Both slots are equal, or a later version fits one and not the other."""
    table = gpt.plan("amd64", size, DIGEST)
    a, b = table[gpt.ROOT_A], table[gpt.ROOT_B]
    assert a.size == b.size >= max(size, gpt.SLOT_LEAST)
    assert a.size - size < max(gpt.SLOT_LEAST, gpt.SLOT_STEP)
    ends = [each.start + each.size for each in table.partitions]
    assert [each.start for each in table.partitions] == [MIB, *ends[:-1]]
    assert not any(each.start % MIB for each in table.partitions)
    assert table.size == ends[-1] + MIB


def test_guids_follow_from_the_root():
    """The same build twice is the same image; another root is another disk."""
    first, again = (gpt.plan("amd64", 1, DIGEST) for _ in range(2))
    other = gpt.plan("amd64", 1, "cd" * 32)
    assert first == again
    guids = [first.guid, *(each.guid for each in first.partitions)]
    assert len(set(guids)) == 5
    assert first.guid != other.guid
    assert {uuid.UUID(each).version for each in guids} == {5}
    assert {uuid.UUID(each).variant for each in guids} == {uuid.RFC_4122}


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_sfdisk_makes_what_was_planned(tmp_path, architecture):
    """The real tool reads our text and prints our table."""
    table = gpt.plan(architecture, 400 * MIB, DIGEST)
    image = tmp_path / "disk"
    with image.open("xb") as file:
        file.truncate(table.size)
    tools.call("sfdisk", "--quiet", image, data=gpt.script(table).encode())
    found = gpt.parse(tools.call("sfdisk", "--json", image))
    assert found.partitions == table.partitions
    assert found.guid == table.guid


def test_another_kind_of_table_is_refused(tmp_path):
    """A foreign disk is none of ours."""
    image = tmp_path / "disk"
    with image.open("xb") as file:
        file.truncate(8 * MIB)
    tools.call("sfdisk", "--quiet", image, data=b"label: dos\n2048,2048,c\n")
    with pytest.raises(ImageError, match="it is not GPT"):
        gpt.parse(tools.call("sfdisk", "--json", image))


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_table_says_for_which_machine_it_is(architecture):
    """So that an image is not tried on another."""
    table = gpt.plan(architecture, 1, DIGEST)
    assert gpt.architecture_of(table) == architecture
