from edge.names import NodeName, Slot
from hub import records, state
from hub.assignments import Holding
from hub.records import Stored
from hub.stage import Memory
from hub.staging import Kept
from hub.state import Disk, State
from tests.support import builders
from tests.support.builders import FLEET, HUB, NOW, Device, enrolled, signed
from tests.support.desks import root_fingerprint

N1 = Device("n1")
META = {"fleet": FLEET, "anchor": root_fingerprint()}


def stored(*envelopes: bytes) -> tuple[Stored, ...]:
    """What the database holds of these."""
    rows = []
    for data in envelopes:
        document, digest = builders.opened(data)
        rows.append(records.of(document, digest, data, NOW))
    return tuple(rows)


def restored(*envelopes: bytes, **changes: object) -> State:
    """A hub's memory after a restart."""
    disk = Disk(**{"meta": META, "documents": stored(*envelopes), **changes})
    return state.restore(HUB.public, disk)


def test_a_hub_nobody_adopted_believes_nothing() -> None:
    """It does not even know its fleet's name."""
    fresh = state.restore(HUB.public, Disk(meta={}))
    assert not fresh.is_adopted
    assert fresh.ledger.fleet == ""


def test_memory_comes_back_from_the_documents() -> None:
    """Ledger, bytes and assignments."""
    assignment = builders.assignment(N1, 7)
    again = restored(*enrolled(N1), signed(builders.deployment()), signed(assignment))
    assert again.is_adopted
    assert again.assignments[N1.id] == assignment
    assert again.shelf.get("deployment/web") is not None
    assert again.placed == again.ledger.deployments
    assert again.damaged == []


def test_a_hub_that_root_names_no_longer_is_not_adopted() -> None:
    """Its documents count nothing any more."""
    gone = signed(builders.trusted(2, hubs=()))
    assert not restored(*enrolled(N1), gone).is_adopted


def test_a_changed_byte_never_becomes_trust() -> None:
    """The row is passed over and named."""
    data = signed(builders.deployment())
    (row,) = stored(data)
    bent = Stored(
        **{name: getattr(row, name) for name in row.__slots__}
        | {"envelope": data.replace(b'"payload":"ey', b'"payload":"fy')}
    )
    again = restored(documents=(*stored(*enrolled(N1)), bent))
    assert again.damaged == ["deployment/web"]
    assert again.ledger.deployments == {}


def test_the_numbers_of_a_damaged_assignment_are_not_used_again() -> None:
    """A device holds it, and would refuse the same number with other content."""
    forged = signed(builders.assignment(N1, 9), builders.STRANGER)
    again = restored(*enrolled(N1), forged)
    assert again.floors == {N1.id: 9}


def test_reports_come_back_with_the_facts_they_left_out() -> None:
    """A device tells its facts once in a while only."""
    before = restored(*enrolled(N1))
    first = builders.report(N1, 1, facts=builders.facts(cpus=8))
    before.hear(first, NOW, None)
    second = builders.report(N1, 2, facts=None, instance="i-2")
    before.shelf.put(second, builders.digest(second), signed(second))
    before.hear(second, NOW + 60, None)
    row = before.report_row(N1.id)
    assert row is not None
    again = restored(*enrolled(N1), reports=(row,))
    heard = again.heard[N1.id]
    assert (heard.report, heard.at) == (second, NOW + 60)
    assert heard.facts == builders.facts(cpus=8)
    assert again.instances[N1.id] == ("i-1", "i-2")


def test_facts_that_cannot_be_read_are_unknown() -> None:
    """The next report says them again."""
    before = restored(*enrolled(N1))
    report = builders.report(N1, facts=None)
    before.shelf.put(report, builders.digest(report), signed(report))
    before.hear(report, NOW, builders.facts())
    row = before.report_row(N1.id)
    assert row is not None
    bent = records.ReportRow(
        device=row.device, envelope=row.envelope, facts=b"{", instances=(), at=NOW
    )
    assert restored(*enrolled(N1), reports=(bent,)).heard[N1.id].facts is None


def test_a_report_that_counts_no_longer_is_left_out() -> None:
    """Its device was revoked meanwhile."""
    before = restored(*enrolled(N1))
    report = builders.report(N1)
    before.shelf.put(report, builders.digest(report), signed(report))
    before.hear(report, NOW, None)
    row = before.report_row(N1.id)
    gone = signed(builders.revocation(devices=(N1.id,)))
    assert restored(*enrolled(N1), gone, reports=(row,)).heard == {}
    assert before.report_row("d-other") is None


def test_the_view_is_of_now() -> None:
    """Rows and placement start from it."""
    again = restored(
        *enrolled(N1),
        holdings={Slot("web/web.1"): Holding(node=NodeName("n1"), term=2)},
    )
    view = again.view(NOW)
    assert list(view.standings) == ["n1"]
    assert again.holdings["web/web.1"].term == 2


def test_what_was_aborted_stays_so_after_a_restart() -> None:
    """Whatever was said later: the database keeps the last few words."""
    words = (
        builders.control(target=2, action="abort"),
        builders.control(version=2, target=2, action="resume"),
    )
    deployed = (builders.deployment(), builders.deployment(version=2, fallback=1))
    again = restored(*enrolled(N1), *(signed(each) for each in (*deployed, *words)))
    assert again.aborted == {"web": 2}
    assert again.shelf.lineage.deployment("web", 1) == deployed[0]


SENT = {"web/web.1": NOW - 9_999.0}


def test_the_deadline_of_a_rollout_begins_anew_with_the_hub() -> None:
    """Nobody was heard while it was down."""
    memory = Memory(since=NOW, progress_at=NOW, is_timed=True, wave=1, changing=SENT)
    again = restored(rollouts={"web": Kept(version=2, memory=memory)})
    found = again.rollouts["web"].memory
    assert (found.wave, found.is_timed, found.changing) == (1, False, SENT)
    assert found.is_rested
