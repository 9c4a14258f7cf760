"""Which revisions are at hand."""

from msgspec import structs

from node.revisions import at_hand
from tests.support.builders import deployment

THREE = deployment(version=3, fallback=2)
TWO, ONE = (structs.replace(THREE, version=each, fallback=0) for each in (2, 1))
DISK = {("web", 2): TWO, ("web", 1): ONE}


def test_the_newest_what_runs_and_the_way_back_are_at_hand():
    """And nothing is asked for twice."""
    asked = []

    def read(*key):
        asked.append(key)
        return DISK.get(key)

    found = at_hand({"web": THREE}, [("web", 1), ("gone", 7)], {}, read)
    assert found == {("web", 3): THREE, **DISK}
    assert asked == [("web", 1), ("gone", 7), ("web", 2)]


def test_what_is_held_is_not_read_again_and_what_is_not_used_goes():
    """The newest names version 2, nobody names version 1."""
    held = {("web", 2): TWO, ("web", 1): ONE}
    found = at_hand({"web": THREE}, (), held, lambda *_: None)
    assert found == {("web", 3): THREE, ("web", 2): TWO}
