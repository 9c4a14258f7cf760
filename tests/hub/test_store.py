import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from edge.errors import StoreError
from hub import store, tables
from hub.assignments import Holding
from hub.proofs import Evidence, Proof
from hub.records import Batch, Event, ReportRow, Stored
from hub.registry import Issued
from hub.shelf import Kept
from hub.stage import Memory
from hub.staging import Kept as Remembered
from hub.store import EVENTS_MAX, SCHEMA, Store
from tests.support import builders as a


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "hub.db"


def document(kind: str = "node", *counter: int, stream: str = "") -> Stored:
    """A document of which only the place in its stream matters."""
    return Stored(
        kind=kind,
        stream=stream or f"{kind}/x",
        counter=counter or (1,),
        digest=f"{kind} {counter}",
        envelope=b"\x00envelope",
        at=1.5,
    )


def kept(path: Path, *documents: Stored) -> list[tuple[int, ...]]:
    """Counters of what is left when documents were written one after the other."""
    opened = Store(path)
    for each in documents:
        opened.commit(Batch(documents=(each,)))
    found = [each.counter for each in opened.documents()]
    opened.close()
    return found


def test_what_was_written_is_read_back_after_a_restart(path: Path) -> None:
    """All of a batch, value for value."""
    batch = Batch(
        documents=(document(),),
        holdings={"web/web.1": Holding(node="n1", term=3)},
        certificates=(
            Issued(
                serial=2**150 + 1,
                subject="n1",
                key="k",
                issued_at=1.0,
                not_after=2.0,
                pem=b"pem",
            ),
        ),
        reports=(
            ReportRow(
                device="d-1", envelope=b"e", facts=b"f", instances=("a", "b"), at=4.0
            ),
        ),
        meta={"fleet": "shop"},
    )
    first = Store(path)
    first.commit(batch)
    first.close()
    again = Store(path)
    assert again.documents() == batch.documents
    assert again.holdings() == batch.holdings
    assert again.certificates() == batch.certificates
    assert again.reports() == batch.reports
    assert again.meta() == batch.meta


def test_what_is_written_again_replaces_what_was_there(path: Path) -> None:
    """One row for each slot, device and key."""
    opened = Store(path)
    for term in (1, 2):
        holding = Holding(node="n1", term=term)
        opened.commit(Batch(holdings={"web/web.1": holding}, meta={"a": str(term)}))
    assert opened.holdings()["web/web.1"].term == 2
    assert opened.meta() == {"a": "2"}


def test_the_trust_chain_is_kept_whole(path: Path) -> None:
    """Everything else is judged by it, from its beginning."""
    assert kept(path, *(document("trust", n) for n in (1, 2, 3))) == [(1,), (2,), (3,)]


def test_a_few_revisions_of_a_deployment_are_kept(path: Path) -> None:
    """Enough to look back."""
    found = kept(path, *(document("deployment", n) for n in range(1, 14)))
    assert found == [(n,) for n in range(4, 14)]


def test_of_most_kinds_the_newest_is_kept(path: Path) -> None:
    """Of the hub's own documents too, whose first number stays the same."""
    assert kept(path, document("node", 1), document("node", 2)) == [(2,)]
    beacons = [document("beacon", 1, 1, n) for n in (1, 2, 3)]
    assert kept(path, *beacons) == [(2,), (1, 1, 3)]


def test_documents_are_read_in_the_order_they_were_accepted(path: Path) -> None:
    """What is judged by something comes after it."""
    streams = ("trust", "voucher/b", "member/a", "node/a")
    rows = [document(s.partition("/")[0], 1, stream=s) for s in streams]
    opened = Store(path)
    opened.commit(Batch(documents=tuple(rows)))
    assert [each.stream for each in opened.documents()] == list(streams)


def test_a_batch_that_fails_leaves_nothing(path: Path) -> None:
    """Half a decision would be worse than none."""
    opened = Store(path)
    broken = Batch(documents=(document(),), meta={"key": None})  # type: ignore[dict-item]
    with pytest.raises(StoreError, match="cannot write"):
        opened.commit(broken)
    assert opened.documents() == ()


def test_events_are_bounded_and_numbered(path: Path) -> None:
    """The newest stay; whoever follows goes on from a number."""
    opened = Store(path)
    many = tuple(
        Event(at=float(n), kind="k", subject="s", text=str(n))
        for n in range(EVENTS_MAX + 5)
    )
    opened.commit(Batch(events=many))
    newest = opened.events(0, 2)
    assert [each.text for each in newest] == [many[-2].text, many[-1].text]
    following = opened.events(newest[0].id, 10)
    assert [each.text for each in following] == [many[-1].text]
    assert len(opened.events(1, EVENTS_MAX * 2)) == EVENTS_MAX


