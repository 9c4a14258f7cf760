from dataclasses import replace

from edge import envelope
from edge.model import Held
from edge.names import FleetName
from hub import messages
from hub.fleet import Standing
from hub.proofs import Brought
from hub.publication import Wanted
from hub.shelf import BUNDLE_BUDGET, Shelf
from tests.support import builders
from tests.support.builders import Device, enrolled, ledger_of, signed
from tests.support.fleets import heard, shelf_of, standings

FLEET = FleetName(builders.FLEET)
N1 = Device("n1")
ASSIGNED = builders.assignment(N1, replicas=(builders.place("web/web.1"),))
SHELF = shelf_of(
    signed(builders.node(N1)),
    signed(builders.deployment("web")),
    signed(builders.deployment("other")),
    signed(builders.secret("web/token", N1)),
    signed(builders.secret("other/token", N1)),
    signed(ASSIGNED),
)


def n1(*held: str, **changes: object) -> Standing:
    """Device n1, whose report says it holds the newest of some streams."""
    standing = standings(ledger_of(enrolled(N1)))["n1"]
    listed = tuple(
        Held(stream=each, version=kept.counter[0], digest=kept.digest)
        for each in held
        if (kept := SHELF.get(each))
    )
    return replace(standing, heard=heard(N1, **{"held": listed, **changes}))


def wanted(standing: Standing, shelf: Shelf = SHELF) -> tuple[list[str], list[str]]:
    """Streams in n1's desired and secrets messages."""
    secrets, desired = messages.for_node(FLEET, shelf, standing, ASSIGNED)
    return streams(desired), streams(secrets)


def streams(wish: Wanted) -> list[str]:
    """What a message holds, without device ids."""
    return [each.stream.removesuffix(f"/{N1.id}") for each in wish.documents]


def test_a_newcomer_gets_what_its_assignment_needs_and_the_assignment_last() -> None:
    """Each document is judged in order: what it refers to comes before it."""
    desired, _ = wanted(n1())
    assert desired == ["node", "deployment/web", "assignment"]


def test_what_the_report_lists_is_not_sent_again() -> None:
    """Nothing but the assignment is left."""
    desired, _ = wanted(n1(f"node/{N1.id}", "deployment/web"))
    assert desired == ["assignment"]


def test_a_device_that_holds_an_old_revision_gets_the_newest() -> None:
    """A tombstone or newer deployment is the cause to stop."""
    old = Held(stream="deployment/other", version=0, digest=builders.INDEX)
    desired, _ = wanted(n1(f"node/{N1.id}", "deployment/web", held=(old,)))
    assert "deployment/other" in desired


def test_a_device_that_runs_something_gets_the_newest_of_it() -> None:
    """Even if its report does not list the document."""
    desired, _ = wanted(n1(replicas=(builders.status("other/other.1"),)))
    assert "deployment/other" in desired


def test_what_a_device_holds_newer_than_the_hub_is_not_sent() -> None:
    """It would be refused as rolled back, every time."""
    newer = Held(stream="deployment/web", version=9, digest=builders.INDEX)
    standing = n1(held=(newer,))
    assert "deployment/web" not in wanted(standing)[0]
    assert messages.behind(SHELF, standing.heard.report) == ("deployment/web",)


def test_the_hub_notices_documents_it_does_not_know() -> None:
    """A restored database shows."""
    lost = Held(stream="deployment/gone", version=1, digest=builders.INDEX)
    report = builders.report(N1, held=(lost,))
    assert messages.behind(SHELF, report) == ("deployment/gone",)
    assert messages.behind(SHELF, n1("deployment/web").heard.report) == ()


def test_secrets_of_assigned_deployments_come_first() -> None:
    """What starts now waits for nothing else."""
    _, secrets = wanted(n1())
    assert secrets == ["secret/web/token", "secret/other/token"]


def test_a_secret_held_is_not_sent_again() -> None:
    """Rotation makes a new version, and that is sent."""
    _, secrets = wanted(n1(f"secret/web/token/{N1.id}"))
    assert secrets == ["secret/other/token"]


def test_secrets_of_an_ended_deployment_stay_here() -> None:
    """Nobody needs them; those that come before their deployment are sent."""
    early = signed(builders.secret("later/token", N1))
    ended = signed(builders.secret("web/token", N1))
    shelf = shelf_of(early, ended, signed(builders.tombstone()))
    assert wanted(n1(), shelf)[1] == ["secret/later/token"]


def test_too_much_for_one_message_is_sent_in_parts() -> None:
    """The assignment is always in it; the rest follows the next report."""
    big = {"env": {f"k{n}": "x" * 4096 for n in range(40)}}
    names = [f"d{n}" for n in range(6)]
    deployments = [
        builders.deployment(n, workloads=(builders.workload(n, **big),)) for n in names
    ]
    places = tuple(builders.place(f"{n}/{n}.1") for n in names)
    assigned = builders.assignment(N1, replicas=places)
    shelf = shelf_of(*(signed(each) for each in deployments), signed(assigned))
    _, desired = messages.for_node(FLEET, shelf, n1(), assigned)
    body = envelope.bundle(each.envelope for each in desired.documents)
    assert len(body) <= BUNDLE_BUDGET
    assert streams(desired)[0] == "deployment/d0"
    assert 1 < len(streams(desired)) < 7
    assert streams(desired)[-1] == "assignment"


def test_a_revoked_device_finds_nothing() -> None:
    """What it said is cleared as well."""
    gone = messages.for_node(FLEET, SHELF, replace(n1(), is_revoked=True), ASSIGNED)
    assert {each.topic.rpartition("/")[2] for each in gone} == {
        "desired",
        "secrets",
        "plan",
        "wanted",
        "report",
        "status",
    }
    assert all(not each.documents for each in gone)


def test_everyone_reads_the_last_trust_documents_and_the_revocation() -> None:
    """Oldest first, and no more than a few."""
    chain = [signed(builders.trusted(n)) for n in range(1, 12)]
    shelf = shelf_of(*chain, signed(builders.revocation()))
    trust, revocation, beacon = messages.for_fleet(FLEET, shelf)
    assert [each.counter for each in trust.documents] == [(n,) for n in range(4, 12)]
    assert [each.stream for each in revocation.documents] == ["revocation"]
    assert beacon.documents == ()


def test_the_version_to_go_back_to_comes_before_the_newest() -> None:
    """A device that has the newer one takes the older one no more."""
    back = signed(builders.deployment())
    newest = signed(builders.deployment(version=3, fallback=1))
    shelf = shelf_of(back, newest, signed(ASSIGNED))
    _, desired = messages.for_node(FLEET, shelf, n1(), ASSIGNED)
    assert [each.counter for each in desired.documents] == [(1,), (3,), (1, 1, 1)]
    held = (Held(stream="deployment/web", version=1, digest="sha256:" + "0" * 64),)
    holder = replace(n1(), heard=heard(N1, held=held))
    _, desired = messages.for_node(FLEET, shelf, holder, ASSIGNED)
    assert [each.counter for each in desired.documents] == [(3,), (1, 1, 1)]


def test_what_a_rollout_brings_comes_right_before_the_assignment() -> None:
    """Where it is evidence for it; what was brought before may stay."""
    report = SHELF.get("secret/web/token/" + N1.id)
    assert report is not None
    brought = Brought(documents=(report,), spare=frozenset({"before"}))
    _, desired = messages.for_node(FLEET, SHELF, n1(), ASSIGNED, brought)
    assert desired.documents[-2] == report
    assert "before" in desired.spare
