"""A claim is said once to everybody, and again to whoever may have missed it."""

from edge.names import Slot
from netmesh.view import Peer, View
from node import claims
from node.announced import WITHDRAWN, Announced
from node.claims import Claim

SLOT = Slot("web/web.1")
ALONE = View(at=0.0)


def claim(**fields: object) -> dict[Slot, Claim]:
    """Return one claim of ours, by its slot."""
    given = {"slot": SLOT, "device": "d-1", "term": 1, "version": 1} | fields
    return {SLOT: Claim(**given)}  # type: ignore[arg-type]


def with_peer(state: str) -> View:
    """Return what is seen when there is one other device."""
    peer = Peer(device="d-2", name="n2", state=state)  # type: ignore[arg-type]
    return View(at=0.0, peers={"d-2": peer})


def test_what_did_not_change_is_said_once() -> None:
    """Of how long a copy runs, the word at the beginning is enough."""
    announced, held = Announced(), claim(running_for=1.5)
    assert announced.news(ALONE, held) == {SLOT: claims.encode(held[SLOT])}
    assert announced.news(ALONE, claim(running_for=9.0)) == {}


def test_a_change_is_said_as_it_is_now() -> None:
    """With all of it, how long it runs as well."""
    announced, healthy = Announced(), claim(is_healthy=True, running_for=9.0)
    announced.news(ALONE, claim())
    assert announced.news(ALONE, healthy) == {SLOT: claims.encode(healthy[SLOT])}


def test_whoever_comes_back_hears_it_anew() -> None:
    """It may have been away when it was said; who only goes hears nothing."""
    announced = Announced()
    announced.news(with_peer("dead"), claim())
    assert announced.news(with_peer("alive"), claim()).keys() == {SLOT}
    assert announced.news(with_peer("dead"), claim()) == {}


def test_what_is_held_no_more_is_withdrawn_once() -> None:
    """Or the others would wait for us."""
    announced = Announced()
    announced.news(ALONE, claim())
    assert announced.news(ALONE, {}) == {SLOT: WITHDRAWN}
    assert announced.news(ALONE, {}) == {}
