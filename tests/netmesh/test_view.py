"""A view is plain data; what it counts, it counts by state."""

from netmesh.view import Peer, View


def test_suspects_are_still_reached() -> None:
    """Only the dead and the never heard are not."""
    states = ("alive", "suspect", "dead", "unknown", "leaving")
    peers = {each: Peer(device=each, name=each, state=each) for each in states}
    assert View(at=0.0, peers=peers).reached == 2
