"""What this machine saw: nothing goes back, no number is used twice."""

import pytest

from edge import sealing
from edge.ctl import memory
from edge.documents import KeySet
from edge.errors import StoreError, TrustError
from edge.trust import Accepted, Known, Refused
from edge.trust.ledger import fingerprint
from tests.support import builders as a

ANCHOR = fingerprint(KeySet(keys=(a.ROOT.public,)))
N1 = a.Device("n1")


def load(path):
    """Return the memory in a folder."""
    return memory.load(path, a.FLEET, ANCHOR)


def seen(path, *envelopes, now=a.NOW):
    """Return a memory that took these, saved."""
    found = load(path)
    for each in envelopes:
        assert not isinstance(found.take(each, now), Refused)
    found.save()
    return found


def test_an_empty_folder_knows_nothing(tmp_path):
    """The first number of a stream is 1."""
    found = load(tmp_path)
    assert found.ledger.trust is None
    assert found.next_version("deployment/web") == 1


def test_trust_comes_back_from_disk(tmp_path):
    """With its whole chain, judged again."""
    chain = [a.signed(a.trusted(1)), a.signed(a.trusted(2))]
    seen(tmp_path, *chain)
    again = load(tmp_path)
    assert again.ledger.trust == a.trusted(2)
    assert again.chain == chain


def test_an_older_document_is_refused_in_the_next_run(tmp_path):
    """A hub that was restored from a backup, or lies, is found out."""
    old, new = (a.signed(a.deployment("web", version)) for version in (1, 2))
    seen(tmp_path, a.signed(a.trusted()), new)
    verdict = load(tmp_path).take(old, a.NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "rolled-back"


def test_what_was_seen_is_known_and_read_again(tmp_path):
    """Only its digest was kept; the hub brings the bytes."""
    web = a.signed(a.deployment("web"))
    seen(tmp_path, a.signed(a.trusted()), web)
    again = load(tmp_path)
    assert isinstance(again.take(web, a.NOW), Known)
    assert again.ledger.deployments["web"] == a.deployment("web")


def test_what_was_accepted_in_time_does_not_expire(tmp_path):
    """Two years later the operator's key has ended, its deployment has not."""
    web = a.signed(a.deployment("web"))
    seen(tmp_path, a.signed(a.trusted()), web)
    later = a.NOW + 2 * 365 * a.DAY
    assert isinstance(load(tmp_path).take(web, later), Known)
    other = a.signed(a.deployment("api"))
    assert isinstance(load(tmp_path).take(other, later), Refused)


def test_a_name_stays_with_its_first_device(tmp_path):
    """Another device of that name is refused in every later run."""
    base = (a.signed(a.trusted()), a.signed(a.voucher()))
    seen(tmp_path, *base, a.signed(a.member(N1)))
    again = load(tmp_path)
    again.take(base[1], a.NOW)
    thief = a.Device("thief")
    stolen = a.member(thief, name="n1")
    keys = (a.JOIN, thief.sign)
    verdict = again.take(a.signed(stolen, *keys), a.NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "name-taken"


def test_a_number_that_was_signed_is_not_signed_again(tmp_path):
    """The hub may never have got it, or may hide it."""
    found = seen(tmp_path, a.signed(a.trusted()))
    found.reserve(a.deployment("web", 7))
    assert load(tmp_path).next_version("deployment/web") == 8


def test_the_next_number_follows_what_was_seen(tmp_path):
    """Another operator may have signed it."""
    found = seen(tmp_path, a.signed(a.trusted()), a.signed(a.deployment("web", 5)))
    assert found.next_version("deployment/web") == 6


def test_two_commands_at_once_forget_nothing(tmp_path):
    """The one that saves last keeps what the other saw."""
    seen(tmp_path, a.signed(a.trusted()))
    first, second = load(tmp_path), load(tmp_path)
    first.take(a.signed(a.deployment("web", 3)), a.NOW)
    first.reserve(a.deployment("web", 4))
    second.take(a.signed(a.deployment("api", 1)), a.NOW)
    second.save()
    again = load(tmp_path)
    assert again.next_version("deployment/web") == 5
    assert again.next_version("deployment/api") == 2


def test_a_hidden_stream_is_noticed(tmp_path):
    """The hub must not lose a deployment silently."""
    seen(tmp_path, a.signed(a.trusted()), a.signed(a.deployment("web")))
    again = load(tmp_path)
    assert again.hidden("deployment/") == ("deployment/web",)
    again.take(a.signed(a.deployment("web")), a.NOW)
    assert again.hidden("deployment/") == ()


def test_a_member_is_remembered_from_when_it_was_first_seen(tmp_path):
    """Its token may close in between; that is judged by this time."""
    base = (a.signed(a.trusted()), a.signed(a.voucher()), a.signed(a.member(N1)))
    seen(tmp_path, *base)
    again = load(tmp_path)
    for each in base:
        again.take(each, a.NOW + 5)
    assert again.first_seen == {N1.id: a.NOW}


def test_it_knows_what_is_not_on_disk_yet(tmp_path):
    """A command that only reads still remembers what it saw."""
    found = seen(tmp_path, a.signed(a.trusted()))
    web = a.signed(a.deployment("web"))
    assert found.is_saved
    found.take(web, a.NOW)
    assert not found.is_saved
    found.save()
    found.take(web, a.NOW)
    assert found.is_saved


@pytest.mark.parametrize("name", [memory.TRUST, memory.HEADS])
def test_a_damaged_file_is_said_to_be(tmp_path, name):
    """Beginning anew would believe an old hub."""
    seen(tmp_path, a.signed(a.trusted()))
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(StoreError, match="restore it from a backup"):
        load(tmp_path)


def test_an_older_trust_file_is_noticed(tmp_path):
    """Somebody restored half of the folder."""
    seen(tmp_path, a.signed(a.trusted(1)))
    old = (tmp_path / memory.TRUST).read_bytes()
    seen(tmp_path, a.signed(a.trusted(2)))
    (tmp_path / memory.TRUST).write_bytes(old)
    with pytest.raises(StoreError, match="older than what this machine saw"):
        load(tmp_path)


def test_trust_of_another_root_is_refused(tmp_path):
    """The anchor was pinned when the context was made."""
    stranger = sealing.SigningKey(b"s" * 32)
    document = a.trusted(root=KeySet(keys=(stranger.public,)))
    verdict = load(tmp_path).take(a.signed(document, stranger), a.NOW)
    with pytest.raises(TrustError, match="cannot trust the hub's word"):
        memory.demand(verdict, "the hub's word")


def test_what_counts_passes_the_demand(tmp_path):
    """No error for what was accepted."""
    verdict = load(tmp_path).take(a.signed(a.trusted()), a.NOW)
    assert isinstance(verdict, Accepted)
    memory.demand(verdict, "the hub's word")
