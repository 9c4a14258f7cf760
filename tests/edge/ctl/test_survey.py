"""The fleet as placement sees it: signed words first, the hub's figures after."""

from edge.ctl import survey
from edge.ctl.shapes import NodeRow, ReplicaRow
from edge.names import NodeName, Slot
from tests.support import builders as a

N1 = a.Device("n1")


def ledger(*more):
    """Return what is believed of one device."""
    base = (*a.enrolled(N1), *(a.signed(each) for each in more))
    return a.ledger_of(base, counts_uses=False)


def row(**changes):
    """Return the device as a hub that lies about site and labels shows it."""
    parts = {
        "name": "n1",
        "id": N1.id,
        "site": "elsewhere",
        "labels": {"role": "vault"},
        "state": "ready",
        "facts": a.facts(),
        "scheduling": "drained",
    }
    return NodeRow(**{**parts, **changes})


def replica(**changes):
    """Return a replica as the hub shows it."""
    parts = {
        "deployment": "web",
        "workload": "web",
        "replica": "web.1",
        "revision": 1,
        "node": "n1",
        "site": "home",
        "state": "running",
        "healthy": True,
        "slot": "web/web.1",
        "wanted": 1,
    }
    return ReplicaRow(**{**parts, **changes})


def test_site_and_labels_are_what_was_signed():
    """The hub cannot make a device eligible by saying so."""
    word = a.node(N1, labels={"role": "sensor"})
    (view,) = survey.nodes([row()], ledger(word))
    assert (view.site, view.labels["role"], view.scheduling) == (
        "home",
        "sensor",
        "active",
    )


def test_facts_are_the_devices_and_become_labels():
    """Memory, ports and architecture are for choosing."""
    (view,) = survey.nodes([row()], ledger())
    assert (view.architecture, view.labels["fact.arch"]) == ("amd64", "amd64")


def test_a_device_without_facts_is_unknown():
    """It never reported."""
    (view,) = survey.nodes([row(facts=None)], ledger())
    assert not view.is_known


def test_a_revoked_device_is_not_there():
    """Nothing is planned for it."""
    assert survey.nodes([row(state="revoked")], ledger()) == ()


def test_what_is_sealed_is_known_from_documents_and_from_the_hub():
    """A plan need not fetch every box."""
    held = a.secret("web/token", N1)
    (view,) = survey.nodes([row(sealed=("web/other",))], ledger(held))
    assert view.sealed == {"web/token", "web/other"}


def test_where_replicas_are_is_where_they_are_wanted():
    """One that is on its way out holds no place."""
    going = replica(slot="web/web.2", wanted=0)
    current = survey.current([replica(), going], [a.deployment()])
    assert list(current) == ["web/web.1"]
    places = survey.places([replica(), going, replica(deployment="x")], "web")
    assert places == {Slot("web/web.1"): NodeName("n1")}


def test_free_disk_is_what_devices_said():
    """Who said nothing has no entry: nothing is claimed of it."""
    rows = [row(facts=a.facts(disk=7)), row(name="n2", facts=None)]
    rows.append(row(name="n3", facts=a.facts(disk=0)))
    assert survey.disks(rows) == {"n1": 7}


def test_what_runs_at_an_older_version_is_known_by_its_content():
    """Rows of other versions, workloads and deployments say nothing of it."""
    old = a.deployment("web", 1)
    rows = [
        replica(),
        replica(slot="web/web.2", revision=2),
        replica(slot="web/api.1", workload="api"),
        replica(slot="api/web.1", deployment="api"),
    ]
    assert survey.running(rows, [old]) == {"web/web.1": old.workloads[0]}
    assert survey.running(rows, []) == {}
