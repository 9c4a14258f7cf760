"""The hub's database: SQLite in WAL mode, through SQLAlchemy Core.

- What `commit` returned from survives a power cut (``synchronous=FULL``); a batch is
  one transaction, so nothing is ever half there.
- Signed documents are kept as the bytes that were signed, in the order they were
  accepted, which is the order to judge them in again.
- Plain values in and out, nothing of SQLAlchemy; errors are `StoreError`.
- Nothing here knows SQLite's dialect beyond the pragmas: the same tables and statements
  are PostgreSQL's. The schema moves by the Alembic revisions in ``hub/migrations``.

Everything blocks; the daemon calls it in one thread of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from edge.errors import StoreError
from edge.names import NodeName, Slot
from hub.assignments import Holding
from hub.proofs import Evidence
from hub.records import HISTORY, Batch, Event, ReportRow, Stored
from hub.registry import Issued
from hub.stage import Memory
from hub.staging import Kept
from hub.tables import (
    CERTIFICATES,
    DOCUMENTS,
    EVENTS,
    EVIDENCE,
    PLACEMENTS,
    REPORTS,
    ROLLOUTS,
    VALUES,
)

SCHEMA = "0002"
"""The newest revision; `hub/migrations/versions` leads there."""
MIGRATIONS = Path(__file__).parent / "migrations"
EVENTS_MAX = 10_000
"""Events kept; at about 150 bytes each, 1.5 MB."""
BUSY_FOR = 5_000
"""Milliseconds to wait for `edge-hub status` to finish reading."""
DAMAGE = ("malformed", "not a database")  # SQLITE_CORRUPT and SQLITE_NOTADB


class Store:
    """One database; made or brought up to date when opened."""

    def __init__(self, path: Path) -> None:
        """Open the database at ``path``; raise `StoreError` if it is unusable."""
        self.path = path
        self._engine = _engine(path)
        with self._errors("open"), self._engine.connect() as connection:
            _check(connection, path)
            if _schema(connection) != SCHEMA:
                _migrate(connection, path)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def commit(self, batch: Batch) -> None:
        """Write a batch durably, all of it or nothing."""
        with self._errors("write"), self._engine.begin() as connection:
            _write_documents(connection, batch.documents)
            _replace(connection, PLACEMENTS, _placement_rows(batch))
            _replace(connection, CERTIFICATES, _certificate_rows(batch))
            _replace(connection, REPORTS, _report_rows(batch))
            _replace(connection, VALUES, _value_rows(batch))
            _replace(connection, ROLLOUTS, _rollout_rows(batch))
            _replace(connection, EVIDENCE, _evidence_rows(batch))
            _write_events(connection, batch.events)

    def documents(self) -> tuple[Stored, ...]:
        """Return every document kept, in the order they were accepted."""
        query = sa.select(DOCUMENTS).order_by(DOCUMENTS.c.id)
        return tuple(_stored(row) for row in self._read(query))

    def reports(self) -> tuple[ReportRow, ...]:
        """Return the newest report of each device."""
        query = sa.select(REPORTS).order_by(REPORTS.c.device)
        return tuple(_report(row) for row in self._read(query))

    def holdings(self) -> dict[Slot, Holding]:
        """Return who has each numbered slot, and had it last."""
        rows = self._read(sa.select(PLACEMENTS))
        return {
            Slot(row["slot"]): Holding(node=NodeName(row["node"]), term=row["term"])
            for row in rows
        }

    def rollouts(self) -> dict[str, Kept]:
        """Return what is remembered of rollouts; a damaged memory is a lost one."""
        rows = self._read(sa.select(ROLLOUTS))
        found = {row["deployment"]: _kept(row) for row in rows}
        return {name: kept for name, kept in found.items() if kept}

    def evidence(self) -> dict[str, Evidence]:
        """Return the reports that rollouts send on; damaged ones are chosen anew."""
        rows = self._read(sa.select(EVIDENCE))
        found = {row["deployment"]: _evidence(row) for row in rows}
        return {name: each for name, each in found.items() if each}

    def certificates(self) -> tuple[Issued, ...]:
        """Return the certificates issued, oldest first."""
        query = sa.select(CERTIFICATES).order_by(CERTIFICATES.c.issued_at)
        return tuple(
            Issued(**{**row, "serial": int(row["serial"], 16)})
            for row in self._read(query)
        )

    def forget_certificates(self, before: float) -> None:
        """Drop certificates that ended ``before``: no list needs to name them."""
        gone = CERTIFICATES.c.not_after < before
        with self._errors("write"), self._engine.begin() as connection:
            connection.execute(sa.delete(CERTIFICATES).where(gone))

    def events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Return events with a larger id, oldest first; ``after`` 0 is the newest."""
        query = sa.select(EVENTS).where(EVENTS.c.id > after).limit(limit)
        order = EVENTS.c.id.asc() if after else EVENTS.c.id.desc()
        found = (Event(**row) for row in self._read(query.order_by(order)))
        return tuple(sorted(found, key=lambda event: event.id))

    def meta(self) -> dict[str, str]:
        """Return the hub's own few values."""
        return {row["key"]: row["value"] for row in self._read(sa.select(VALUES))}

    def _read(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._errors("read"), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(_sentence(verb, self.path, error)) from error


def _sentence(verb: str, path: Path, error: Exception) -> str:
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    if any(word in said for word in DAMAGE):
        return _damaged(verb, path, said)
    return f"cannot {verb} {path}: {said}; check the disk's free space and permissions"


def _damaged(verb: str, path: Path, said: str) -> str:
    return (
        f"cannot {verb} {path}: the database is damaged ({said}); stop the hub, move "
        f"{path.name}* aside and restore a backup (devices keep running meanwhile)"
    )


def _engine(path: Path) -> Engine:
    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - DB-API
        connection.execute(f"PRAGMA busy_timeout = {BUSY_FOR}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    return engine


def _check(connection: Connection, path: Path) -> None:
    """Find damage now rather than in the middle of a deploy."""
    if connection.dialect.name != "sqlite":
        return
    said = str(connection.execute(sa.text("PRAGMA quick_check(1)")).scalar())
    if said != "ok":
        raise StoreError(_damaged("open", path, said.splitlines()[-1]))


def _migrate(connection: Connection, path: Path) -> None:
    # 0.3 s and 10 MiB that a start without a migration does without.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    connection.rollback()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, SCHEMA)
    except CommandError as error:
        problem = f"cannot open {path}: a newer edge-hub made it ({error})"
        raise StoreError(f"{problem}; run that one") from error
    connection.commit()


def _schema(connection: Connection) -> str:
    """Return the revision the database is at, without Alembic's slow start."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    version = sa.table("alembic_version", sa.column("version_num"))
    return str(connection.execute(sa.select(version.c.version_num)).scalar())


def _write_documents(connection: Connection, documents: Sequence[Stored]) -> None:
    """Add each document and drop what its kind keeps no longer."""
    if not documents:
        return
    _forget(connection, documents)
    rows = [
        {
            "kind": each.kind,
            "stream": each.stream,
            "version": each.counter[0],
            "counter": ".".join(str(number) for number in each.counter),
            "digest": each.digest,
            "envelope": each.envelope,
            "at": each.at,
        }
        for each in documents
    ]
    connection.execute(sa.insert(DOCUMENTS), rows)


def _forget(connection: Connection, documents: Sequence[Stored]) -> None:
    gone = [
        {"of": each.stream, "up_to": _up_to(each), "spared": each.spares}
        for each in documents
        if HISTORY.get(each.kind, 1)
    ]
    if not gone:
        return
    is_old = DOCUMENTS.c.version <= sa.bindparam("up_to")
    is_spared = DOCUMENTS.c.version == sa.bindparam("spared")
    of_stream = DOCUMENTS.c.stream == sa.bindparam("of")
    is_gone = of_stream & is_old & ~is_spared
    connection.execute(sa.delete(DOCUMENTS).where(is_gone), gone)


def _up_to(document: Stored) -> int:
    """Return the newest version to drop; of a kind that keeps one, all before it.

    The hub's own documents share a first number (root's generation), so theirs goes.
    """
    kept = HISTORY.get(document.kind, 1)
    return document.counter[0] - (kept if kept > 1 else 0)


def _replace(
    connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Write rows over those with the same key, in words every database knows."""
    if not rows:
        return
    (key,) = table.primary_key.columns
    same = sa.delete(table).where(key == sa.bindparam("old"))
    connection.execute(same, [{"old": row[key.name]} for row in rows])
    connection.execute(sa.insert(table), list(rows))


def _placement_rows(batch: Batch) -> list[dict[str, object]]:
    return [
        {"slot": slot, "node": held.node, "term": held.term}
        for slot, held in batch.holdings.items()
    ]


def _certificate_rows(batch: Batch) -> list[dict[str, object]]:
    return [
        {**asdict(each), "serial": f"{each.serial:x}"} for each in batch.certificates
    ]


def _report_rows(batch: Batch) -> list[dict[str, object]]:
    return [
        {**asdict(each), "instances": " ".join(each.instances)}
        for each in batch.reports
    ]


def _rollout_rows(batch: Batch) -> list[dict[str, object]]:
    return [
        {
            "deployment": name,
            "version": kept.version,
            "memory": msgspec.json.encode(kept.memory),
        }
        for name, kept in batch.rollouts.items()
    ]


def _kept(row: Mapping[str, Any]) -> Kept | None:
    try:
        memory = msgspec.json.decode(row["memory"], type=Memory)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return Kept(version=row["version"], memory=memory)


def _evidence_rows(batch: Batch) -> list[dict[str, object]]:
    return [
        {
            "deployment": name,
            "version": found.version,
            "proofs": msgspec.json.encode(found),
        }
        for name, found in batch.evidence.items()
    ]


def _evidence(row: Mapping[str, Any]) -> Evidence | None:
    try:
        found = msgspec.json.decode(row["proofs"], type=Evidence)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if all(each.report.is_whole for each in found.proofs) else None


def _value_rows(batch: Batch) -> list[dict[str, object]]:
    return [{"key": key, "value": value} for key, value in batch.meta.items()]


def _write_events(connection: Connection, events: Sequence[Event]) -> None:
    if not events:
        return
    rows = [{key: v for key, v in asdict(e).items() if key != "id"} for e in events]
    connection.execute(sa.insert(EVENTS), rows)
    newest = connection.execute(sa.select(sa.func.max(EVENTS.c.id))).scalar() or 0
    connection.execute(sa.delete(EVENTS).where(EVENTS.c.id <= newest - EVENTS_MAX))


def _stored(row: Mapping[str, Any]) -> Stored:
    return Stored(
        kind=row["kind"],
        stream=row["stream"],
        counter=tuple(int(number) for number in row["counter"].split(".")),
        digest=row["digest"],
        envelope=row["envelope"],
        at=row["at"],
    )


def _report(row: Mapping[str, Any]) -> ReportRow:
    return ReportRow(**{**row, "instances": tuple(row["instances"].split())})
