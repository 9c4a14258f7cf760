"""What the hub's plan says of a slot, and what follows when its holder is not there."""

from node.tenure import Owner
from tests.node.test_failover import (
    HOLDER,
    SLOT,
    after,
    failover,
    kinds,
    scene,
    view,
)


def test_slot_that_left_the_site_is_taken_by_nobody_of_it() -> None:
    """Its last holder here may be dead: the hub has given it to another site."""
    asked = scene(view("dead", "alive"), planned={}, has_plan=True)
    machine = failover()
    machine.tenure.owners[SLOT] = Owner(device=HOLDER, term=1)
    outcome = after(machine, asked, 100.0, 110.0, 160.0)
    assert not outcome.places
    assert not kinds(outcome)


def test_slot_of_a_device_that_is_not_known_here_yet_is_left_alone() -> None:
    """An old disk lacks its documents; the plan says that it is of the site."""
    machine, seen = failover(), view("alive")
    machine.tenure.owners[SLOT] = Owner(device="d-9", term=1)
    planned = {SLOT: ("d-9", 1)}
    named = scene(seen, planned=planned, listed=frozenset({"d-9"}))
    assert not after(machine, named, 100.0, 120.0).places
    gone = scene(seen, planned=planned)
    assert after(machine, gone, 140.0, 150.0).places == {SLOT: 2}
