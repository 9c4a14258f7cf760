"""From options to faults, and from second 0 of a story to the world's time."""

import pytest

from edge.errors import ConfigError
from edge.sim import mishaps, network

NODES = ("n1", "n2", "n3")


def read(**asked):
    """Return faults as (kind, node, at, until), the story beginning at 100 s."""
    found = mishaps.read(asked, NODES, 100.0)
    return [(each.kind, each.node, each.at, each.until) for each in found]


def test_times_count_from_when_the_fleet_has_settled():
    """And faults come in order of time."""
    assert read(kill=["n2@30s"], pause=["n1@10s-20s"]) == [
        ("pause", "n1", 110.0, 120.0),
        ("kill", "n2", 130.0, None),
    ]


def test_boot_ends_the_last_fault_of_a_device():
    """The one that is still open at that time."""
    found = read(kill=["n2@10s", "n2@100s", "n1@5s"], boot=["n2@60s"])
    assert ("kill", "n2", 110.0, 160.0) in found
    assert ("kill", "n2", 200.0, None) in found
    assert ("kill", "n1", 105.0, None) in found


@pytest.mark.parametrize("boot", ["n2@5s", "n1@20s"])
def test_who_is_on_cannot_be_booted(boot):
    """Before it was killed, or never killed at all."""
    with pytest.raises(ConfigError, match="is on at that time"):
        read(kill=["n2@10s"], boot=[boot])


def test_heal_ends_a_cut_from_whichever_end_it_is_named():
    """A wire has no first end; another wire stays cut."""
    asked = {"cut": ["n1-n2@1s", "n2-n3@2s"], "heal": ["n2-n1@5s"]}
    found = mishaps.read(asked, NODES, 0.0)
    assert [each.until for each in found] == [5.0, None]


def test_heal_ends_a_partition_and_everything():
    """By the same words, or by all@TIME."""
    asked = {"partition": ["n1|n2,n3@1s"], "cut": ["hub@2s"]}
    found = mishaps.read(asked | {"heal": ["n1|n2,n3@9s"]}, NODES, 0.0)
    assert [each.until for each in found] == [9.0, None]
    found = mishaps.read(asked | {"heal": ["all@9s"]}, NODES, 0.0)
    assert [each.until for each in found] == [9.0, 9.0]


def test_what_is_whole_cannot_be_healed():
    """It would hide a slip in the option."""
    with pytest.raises(ConfigError, match="nothing like it is cut"):
        read(cut=["n1-n2@1s"], heal=["n1-n3@5s"])


def test_a_daemon_that_died_is_started_again():
    """That is what systemd is for."""
    assert read(crash=["n1@1s"]) == [("crash", "n1", 101.0, 102.0)]


def test_one_way_cuts_one_way():
    """n1>n2: n2 hears n1 no more."""
    (found,) = mishaps.read({"cut": ["n1>n2@1s"]}, NODES, 0.0)
    assert found.pairs == (("n1", "n2"),)


def test_a_device_is_cut_from_everything():
    """The hub and the broker included."""
    (found,) = mishaps.read({"cut": ["n1@1s"]}, NODES, 0.0)
    assert set(found.pairs) >= {("n1", network.HUB), (network.BROKER, "n1")}


@pytest.mark.parametrize("text", ["n2", "n9@1s", "n2@soon", "n2@5s-1s", "@1s"])
def test_slips_are_sentences(text):
    """Not a traceback."""
    with pytest.raises(ConfigError, match="cannot read"):
        read(kill=[text])
