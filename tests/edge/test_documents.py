"""Every kind of document: its one spelling, its stream, its place in it."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import documents, envelope, sealing
from edge.documents import Document, KeySet, SecretValue, Session
from edge.errors import WireError
from tests.support import builders as a
from tests.support.strategies import values

N1 = a.Device("n1")
ONE_OF_EACH: tuple[Document, ...] = (
    a.trusted(),
    a.deployment(),
    a.tombstone(),
    a.voucher(),
    a.member(N1),
    a.node(N1),
    a.secret("web/token", N1),
    SecretValue(fleet="shop", name="web/token", version=1, recipient=N1.id, value=""),
    a.revocation(),
    a.assignment(N1),
    a.beacon(),
    a.report(N1),
    Session(fleet="shop", nonce="n", hub=a.HUB.public),
    a.certificate_request(N1),
    a.plan(N1, slots=(a.plan_slot("web/web.1", N1),)),
    a.voters(N1),
    a.control(),
)
SHAPES = tuple(documents.SHAPES.values())
any_document = st.sampled_from(SHAPES).flatmap(values)


def kind(document: Document) -> str:
    """Return the payload type of a document."""
    return documents.payload_type(type(document))


def refused(document: Document, body: bytes) -> bool:
    """Return whether ``body`` is refused as this kind of document."""
    try:
        documents.parse(kind(document), body)
    except WireError:
        return True
    return False


def test_the_examples_below_cover_every_kind():
    """A new kind is a new example."""
    assert {type(each) for each in ONE_OF_EACH} == set(SHAPES)


@pytest.mark.parametrize("document", ONE_OF_EACH, ids=kind)
def test_a_document_is_read_back(document):
    """What was meant arrives."""
    assert documents.parse(kind(document), documents.encode(document)) == document


@given(st.data())
def test_every_document_there_can_be_is_read_back(data):
    """Law: the reader gives back what was signed, and its bytes are its spelling."""
    document = data.draw(any_document)
    read = envelope.decode(documents.sign(document, a.ROOT))
    again = documents.parse(read.payload_type, read.body)
    assert again == document
    assert documents.encode(again) == read.body


@given(st.data())
def test_no_other_bytes_mean_a_document_that_was_signed(data):
    """Law: two spellings are two documents, or the second is refused."""
    document = data.draw(st.sampled_from(ONE_OF_EACH))
    body = bytearray(documents.encode(document))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = documents.parse(kind(document), bytes(body))
    except WireError:
        return
    assert other != document


@given(st.sampled_from(sorted(documents.SHAPES)), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(payload_type, body):
    """Nothing but `WireError` is raised."""
    with pytest.raises(WireError):
        documents.parse(payload_type, body)


@pytest.mark.parametrize("document", ONE_OF_EACH, ids=kind)
@pytest.mark.parametrize("other", SHAPES, ids=documents.kind_of)
def test_no_kind_is_taken_for_another(document, other):
    """The payload says its kind too, so a type cannot be exchanged around it."""
    if type(document) is other:
        return
    with pytest.raises(WireError):
        documents.parse(documents.payload_type(other), documents.encode(document))


@pytest.mark.parametrize("document", ONE_OF_EACH, ids=kind)
def test_unknown_fields_are_refused(document):
    """A device never half-understands an order."""
    body = documents.encode(document)
    assert refused(document, body[:-1] + b',"later":1}')


@pytest.mark.parametrize("document", ONE_OF_EACH, ids=kind)
def test_a_document_names_its_kind(document):
    """Leaving out the word is a second spelling."""
    parts = json.loads(documents.encode(document))
    del parts["type"]
    assert refused(document, json.dumps(parts, separators=(",", ":")).encode())


@pytest.mark.parametrize("word", documents.RESERVED)
def test_reserved_kinds_are_refused_until_they_come(word):
    """Their payload types have no shape yet."""
    with pytest.raises(WireError, match="this version has no such"):
        documents.parse(f"{envelope.TYPE_PREFIX}{word}.v1+json", b"{}")


@pytest.mark.parametrize(
    "payload_type", ["", "x" * 100_000, "\x1b[2J", "application/json"]
)
def test_unknown_types_are_refused_in_few_words(payload_type):
    """The sender's word is quoted, and cut."""
    with pytest.raises(WireError) as caught:
        documents.parse(payload_type, b"{}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


DEPLOYMENT = documents.encode(a.deployment())


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b'"version":1', b'"version":1,"version":1'),
        (b'"version":1', b'"version":2,"version":1'),
        (b'"version":1', b'"version":1.0'),
        (b'"version":1', b'"version":01'),
        (b'"version":1', b'"version":1e0'),
        (b'"version":1', b'"version":true'),
        (b'"version":1', b'"version":"1"'),
        (b'"version":1', b'"version":-1'),
        (b'"version":1', b'"version":9007199254740992'),
        (b'"version":1', b'"version":18446744073709551617'),
        (b'"version":1', b'"version":NaN'),
        (b'"version":1', b'"version":1e400'),
        (b'"version":1', b'"version":' + b"9" * 10_000),
        (b'"version":1', b'"version":1,"parent":""'),
        (b'"version":1', b'"version":' + b"[" * 50_000),
        (b'"issued_at":1800000000.0', b'"issued_at":1800000000'),
        (b'"issued_at":1800000000.0', b'"issued_at":1.8e9'),
        (b'"issued_at":1800000000.0', b'"issued_at":NaN'),
        (b'"issued_at":1800000000.0', b'"issued_at":Infinity'),
        (b'"issued_at":1800000000.0', b'"issued_at":1e400'),
        (b'"issued_at":1800000000.0', b'"issued_at":1e16'),
        (b'"issued_at":1800000000.0', b'"issued_at":-0.0'),
        (b'"issued_at":1800000000.0', b'"issued_at":-1.0'),
        (b'"issued_at":1800000000.0', b'"issued_at":null'),
        (b'"tag":"1"', b'"tag":"\\u0031"'),
        (b'"tag":"1"', b'"tag":"\\ud800"'),
        (b'"tag":"1"', b'"tag":"\xff"'),
        (b'"tag":"1"', b'"tag":"\xed\xa0\x80"'),
        (b'"tag":"1"', b'"tag":"' + b"1" * 257 + b'"'),
        (b'"tag":"1"', b'"tag": "1"'),
        (b'"replicas":1', b'"replicas":1,"stop_after":10.0'),
        (b'"replicas":1', b'"replicas":1,"stop_after":-0.0'),
        (b'"replicas":1', b'"replicas":1,"resources":{}'),
        (b'"replicas":1', b'"replicas":1,"resources":{"cpus":0.0}'),
        (b'"replicas":1', b'"replicas":1,"require":{"b":"1","a":"1"}'),
        (b'"replicas":1', b'"replicas":1,"require":{"a":"1","a":"2"}'),
        (b'"replicas":1', b'"replicas":1,"init":null'),
        (b'"fleet":"shop"', b'"fleet":"shop\\n"'),
        (b'"fleet":"shop","name":"web"', b'"name":"web","fleet":"shop"'),
    ],
)
def test_a_payload_has_one_spelling(there, instead):
    """Repeats, odd numbers, escapes, written-out defaults, other orders, no numbers."""
    assert there in DEPLOYMENT
    assert refused(a.deployment(), DEPLOYMENT.replace(there, instead, 1))


