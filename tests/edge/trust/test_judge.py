"""The one gate: what comes through, and the laws it keeps."""

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import documents, envelope
from edge.documents import SecretValue, Session
from edge.trust import Accepted, Known, Ledger, Refused, judge
from edge.trust.judge import AHEAD_MAX, RULES
from tests.support import builders as a
from tests.support.strategies import values
from tests.support.trials import judged, reason, settled, took

N1 = a.Device("n1")
KEYS = (a.ROOT, a.OPERATOR, a.HUB, a.JOIN, N1.sign, a.STRANGER)

# One of each kind, in an order in which every one is accepted.
STORY = tuple(
    a.signed(each)
    for each in (
        a.trusted(),
        a.voucher(),
        a.member(N1),
        a.node(N1),
        a.deployment(),
        a.deployment("web", 2),
        a.tombstone("web", 3),
        a.secret("web/token", N1),
        a.revocation(devices=("d-9",)),
        a.assignment(N1),
        a.beacon(),
        a.report(N1),
        a.certificate_request(N1),
    )
)
NEWER = tuple(
    a.signed(each)
    for each in (
        a.trusted(2),
        a.member(N1, 2),
        a.node(N1, 2, member=a.digest(a.member(N1, 2))),
        a.deployment("web", 4),
        a.secret("web/token", N1, version=2),
        a.revocation(2, devices=("d-9", "d-8")),
        a.assignment(N1, 2),
        a.beacon(2),
        a.report(N1, 2),
        a.certificate_request(N1, 2),
    )
)
TOLD = a.ledger_of(STORY)


def told(count: int) -> Ledger:
    """Return a ledger that took the first ``count`` parts of the story."""
    return a.ledger_of(STORY[:count])


def resigned(data: bytes, keys) -> bytes:
    """Return the same document signed by others."""
    sealed = envelope.decode(data)
    return envelope.sign(sealed.payload_type, sealed.body, keys)


@pytest.mark.parametrize("place", range(len(STORY)))
def test_every_kind_comes_through_once(place):
    """Accepted when new, known when it is the head."""
    ledger = told(place)
    verdict = judge(STORY[place], ledger, a.NOW)
    assert isinstance(verdict, Accepted)
    assert verdict.envelope == STORY[place]
    ledger.record(verdict)
    assert isinstance(judge(STORY[place], ledger, a.NOW), Known)


@pytest.mark.parametrize("data", STORY)
def test_every_kind_is_read_back(data):
    """At the next start, from the disk."""
    place = STORY.index(data)
    assert isinstance(judge(data, told(place), None), Accepted)


def test_what_came_in_many_steps_is_read_back_in_one():
    """A jump that is too far from nothing was a small one when it was accepted."""
    ledger, far = told(9), a.assignment(N1, term=1_500_000)
    took(ledger, a.assignment(N1, term=900_000))
    took(ledger, far)
    assert reason(far, told(9)) == "counter-jump"
    assert reason(far, told(9), now=None) == "accepted"


def test_judging_changes_nothing():
    """The caller writes first and records then."""
    ledger = told(4)
    before = repr(ledger)
    for data in (*STORY, *NEWER):
        judge(data, ledger, a.NOW)
    assert repr(ledger) == before


@pytest.mark.parametrize("data", STORY)
def test_an_envelope_nobody_signed_is_unsigned(data):
    """Before anything inside it is looked at."""
    parts = {**json.loads(data), "signatures": []}
    bare = json.dumps(parts, separators=(",", ":")).encode()
    verdict = judge(bare, told(0), a.NOW)
    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.kind) == ("unsigned", "")


