"""How a device sees its site, in a report and in its own status."""

from edge.names import Slot
from netmesh.view import Peer, View
from node import site_view
from node.lease import Lease
from node.scene import Outcome
from node.tenure import Owner

SLOT = Slot("web/web.1")


def view(**changes: object) -> View:
    """Return a site with one other device in it."""
    given = {"device": "d-2", "name": "n2", "state": "alive", "beat": b"b", **changes}
    return View(at=100.0, peers={"d-2": Peer(**given)})  # type: ignore[arg-type]


def test_a_report_brings_signs_of_life_of_those_cut_from_the_hub_only() -> None:
    """The others give their own."""
    (cut,) = site_view.neighbours(view())
    (linked,) = site_view.neighbours(view(has_hub=True))
    assert (cut.beat, linked.beat) == ("Yg", "")


def test_a_reason_in_a_report_is_short_and_only_of_what_is_wrong() -> None:
    """A liar's megabyte ends here."""
    (dead,) = site_view.neighbours(view(state="dead", reason="x" * 1000))
    (alive,) = site_view.neighbours(view(reason="was silent"))
    assert len(dead.reason) == site_view.REASON_MAX
    assert not alive.reason


def test_times_are_seconds_ago_and_none_for_never() -> None:
    """People do not know CLOCK_BOOTTIME."""
    (heard,) = site_view.peers(view(heard_at=98.0, since=90.0), 100.0)
    (never,) = site_view.peers(view(), 100.0)
    assert (heard["heard"], heard["for"]) == (2.0, 10.0)
    assert (never["heard"], never["for"]) == (None, None)


def test_a_slot_tells_its_holder_by_name_and_what_it_waits_for() -> None:
    """With the seconds that are left of its lease."""
    lease = Lease(slot=SLOT, term=3, until=108.0)
    outcome = Outcome(places={SLOT: 3}, waits={SLOT: "no room"}, leases={SLOT: lease})
    owners = {SLOT: Owner(device="d-1", term=3)}
    (shown,) = site_view.slots(owners, outcome, {"d-1": "n1"}, 100.0)
    assert shown == {
        "slot": SLOT,
        "holder": "n1",
        "mine": True,
        "term": 3,
        "waits": "no room",
        "homeless": "",
        "lease_left": 8.0,
    }


def test_a_device_nobody_knows_is_told_by_its_id() -> None:
    """And what is not ours is not."""
    owners = {SLOT: Owner(device="d-9", term=1)}
    (shown,) = site_view.slots(owners, Outcome(), {}, 100.0)
    assert (shown["holder"], shown["mine"]) == ("d-9", False)
    assert shown["lease_left"] is None
