from hub import records
from hub.records import Batch, Event
from tests.support import builders
from tests.support.builders import NOW, signed


def test_an_empty_batch_is_nothing_to_write() -> None:
    """A transaction is spared."""
    assert not Batch()
    assert Batch(meta={"a": "b"})
    assert Batch(events=(Event(at=NOW, kind="k", subject="s", text="t"),))


def test_a_document_is_kept_with_what_it_says_of_itself() -> None:
    """Enough to find it without reading it."""
    document = builders.tombstone(version=7)
    data = signed(document)
    kept = records.of(document, builders.digest(document), data, NOW)
    assert (kept.kind, kept.stream, kept.counter) == (
        "tombstone",
        "deployment/web",
        (7,),
    )
    assert (kept.envelope, kept.at) == (data, NOW)