@pytest.mark.parametrize("data", STORY)
def test_another_fleets_document_is_refused(data):
    """Whoever signed it: keys may be shared, fleets are not."""
    other = a.ledger_of(STORY)
    other.fleet = "other"
    verdict = judge(data, other, a.NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "wrong-fleet"


@pytest.mark.parametrize(
    "document",
    [
        SecretValue(fleet="shop", name="a/b", version=1, recipient="x", value=""),
        Session(fleet="shop", nonce="n", hub=a.HUB.public),
    ],
)
def test_what_never_stands_alone_is_refused(document):
    """An answer to a challenge, the inside of a box."""
    assert reason(document, TOLD, a.OPERATOR) == "wrong-kind"


def test_every_other_kind_has_a_rule():
    """A new kind is refused until somebody decided who may say it."""
    assert set(documents.SHAPES.values()) - set(RULES) == {SecretValue, Session}


@pytest.mark.parametrize("word", documents.RESERVED)
def test_a_reserved_kind_is_malformed_today(word):
    """Even from root."""
    data = envelope.sign(f"{envelope.TYPE_PREFIX}{word}.v1+json", b"{}", [a.ROOT])
    verdict = judge(data, TOLD, a.NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "malformed"


# Time


def test_a_document_from_the_future_stays_where_it_was_made():
    """The hub knows the time; the fleet's floor would never come down again."""
    ahead = a.deployment(issued_at=a.NOW + AHEAD_MAX + 1)
    assert reason(ahead, TOLD) == "future-dated"
    nearly = a.deployment("db", issued_at=a.NOW + AHEAD_MAX)
    assert reason(nearly, TOLD) == "accepted"


def test_a_device_cannot_tell_the_future():
    """It believes operators more than its own clock."""
    device = a.ledger_of(STORY[:4], me=N1.id, counts_uses=False)
    ahead = a.deployment(issued_at=a.NOW + 99 * a.DAY)
    assert reason(ahead, device, now=0.0) == "accepted"


def test_what_is_held_is_not_judged_by_a_clock_that_went_back():
    """Known stays known, and a restart reads it back."""
    ledger = took(told(4), a.deployment("db"))
    ledger.floor = 0.0
    assert reason(a.deployment("db"), ledger, now=0.0) == "known"
    assert reason(a.deployment("dc"), ledger, now=None) == "accepted"


# Laws


@given(st.binary(max_size=300))
def test_any_bytes_get_a_verdict(data):
    """Law: judge never raises."""
    assert isinstance(judge(data, TOLD, a.NOW), Refused)


@given(st.data())
def test_any_document_by_anyone_gets_a_verdict(data):
    """Law: the same for whatever has the right shape, by all who have keys."""
    shape = data.draw(st.sampled_from(sorted(RULES, key=documents.kind_of)))
    document = data.draw(values(shape))
    keys = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    ledger = data.draw(st.sampled_from([TOLD, told(0), told(3)]))
    now = data.draw(st.sampled_from([0.0, a.NOW, 4.1e9, None]))
    for fleet in ("shop", document.fleet):
        judged(msgspec.structs.replace(document, fleet=fleet), ledger, *keys, now=now)


@given(st.data())
def test_a_bent_envelope_is_refused_or_known(data):
    """Law: no single byte of a document in force can change and still count."""
    ledger = data.draw(st.sampled_from([TOLD, told(0), told(3)]))
    whole = data.draw(st.sampled_from(STORY))
    bent = bytearray(whole)
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(1, 255))
    assert isinstance(judge(bytes(bent), ledger, a.NOW), Refused | Known)


@given(st.data())
def test_nothing_older_comes_after_something_newer(data):
    """Law: heads only rise, whatever arrives in whatever order."""
    ledger = a.ledger_of([*STORY, *NEWER])
    heads = dict(ledger.heads)
    old = data.draw(st.lists(st.sampled_from(STORY + NEWER), max_size=20))
    for each in old:
        for now in (a.NOW, None):
            assert not isinstance(judge(each, ledger, now), Accepted)
    assert ledger.heads == heads


@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(rng: random.Random):
    """Law: once everybody has heard everything, everybody holds the same."""
    everything = [*STORY, *NEWER]
    expected = a.ledger_of(everything)
    found = settled(a.empty_ledger(), everything, rng)
    assert found.heads == expected.heads
    assert found.deployments == expected.deployments
    assert (found.names, found.floor) == (expected.names, expected.floor)


@given(st.data())
def test_a_signature_less_never_helps(data):
    """Law: taking signatures away turns no refusal into acceptance."""
    ledger = data.draw(st.sampled_from([TOLD, told(0), told(2), told(3)]))
    document = data.draw(st.sampled_from(STORY + NEWER))
    keys = data.draw(st.lists(st.sampled_from(KEYS), max_size=5, unique=True))
    fewer = [key for key in keys if data.draw(st.booleans())]
    if isinstance(judge(resigned(document, keys), ledger, a.NOW), Refused):
        verdict = judge(resigned(document, fewer), ledger, a.NOW)
        assert isinstance(verdict, Refused)


@given(st.data())
def test_the_order_of_signatures_does_not_matter(data):
    """Law: they are a set."""
    document = data.draw(st.sampled_from(STORY))
    keys = data.draw(st.permutations(KEYS))
    ledger = data.draw(st.sampled_from([told(0), told(3)]))
    one, other = (judge(resigned(document, k), ledger, a.NOW) for k in (KEYS, keys))
    assert type(one) is type(other)
    assert getattr(one, "reason", "") == getattr(other, "reason", "")


@given(st.data())
def test_a_restart_believes_what_was_believed(data):
    """Law: whatever was accepted since, reading the disk again gives the same heads."""
    ledger = a.ledger_of([*STORY, *NEWER])
    operators = (a.operator("new", expires_at=a.NOW + 1),)
    hubs = (a.hub_site(key=a.STRANGER.public),)
    last = a.trusted(3, operators=operators, hubs=hubs, generation=2)
    took(ledger, last)
    disk = data.draw(st.permutations([*STORY[1:], *NEWER[1:]]))
    again = a.empty_ledger()
    for each in (STORY[0], NEWER[0], a.signed(last), *disk, *disk, *disk, *disk):
        verdict = judge(each, again, None)
        if isinstance(verdict, Accepted):
            again.record(verdict)
    assert again.heads == ledger.heads