def test_what_a_terminal_would_obey_is_quoted():
    """A field's name in a refusal is a forger's to choose."""
    with pytest.raises(WireError) as caught:
        documents.parse(kind(a.beacon()), b'{"\\u001b[2J\\n":1}')
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("document", "stream", "counter"),
    [
        (a.trusted(3), "trust", (3,)),
        (a.deployment("web", 4), "deployment/web", (4,)),
        (a.tombstone("web", 5), "deployment/web", (5,)),
        (a.voucher("v9"), "voucher/v9", (1,)),
        (a.member(N1, 2), f"member/{N1.id}", (2,)),
        (a.node(N1, 6), f"node/{N1.id}", (6,)),
        (a.secret("web/token", N1, version=7), f"secret/web/token/{N1.id}", (7,)),
        (a.revocation(8), "revocation", (8,)),
        (a.assignment(N1, 9), f"assignment/{N1.id}", (1, 1, 9)),
        (a.beacon(10), "beacon", (1, 1, 10)),
        (a.report(N1, 11), f"report/{N1.id}", (1, 11)),
        (a.certificate_request(N1, 12), "certificate/n1", (12,)),
        (ONE_OF_EACH[7], "", ()),
        (ONE_OF_EACH[12], "", ()),
    ],
)
def test_each_kind_has_its_stream(document, stream, counter):
    """A tombstone shares its deployment's; what never stands alone has none."""
    assert (document.stream, document.counter) == (stream, counter)


