"""A device's disk: read back by judging again, damaged parts set aside."""

import pytest

from edge import envelope
from edge.errors import StoreError
from node.intake import Intake
from node.store import Store
from tests.support import builders as a

N1 = a.Device("n1")


def ledger():
    """Return an empty ledger of n1."""
    return a.empty_ledger(me=N1.id, counts_uses=False)


def filled(folder, *extra: bytes) -> Store:
    """Return a store that holds n1's enrolment and ``extra`` documents."""
    store, book = Store(folder), ledger()
    gate = Intake(ledger=book)
    for each in (*a.enrolled(N1), *extra):
        verdict = a.trust.judge(each, book, a.NOW)
        book.record(verdict)
        store.keep([verdict], gate.ledger)
    return store


def test_what_was_kept_is_read_back(tmp_path):
    """After a restart the ledger is as it was."""
    filled(tmp_path, a.signed(a.node(N1)), a.signed(a.deployment()))
    book = ledger()
    Store(tmp_path).load(book)
    assert book.deployments["web"].version == 1
    assert book.nodes[N1.id].site == "home"


def test_a_deployment_after_its_predecessor_is_read_back(tmp_path):
    """Two revisions on disk: the newest is the head, the old one can still be read."""
    store = filled(tmp_path, a.signed(a.deployment()), a.signed(a.deployment("web", 2)))
    book = ledger()
    store.load(book)
    assert book.deployments["web"].version == 2
    assert store.deployment("web", 1) == a.deployment("web", 1)


def test_a_tombstone_survives_a_restart(tmp_path):
    """What was ended stays ended."""
    store = filled(tmp_path, a.signed(a.deployment()), a.signed(a.tombstone()))
    book = ledger()
    store.load(book)
    assert "web" not in book.deployments
    assert not store.damaged


def test_pruning_keeps_the_newest_and_what_runs(tmp_path):
    """An old revision goes when nothing runs it any more."""
    store = filled(tmp_path, a.signed(a.deployment()), a.signed(a.deployment("web", 2)))
    book = ledger()
    store.load(book)
    store.prune(book, [a.place("web/web.1", 1)])
    assert store.deployment("web", 1) is not None
    store.prune(book, [a.place("web/web.1", 2)])
    assert store.deployment("web", 1) is None
    assert store.deployment("web", 2) is not None


def test_a_damaged_document_is_set_aside_and_its_counter_kept(tmp_path):
    """A flipped bit neither crashes nor lets an older revision in."""
    filled(tmp_path, a.signed(a.deployment()), a.signed(a.deployment("web", 2)))
    path = tmp_path / "documents" / "deployment+web.2.json"
    path.write_bytes(path.read_bytes().replace(b"keyid", b"keyif"))
    store, book = Store(tmp_path), ledger()
    store.load(book)
    assert store.damaged == ["deployment+web.2.json"]
    gate = Intake(ledger=book)
    gate.receive(envelope.bundle([a.signed(a.deployment())]), a.NOW)
    assert gate.refusals == {"deployment: rolled-back": 1}


def test_a_damaged_document_comes_back_when_it_is_sent_again(tmp_path):
    """The same revision heals the gap."""
    filled(tmp_path, a.signed(a.deployment("web", 2)))
    (tmp_path / "documents" / "deployment+web.2.json").write_bytes(b"")
    store, book = Store(tmp_path), ledger()
    store.load(book)
    assert store.missing == {"deployment/web"}
    bundle = envelope.bundle([a.signed(a.deployment("web", 2))])
    received = Intake(ledger=book).receive(bundle, a.NOW)
    store.keep((*received.accepted, *received.known), book)
    assert (store.missing, book.deployments["web"].version) == (set(), 2)


def test_places_are_remembered(tmp_path):
    """The share is on disk before it is acted on."""
    store = Store(tmp_path)
    store.write_places([a.place("web/web.1")])
    assert Store(tmp_path).read_places() == (a.place("web/web.1"),)


def test_damaged_places_are_set_aside(tmp_path):
    """An unreadable share is an empty one: the assignment on disk makes it anew."""
    store = Store(tmp_path)
    (tmp_path / "share.json").write_bytes(b"{")
    assert store.read_places() == ()
    assert store.damaged == ["share.json"]


def test_boots_are_counted(tmp_path):
    """Each start has a number of its own."""
    store = Store(tmp_path)
    assert [store.next_boot(), store.next_boot()] == [1, 2]


def test_a_damaged_boot_counter_is_a_clear_error(tmp_path):
    """Guessing would let old reports pass as new."""
    (tmp_path / "boot").write_bytes(b"x1")
    with pytest.raises(StoreError, match="boot counter"):
        Store(tmp_path).next_boot()


def test_time_never_goes_below_the_floor(tmp_path):
    """The floor survives on disk."""
    filled(tmp_path)
    book = ledger()
    Store(tmp_path).load(book)
    assert book.floor == a.NOW
