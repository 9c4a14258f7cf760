from edge import placement
from edge.documents import Deployment
from edge.placement import Placement
from edge.trust import Ledger
from hub import fleet, hearsay, rows
from hub.rows import FleetView
from tests.support import builders
from tests.support.builders import NOW, Device, enrolled, ledger_of, signed
from tests.support.fleets import heard, shelf_of, standings

N1, N2 = Device("n1"), Device("n2")
PS = "deployment workload replica revision node site state healthy address since"
NODES = "name id site labels state address revisions last_seen"


def view(*envelopes: bytes, **changes: object) -> FleetView:
    """Devices n1 and n2, n1 reporting; ``assigned`` slots are n1's."""
    base = (*enrolled(N1, N2), *envelopes)
    ledger: Ledger = ledger_of(base)
    fields: dict[str, object] = {
        "ledger": ledger,
        "shelf": shelf_of(*base),
        "standings": standings(ledger, N1),
        "assignments": {},
        "placement": Placement(places={}),
        "sealed": fleet.sealed(ledger),
        "alarms": {},
    }
    return FleetView(**{**fields, **changes})


def reporting(*slots: str, **changes: object) -> dict[str, object]:
    """Standings in which n1 reports replicas."""
    ledger = ledger_of(enrolled(N1, N2))
    replicas = tuple(builders.status(slot, **changes) for slot in slots)
    said = {N1.id: heard(N1, replicas=replicas, address="10.0.0.1")}
    return {"standings": fleet.fold(ledger, fleet.Signals(heard=said), NOW)}


def assigned(*slots: str) -> dict[str, object]:
    """Assignments in which n1 has slots."""
    replicas = tuple(builders.place(slot) for slot in slots)
    return {"assignments": {N1.id: builders.assignment(N1, replicas=replicas)}}


def unplaced(deployment: Deployment) -> dict[str, object]:
    """A placement of a deployment on no device at all."""
    return {"placement": placement.assign([deployment], [], {})}


def test_a_node_row_begins_with_what_people_see() -> None:
    """`edgectl get nodes -o json` is stable from now on."""
    here = view(**reporting("web/web.1", version=3))
    row = rows.node(here, here.standings["n1"])
    assert list(row)[:8] == NODES.split()
    assert (row["name"], row["id"], row["state"]) == ("n1", N1.id, "ready")
    assert (row["address"], row["revisions"]) == ("10.0.0.1", {"web": 3})


def test_a_node_row_goes_on_with_what_placement_needs() -> None:
    """`edgectl plan` decides by it."""
    here = view(signed(builders.secret("web/token", N1)), alarms={N1.id: "two"})
    row = rows.node(here, here.standings["n1"])
    assert row["facts"]["architecture"] == "amd64"
    assert (row["sealed"], row["approved"]) == (["web/token"], True)
    assert (row["voucher"], row["alarm"]) == ("v1", "two")
    assert rows.node(here, here.standings["n2"])["facts"] is None


def test_a_replica_row_begins_with_what_people_see() -> None:
    """`edgectl ps -o json` is stable from now on."""
    (row,) = rows.replicas(view(**reporting("web/web.1"), **assigned("web/web.1")))
    assert list(row)[:10] == PS.split()
    assert row["replica"] == "web.1"
    assert (row["node"], row["site"], row["address"]) == ("n1", "home", "10.0.0.1")
    assert (row["state"], row["healthy"], row["since"]) == ("running", True, NOW)


def test_what_is_wanted_and_not_reported_waits() -> None:
    """Right after a deploy nothing has been said yet."""
    (row,) = rows.replicas(view(**assigned("web/web.1")))
    assert (row["state"], row["healthy"], row["revision"]) == ("waiting", False, 1)


def test_what_is_reported_and_not_wanted_is_listed() -> None:
    """It is still there until it is gone."""
    (row,) = rows.replicas(view(**reporting("old/old.1")))
    assert (row["deployment"], row["wanted"]) == ("old", 0)


def test_what_found_no_place_says_why() -> None:
    """It has no node."""
    (row,) = rows.replicas(view(**unplaced(builders.deployment())))
    assert (row["node"], row["state"]) == ("", "waiting")
    assert row["reason"].startswith("cannot place web/web.1")


