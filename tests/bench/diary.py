"""What the hub wrote into its database, and the time it put beside it.

Read from outside while the hub runs: a question to the hub itself would be work that
the figure then contains.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from edge.lab.layout import LabLayout
from tests.bench.measure import BenchFailed

MAGIC = b"SQLite format 3\0"


def taken_at(layout: LabLayout, stream: str) -> float:
    """Return when the hub took in the newest document of a stream.

    In seconds since the epoch; it is noted before the document is judged and stored.
    """
    rows = _rows(layout, "SELECT max(at) FROM documents WHERE stream = ?", stream)
    if not rows or rows[0][0] is None:
        raise BenchFailed(f"cannot find {stream} in the hub's database")
    return float(rows[0][0])


def reported_at(layout: LabLayout) -> dict[str, float]:
    """Return when the hub took in each device's newest report, by device ID."""
    return {
        str(device): float(at)
        for device, at in _rows(layout, "SELECT device, at FROM reports")
    }


def _rows(layout: LabLayout, question: str, *values: str) -> list[tuple]:
    path = _database(layout)
    if path is None:
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(question, values).fetchall()


def _database(layout: LabLayout) -> Path | None:
    for path in sorted(layout.hub.state.rglob("*")):
        if path.is_file() and _starts_with(path, MAGIC):
            return path
    return None


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
