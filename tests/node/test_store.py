"""A device's disk: read back by judging again, damaged parts set aside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import envelope
from edge.errors import StoreError
from node.intake import Intake
from node.store import Store
from tests.support import builders as a

N1, N2 = a.Device("n1"), a.Device("n2")


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


def test_what_is_kept_can_be_handed_in_as_it_came(tmp_path):
    """A hub that was restored from an old backup asks; every revision, oldest first."""
    revisions = (a.signed(a.deployment()), a.signed(a.deployment("web", 2)))
    node = a.signed(a.node(N1))
    store = filled(tmp_path, node, *revisions)
    assert store.envelopes("deployment/web") == revisions
    assert store.envelopes(f"node/{N1.id}") == (node,)
    assert store.envelopes("deployment/we") == ()


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


VITAL = ("trust.1.json", "voucher+v1.json", f"member+{N1.id}.json")


@pytest.mark.parametrize("name", VITAL)
def test_what_nobody_sends_again_is_mended_from_its_copy(tmp_path, name):
    """A damaged block does not cost a device its membership."""
    filled(tmp_path, a.signed(a.deployment()))
    path = tmp_path / "documents" / name
    before = path.read_bytes()
    path.write_bytes(before.replace(b"keyid", b"keyif"))
    store, book = Store(tmp_path), ledger()
    store.load(book)
    assert (store.mended, store.damaged, path.read_bytes()) == ([name], [], before)
    assert book.members[N1.id].member.name == "n1"


@pytest.mark.parametrize("name", VITAL)
def test_a_damaged_copy_is_made_anew(tmp_path, name):
    """The next damage may be to the other one."""
    filled(tmp_path)
    path = tmp_path / "copies" / name
    before = path.read_bytes()
    path.write_bytes(b"")
    Store(tmp_path).load(ledger())
    assert path.read_bytes() == before


def test_a_neighbours_damaged_document_does_not_stop_the_start(tmp_path):
    """It is kept once, set aside, and taken again when the hub sends it."""
    sent = (a.signed(a.member(N2)), a.signed(a.node(N2)), a.signed(a.plan(N1, N2)))
    filled(tmp_path, *sent)
    assert not (tmp_path / "copies" / f"member+{N2.id}.json").exists()
    (tmp_path / "documents" / f"member+{N2.id}.json").write_bytes(b"{}")
    store, book = Store(tmp_path), ledger()
    store.load(book)
    assert store.damaged == [f"member+{N2.id}.json"]
    assert N2.id not in book.members
    assert book.plan == a.plan(N1, N2)
    received = Intake(ledger=book).receive(envelope.bundle(sent), a.NOW)
    store.keep(received.known, book)
    assert N2.id in book.members
    assert not store.missing


def test_nothing_is_set_aside_for_want_of_trust(tmp_path):
    """Both copies of what all is judged by are lost: a person has to look at it."""
    filled(tmp_path, a.signed(a.deployment()))
    for folder in ("documents", "copies"):
        (tmp_path / folder / "trust.1.json").write_bytes(b"{}")
    with pytest.raises(StoreError, match="restore them from a backup"):
        Store(tmp_path).load(ledger())
    assert len(list((tmp_path / "documents").iterdir())) == 4


@given(st.integers(min_value=0), st.integers(0, 7))
def test_no_flipped_bit_in_the_counters_is_believed(tmp_path_factory, place, bit):
    """A floor in the next century would have the device refuse everything."""
    folder = tmp_path_factory.mktemp("store")
    filled(folder, a.signed(a.deployment()))
    path = folder / "heads.json"
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    store, book = Store(folder), ledger()
    store.load(book)
    assert (book.floor, store.missing) == (a.NOW, set())
    assert store.damaged == ["heads.json"]


def test_what_a_power_cut_left_half_written_is_swept(tmp_path):
    """Or it would fill the disk, a cut at a time."""
    store = filled(tmp_path)
    left = tmp_path / "documents" / ".trust.1.json.00.part"
    left.write_bytes(b"{")
    store.sweep()
    assert not left.exists()


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


def test_what_is_on_trial_is_remembered(tmp_path):
    """On disk before it is switched to."""
    store = Store(tmp_path)
    assert store.read_trials() == b""
    store.write_trials(b"{}")
    assert Store(tmp_path).read_trials() == b"{}"


def test_damaged_trials_are_set_aside(tmp_path):
    """Then nothing is known, and what runs is watched again."""
    store = Store(tmp_path)
    (tmp_path / "trials.json").write_bytes(b"{}")
    assert store.read_trials() == b""
    assert store.damaged == ["trials.json"]


def test_the_version_to_go_back_to_is_kept(tmp_path):
    """While the newest names it, and while nobody knows what the newest names."""
    revisions = [a.deployment(), a.deployment(version=2)]
    revisions.append(a.deployment(version=3, fallback=2))
    store = filled(tmp_path, *map(a.signed, revisions))
    book = ledger()
    store.load(book)
    store.prune(book, ())
    assert store.deployment("web", 1) is None
    assert store.deployment("web", 2) == revisions[1]
    (tmp_path / "documents" / "deployment+web.3.json").write_bytes(b"rotten")
    book = ledger()
    store.load(book)
    store.prune(book, ())
    assert store.deployment("web", 2) == revisions[1]


def test_the_operators_word_on_a_rollout_is_read_back(tmp_path):
    """An abort counts after a restart as well."""
    said = a.control(action="abort")
    filled(tmp_path, a.signed(a.deployment()), a.signed(said))
    book = ledger()
    Store(tmp_path).load(book)
    assert book.controls == {"web": said}


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
