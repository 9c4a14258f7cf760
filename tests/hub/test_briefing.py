from dataclasses import replace

from edge.documents import Plan
from edge.model import Held
from edge.names import FleetName
from edge.trust import Ledger
from hub import briefing
from hub.briefing import Library
from hub.publication import Wanted
from hub.shelf import Kept, Shelf
from tests.support import builders
from tests.support.builders import Device, enrolled, ledger_of, opened, signed
from tests.support.fleets import heard, standings

N1, N2, N3 = DEVICES = tuple(Device(f"n{n}") for n in (1, 2, 3))
WEB = signed(builders.deployment(workloads=(builders.workload(failover="available"),)))
CHAIN = (*enrolled(*DEVICES), *(signed(builders.node(each)) for each in DEVICES))
PLAN = signed(
    builders.plan(
        members=tuple(builders.site_member(each, node_version=1) for each in (N1, N2)),
        slots=(builders.plan_slot("web/web.1", N1),),
    )
)
LEDGER: Ledger = ledger_of((*CHAIN, WEB, PLAN))


def shelf() -> Shelf:
    """Everything, as the hub keeps it."""
    made = Shelf()
    for each in (*CHAIN, WEB, PLAN):
        document, digest = opened(each)
        made.put(document, digest, each)
    return made


SHELF = shelf()


def the_plan() -> Plan:
    """The plan of the site."""
    return LEDGER.plans["home"]


def kept(stream: str) -> Kept:
    """What the shelf has of a stream."""
    found = SHELF.get(stream)
    assert found is not None
    return found


def wanted(
    device: Device, *held: str, bases: dict[str, frozenset[str]] | None = None
) -> Wanted:
    """What a device should find that lists these streams in its report."""
    listed = tuple(
        Held(stream=each, version=kept(each).counter[0], digest=kept(each).digest)
        for each in held
    )
    standing = replace(standings(LEDGER)[device.name], heard=heard(device, held=listed))
    library = Library(
        fleet=FleetName(builders.FLEET), ledger=LEDGER, shelf=SHELF, bases=bases or {}
    )
    return briefing.wanted(library, standing, LEDGER.plans.get("home"))


def kinds(wish: Wanted) -> list[str]:
    """The first words of the streams in a message."""
    return [each.stream.partition("/")[0] for each in wish.documents]


def test_a_plan_comes_last_after_all_it_rests_on() -> None:
    """A device judges in the order of arrival."""
    found = list(dict.fromkeys(kinds(wanted(N1))))
    assert found == ["voucher", "member", "node", "deployment", "plan"]


def test_it_names_the_members_of_the_plan_and_nobody_else() -> None:
    """n3 is no member; nothing of it is sent, and it gets nothing."""
    streams = {each.stream for each in wanted(N1).documents}
    assert f"member/{N2.id}" in streams
    assert f"member/{N3.id}" not in streams
    assert wanted(N3).documents == ()


def test_what_a_device_lists_is_not_sent_again() -> None:
    """The deployment is in its report."""
    assert "deployment" not in kinds(wanted(N1, "deployment/web"))


def test_whoever_lists_the_plan_holds_what_it_rests_on() -> None:
    """Neighbours' documents are in no report: the plan stands for them."""
    digest = kept("plan/home").digest
    basis = briefing.basis(LEDGER, SHELF, the_plan())
    assert kept(f"member/{N2.id}").digest in basis
    found = wanted(N1, "plan/home", "deployment/web", bases={digest: basis})
    assert kinds(found) == ["plan"]
    assert basis <= found.spare


def test_an_unknown_plan_stands_for_nothing() -> None:
    """The hub was restored: it sends everything once more."""
    assert "member" in kinds(wanted(N1, "plan/home"))


def test_a_newer_document_of_a_member_is_no_part_of_an_older_basis() -> None:
    """Whoever holds that plan may hold the older one."""
    newer = replace(kept(f"node/{N2.id}"), counter=(9,))
    other = Shelf(newest={**SHELF.newest, f"node/{N2.id}": newer})
    assert newer.digest not in briefing.basis(LEDGER, other, the_plan())


def test_a_takers_way_back_comes_before_the_newest_version() -> None:
    """It may take a slot over that runs the version before."""
    web = builders.workload(failover="available")
    newest = signed(builders.deployment(version=2, workloads=(web,), fallback=1))
    ledger = ledger_of((*CHAIN, WEB, newest, PLAN))
    stocked = shelf()
    document, digest = opened(newest)
    stocked.put(document, digest, newest)
    library = Library(
        fleet=FleetName(builders.FLEET), ledger=ledger, shelf=stocked, bases={}
    )
    standing = standings(ledger, N2)["n2"]
    wish = briefing.wanted(library, standing, ledger.plans["home"])
    found = [each for each in wish.documents if each.stream == "deployment/web"]
    assert [each.counter for each in found] == [(1,), (2,)]