@given(st.data())
def test_no_two_kinds_share_a_stream(data):
    """Except the deployment and its end."""
    first, second = data.draw(any_document), data.draw(any_document)
    if first.stream and first.stream == second.stream:
        kinds = {documents.kind_of(type(each)) for each in (first, second)}
        assert len(kinds) == 1 or kinds == {"deployment", "tombstone"}


@pytest.mark.parametrize(
    "subject",
    ["Hub", "view.", "view.+", "view.a/b", "#", "operator:x", "a\n", "view.A"],
)
def test_a_certificate_is_only_for_a_node_or_a_viewer(subject):
    """The subject becomes an MQTT user name that the broker's ACL patterns trust."""
    request = msgspec.structs.replace(a.certificate_request(N1), subject=subject)
    with pytest.raises(WireError):
        documents.sign(request, N1.sign)


@pytest.mark.parametrize("threshold", [0, envelope.SIGNATURES_MAX // 2 + 1])
def test_a_threshold_can_always_be_met_twice(threshold):
    """Old and new root keys sign one envelope: more could never be rotated."""
    keys = KeySet(keys=(a.ROOT.public,), threshold=threshold)
    with pytest.raises(WireError):
        documents.sign(a.trusted(root=keys), a.ROOT)


def test_a_whole_number_in_a_float_field_is_signed_as_a_reader_expects():
    """Nobody has to remember to write 1.0."""
    signed = envelope.decode(documents.sign(a.beacon(at=5), a.HUB))
    assert b'"at":5.0' in signed.body


def test_a_default_that_is_said_is_signed_as_one_left_out():
    """The manifest reader may fill in every field."""
    said = a.deployment(workloads=(a.workload("web", stop_after=float("10")),))
    assert documents.sign(said, a.OPERATOR) == documents.sign(
        a.deployment(), a.OPERATOR
    )


@pytest.mark.parametrize(
    "document",
    [
        a.deployment("Not-a-name"),
        a.deployment(issued_at=float("nan")),
        a.deployment(issued_at=float("inf")),
        a.deployment(workloads=()),
        a.beacon(-1),
        a.voucher(key="A" * 42 + "B"),
    ],
)
def test_nothing_is_signed_that_no_reader_would_accept(document):
    """An operator learns it before the fleet does."""
    with pytest.raises(WireError):
        documents.sign(document, a.OPERATOR)


def test_an_identity_is_of_the_one_spelling():
    """Root's fingerprint is compared by people: it must not depend on who wrote it."""
    keys = KeySet(keys=(a.ROOT.public,))
    assert documents.identity(keys) == documents.identity(
        KeySet(keys=keys.keys, threshold=1)
    )
    assert documents.identity(keys) != documents.identity(KeySet(keys=(a.HUB.public,)))
    assert documents.identity(keys).startswith("sha256:")


def test_types_carry_kind_and_schema_version():
    """One payload type for each, so that a later shape is another type."""
    assert (
        documents.payload_type(documents.Trust) == "application/vnd.tutti.trust.v1+json"
    )
    assert len(documents.SHAPES) == len({documents.kind_of(each) for each in SHAPES})


def test_a_box_is_carried_as_text():
    """What goes in comes out."""
    secret = a.secret("web/token", N1, b"value")
    opened = N1.seal.open(sealing.from_text(secret.box))
    inside = envelope.decode(opened)
    assert isinstance(documents.parse(inside.payload_type, inside.body), SecretValue)
