"""Signs of life of neighbours that the hub does not hear."""

from typing import Any

from netmesh.view import Peer, View
from node.relay import EVERY, Relay


def view(*peers: Peer) -> View:
    """A site of d-1 and these."""
    return View(at=0.0, peers={each.device: each for each in peers})


def peer(number: int, beat: bytes = b"", **fields: Any) -> Peer:
    """A live neighbour; with a sign of life it is cut from the hub."""
    given = {"state": "alive", "has_hub": not beat} | fields
    return Peer(device=f"d-{number}", name=f"n{number}", beat=beat, **given)


def test_signs_of_life_are_passed_on_as_they_come() -> None:
    """Not more often than the uplink allows, and each once."""
    relay = Relay(me="d-1")
    assert relay.is_due(view(peer(2, b"1")), 100.0)
    assert not relay.is_due(view(peer(2, b"1")), 100.0 + EVERY)
    assert relay.is_due(view(peer(2, b"2")), 100.0 + EVERY)
    assert not relay.is_due(view(peer(2, b"3")), 101.0 + EVERY)
    assert relay.is_due(view(peer(2, b"3")), 100.0 + 2 * EVERY)


def test_nothing_is_reported_for_those_who_reach_the_hub() -> None:
    """They speak for themselves, and their last sign of life is an old one."""
    relay = Relay(me="d-1")
    assert not relay.is_due(view(peer(2), peer(3, b"1", has_hub=True)), 100.0)


def test_two_of_a_site_pass_on_for_all() -> None:
    """Of those alive and with a link to the hub."""
    lost = peer(9, b"1")
    many = view(lost, peer(1), peer(2), peer(4))
    assert not Relay(me="d-3").is_due(many, 100.0)
    fewer = view(lost, peer(1), peer(2, state="dead"), peer(4))
    assert Relay(me="d-3").is_due(fewer, 100.0)