def test_certificates_that_ended_can_be_forgotten(path: Path) -> None:
    """The list of a fleet does not grow for ever."""
    opened = Store(path)
    rows = tuple(
        Issued(serial=n, subject="n1", key="k", issued_at=0.0, not_after=n, pem=b"")
        for n in (1, 2, 3)
    )
    opened.commit(Batch(certificates=rows))
    opened.forget_certificates(2.5)
    assert [each.serial for each in opened.certificates()] == [3]


def test_commits_survive_a_power_cut(path: Path) -> None:
    """The write-ahead log is synced before `commit` returns."""
    opened = Store(path)
    with opened._engine.connect() as connection:  # noqa: SLF001 - what it was told
        said = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous")
        ]
    assert said == ["wal", 2]


@pytest.mark.parametrize("damage", ["no database", "torn page"])
def test_a_damaged_database_says_what_to_do(path: Path, damage: str) -> None:
    """It is found at the start, not in the middle of a deploy."""
    opened = Store(path)
    opened.commit(Batch(documents=tuple(document("trust", n) for n in range(1, 400))))
    opened.close()
    content = bytearray(path.read_bytes())
    if damage == "no database":
        content[:100] = b"x" * 100
    else:
        content[4096 * 3 : 4096 * 9] = b"\xff" * 4096 * 6
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged .* restore a backup"):
        Store(path)


def test_a_newer_hubs_database_is_left_alone(path: Path) -> None:
    """Going back to an older program must not guess."""
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer edge-hub"):
        Store(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The sentence says which."""
    with pytest.raises(StoreError, match=r"cannot open .*nowhere"):
        Store(tmp_path / "nowhere" / "hub.db")


def test_the_schema_is_where_the_migrations_lead() -> None:
    """`SCHEMA` spares a start Alembic's import of every revision; it must not lie."""
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def test_migrated_tables_are_those_the_store_knows(path: Path) -> None:
    """Names and columns, in both directions."""
    Store(path).close()
    with sqlite3.connect(path) as raw:
        for table in tables.META.sorted_tables:
            rows = raw.execute(f"PRAGMA table_info({table.name})").fetchall()
            assert {row[1] for row in rows} == set(table.columns.keys())


def test_the_version_to_go_back_to_stays(path: Path) -> None:
    """However old it is: devices that come late need it."""
    rows = [document("deployment", n) for n in range(1, 14)]
    spared = [replace(each, spares=1) for each in rows]
    assert kept(path, *spared) == [(1,), *((n,) for n in range(4, 14))]


def test_what_is_remembered_of_rollouts_survives(path: Path) -> None:
    """One memory a deployment: that of its newest version."""
    opened = Store(path)
    for version in (2, 3):
        memory = Memory(since=1.0, progress_at=2.0, wave=version, doubted={"a": 1.5})
        opened.commit(
            Batch(rollouts={"web": Remembered(version=version, memory=memory)})
        )
    (found,) = opened.rollouts().values()
    assert (found.version, found.memory) == (3, memory)


def test_a_memory_that_cannot_be_read_is_lost(path: Path) -> None:
    """The rollout is looked at anew; the hub starts all the same."""
    opened = Store(path)
    memory = Memory(since=1.0, progress_at=2.0)
    opened.commit(Batch(rollouts={"web": Remembered(version=2, memory=memory)}))
    opened.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE rollouts SET memory = x'00'")
    assert Store(path).rollouts() == {}


def sent_on(envelope: bytes) -> Evidence:
    """One report that opened wave 1."""
    digest = a.digest(a.report(a.Device("n1")))
    kept = Kept(stream="report/x", counter=(1, 2), digest=digest, envelope=envelope)
    proof = Proof(device="x", node="n1", member="digest", report=kept)
    return Evidence(version=2, waves={1: (proof,)}, bad=(proof,))


def test_reports_that_rollouts_send_on_survive(path: Path) -> None:
    """Byte for byte; one that is damaged is no evidence."""
    opened = Store(path)
    whole = sent_on(a.signed(a.report(a.Device("n1"))))
    opened.commit(Batch(evidence={"web": whole, "other": sent_on(b"{}")}))
    assert opened.evidence() == {"web": whole}
    opened.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE evidence SET proofs = x'00'")
    assert Store(path).evidence() == {}