def test_what_a_silent_device_said_is_not_what_is() -> None:
    """Nobody knows whether it still answers."""
    told = reporting("web/web.1")
    ledger = ledger_of(enrolled(N1, N2))
    silent = fleet.Signals(
        heard={N1.id: told["standings"]["n1"].heard},
        presence={N1.id: fleet.Presence(is_online=False, at=NOW)},
    )
    (row,) = rows.replicas(view(standings=fleet.fold(ledger, silent, NOW)))
    assert (row["state"], row["healthy"]) == ("unknown", False)
    assert "running when last heard from" in row["reason"]


def test_a_revoked_devices_replicas_are_not_listed() -> None:
    """They are no part of the fleet."""
    gone = signed(builders.revocation(devices=(N1.id,)))
    assert rows.replicas(view(gone, **assigned("web/web.1"))) == []


def test_replicas_are_listed_by_number_and_by_deployment() -> None:
    """web.10 comes after web.2."""
    slots = ("web/web.10", "web/web.2", "db/db.1")
    here = view(**assigned(*slots))
    assert [row["replica"] for row in rows.replicas(here)] == [
        "db.1",
        "web.2",
        "web.10",
    ]
    assert [row["replica"] for row in rows.replicas(here, "db")] == ["db.1"]


def test_a_deployment_says_where_it_should_run_and_does() -> None:
    """What `edgectl deploy` follows."""
    document = builders.deployment()
    here = view(signed(document), **assigned("web/web.1"), **unplaced(document))
    status = rows.deployment(here, "web")
    assert (status["version"], status["digest"]) == (1, builders.digest(document))
    assert status["expected"] == [{"slot": "web/web.1", "node": "n1", "term": 1}]
    assert status["unplaced"][0]["slot"] == "web/web.1"
    assert len(status["replicas"]) == 2


def test_a_workload_that_no_device_carries_the_label_for_is_told() -> None:
    """It has no slots, and would otherwise look finished."""
    sensor = builders.workload("sensor", every="role=sensor")
    document = builders.deployment("sensor", workloads=(sensor,))
    status = rows.deployment(view(signed(document), **unplaced(document)), "sensor")
    (why,) = status["unplaced"]
    assert (why["slot"], why["workload"]) == ("", "sensor")
    assert why["problem"].startswith("cannot place sensor/sensor")


def test_a_deployment_that_ended_is_shown_until_nothing_runs() -> None:
    """`edgectl delete` follows it down; what never was is not found."""
    envelopes = (signed(builders.deployment()), signed(builders.tombstone()))
    status = rows.deployment(view(*envelopes, **reporting("web/web.1")), "web")
    assert (status["deleted"], status["version"]) == (True, 2)
    assert len(status["replicas"]) == 1
    assert rows.deployment(view(), "web") is None


def test_deployments_are_told_in_a_line_each() -> None:
    """How many should run, and how many do, at the newest revision."""
    here = view(
        signed(builders.deployment()),
        **assigned("web/web.1", "web/web.2"),
        **reporting("web/web.1"),
    )
    (line,) = rows.deployments(here)
    assert (line["name"], line["expected"], line["healthy"]) == ("web", 2, 1)


def linked(word: str, reason: str = "n2 says so") -> dict[str, object]:
    """How n1 is connected."""
    return {"links": {"n1": hearsay.Link(word=word, reason=reason)}}


def test_how_a_device_is_connected_is_its_state() -> None:
    """With who says so."""
    for word in ("leaving", "partitioned", "relayed", "dead", "cut from hub"):
        here = view(**linked(word))
        row = rows.node(here, here.standings["n1"])
        assert (row["state"], row["reason"]) == (word, "n2 says so")
    here = view(**linked("heard", ""))
    row = rows.node(here, here.standings["n1"])
    assert (row["state"], row["reason"]) == ("ready", "")


def test_a_revoked_device_is_revoked_however_it_is_connected() -> None:
    """What counts comes first."""
    here = view(signed(builders.revocation(devices=(N1.id,))), **linked("dead"))
    assert rows.node(here, here.standings["n1"])["state"] == "revoked"


def test_a_replica_of_a_device_that_is_not_heard_says_how_it_is_connected() -> None:
    """Dead and cut off are not the same to whoever waits for it."""
    silent = {N1.id: fleet.Presence(is_online=False, at=NOW)}
    said = {N1.id: heard(N1, replicas=(builders.status("web/web.1"),))}
    signals = fleet.Signals(heard=said, presence=silent)
    standings_now = fleet.fold(ledger_of(enrolled(N1, N2)), signals, NOW)
    (row,) = rows.replicas(view(standings=standings_now, **linked("relayed")))
    assert row["state"] == "unknown"
    assert row["reason"] == "n1 is relayed; it was running when last heard from"
