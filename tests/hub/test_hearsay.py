from collections.abc import Mapping

import pytest

from edge.model import Neighbour
from edge.names import NodeName
from hub import fleet, hearsay
from hub.beats import Beat
from hub.fleet import Presence, Signals
from hub.hearsay import Link
from tests.support import builders
from tests.support.builders import NOW, Device, enrolled, ledger_of, signed
from tests.support.fleets import heard

N1, N2, N3, N4 = DEVICES = tuple(Device(f"n{number}") for number in (1, 2, 3, 4))
BY_NAME = {each.name: each for each in DEVICES}
FRESH = Beat(sequence=2, text="", at=NOW - 5)
Words = Mapping[str, Mapping[str, str]]


def links(
    words: Words,
    *envelopes: bytes,
    silent: tuple[str, ...] = (),
    beats: Mapping[str, Beat] | None = None,
) -> Mapping[NodeName, Link]:
    """How devices are connected; ``words`` are who → about whom → state.

    Who says nothing of another says that it is alive.
    """
    ledger = ledger_of((*enrolled(*DEVICES), *envelopes))
    signals = Signals(
        heard={
            each.id: heard(each, neighbours=_said(each, words.get(each.name, {})))
            for each in DEVICES
        },
        presence={
            BY_NAME[name].id: Presence(is_online=False, at=NOW) for name in silent
        },
    )
    standings = fleet.fold(ledger, signals, NOW)
    return hearsay.links(standings, beats or {}, NOW)


def _said(by: Device, words: Mapping[str, str]) -> tuple[Neighbour, ...]:
    return tuple(
        Neighbour(
            device=each.id,
            name=each.name,
            state=words.get(each.name, "alive"),
            reason="silent on every path" if words.get(each.name) == "dead" else "",
        )
        for each in DEVICES
        if each is not by
    )


def words_of(found: Mapping[NodeName, Link]) -> list[str]:
    """The words alone, by name."""
    return [link.word for _, link in sorted(found.items())]


def test_a_site_in_one_piece_is_heard() -> None:
    """There is nothing to say."""
    found = links({})
    assert set(found.values()) == {Link(word="heard")}


def test_a_silent_device_that_neighbours_call_dead_is_dead() -> None:
    """Who says so, and why."""
    everyone = {name: {"n1": "dead"} for name in ("n2", "n3", "n4")}
    found = links(everyone, silent=("n1",))
    assert words_of(found) == ["dead", "heard", "heard", "heard"]
    assert (
        found[NodeName("n1")].reason == "dead, say n2, n3 and n4 (silent on every path)"
    )


def test_one_that_says_otherwise_is_enough_not_to_be_dead() -> None:
    """It is reached by somebody."""
    found = links({"n2": {"n1": "dead"}, "n3": {"n1": "dead"}}, silent=("n1",))
    assert found[NodeName("n1")].word == "cut from hub"
    assert found[NodeName("n1")].reason == "alive, says n4; nothing of it arrives here"


def test_a_silent_device_with_signs_of_life_is_relayed() -> None:
    """Its neighbours pass them on."""
    found = links({}, silent=("n1",), beats={N1.id: FRESH})
    assert found[NodeName("n1")].word == "relayed"
    assert found[NodeName("n1")].reason == "n2, n3 and n4 passed on its sign of life"


def test_signs_of_life_grow_old() -> None:
    """Then only words are left."""
    old = Beat(sequence=2, text="", at=NOW - 60)
    assert (
        links({}, silent=("n1",), beats={N1.id: old})[NodeName("n1")].word
        == "cut from hub"
    )


def test_a_device_that_said_goodbye_is_leaving() -> None:
    """While it hands over, and after it went."""
    everyone = {name: {"n1": "leaving"} for name in ("n2", "n3", "n4")}
    assert words_of(links(everyone)) == ["leaving", "heard", "heard", "heard"]
    assert links(everyone, silent=("n1",))[NodeName("n1")].word == "leaving"


def test_nobodys_word_is_offline() -> None:
    """A whole site without an uplink, or a device without neighbours."""
    silent = tuple(BY_NAME)
    assert set(links({}, silent=silent).values()) == {Link(word="offline")}
    unknown = {name: {"n1": "unknown"} for name in ("n2", "n3", "n4")}
    assert links(unknown, silent=("n1",))[NodeName("n1")].word == "offline"


@pytest.mark.parametrize("state", ["dead", "suspect"])
def test_a_device_the_others_cannot_reach_is_partitioned(state: str) -> None:
    """The hub hears it; the larger part is taken for the site."""
    apart = {name: {"n1": state} for name in ("n2", "n3", "n4")}
    found = links({**apart, "n1": dict.fromkeys(("n2", "n3", "n4"), state)})
    assert words_of(found) == ["partitioned", "heard", "heard", "heard"]
    assert found[NodeName("n1")].reason.startswith(
        "n2, n3 and n4 cannot reach it, the hub can"
    )


def test_one_alone_that_reaches_nobody_is_partitioned_though_none_says_so() -> None:
    """A line that carries in one direction only."""
    found = links({"n1": dict.fromkeys(("n2", "n3", "n4"), "dead")})
    assert words_of(found) == ["partitioned", "heard", "heard", "heard"]
    assert found[NodeName("n1")].reason == "it cannot reach n2, n3 and n4, the hub can"


def test_of_equal_parts_none_is_the_site() -> None:
    """Two and two that do not reach each other."""
    left = {name: {"n3": "dead", "n4": "dead"} for name in ("n1", "n2")}
    assert words_of(links(left)) == ["partitioned"] * 4


def test_one_bad_line_makes_no_parts() -> None:
    """They reach each other by others."""
    found = links({"n1": {"n2": "suspect"}, "n2": {"n1": "suspect"}})
    assert set(found.values()) == {Link(word="heard")}


def test_words_of_another_site_do_not_count() -> None:
    """Neither do those of a revoked device, or of one that is silent itself."""
    liars = {name: {"n1": "dead"} for name in ("n2", "n3", "n4")}
    away = signed(builders.node(N2, site="away"))
    gone = signed(builders.revocation(devices=(N3.id,)))
    found = links(liars, away, gone, silent=("n4",))
    assert found[NodeName("n1")].word == "heard"
    assert "n3" not in found
