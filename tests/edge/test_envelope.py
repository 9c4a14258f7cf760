"""The exact bytes that were signed, and nothing that merely looks like them."""

import base64
import contextlib
import hashlib
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge import envelope, sealing
from edge.envelope import Envelope, Signature
from edge.errors import WireError
from tests.support import builders as a

KIND = "application/vnd.tutti.test.v1+json"
BODY = b'{"a":1}'
SIGNED = envelope.sign(KIND, BODY, [a.ROOT, a.OPERATOR])


def told(**changes) -> bytes:
    """Return a signed envelope with parts exchanged, as compact JSON."""
    parts = {**json.loads(SIGNED), **changes}
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()


def test_what_is_signed_is_the_dsse_encoding():
    """The example of DSSE's protocol.md."""
    encoded = envelope.pre_authentication(
        "http://example.com/HelloWorld", b"hello world"
    )
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_count_bytes():
    """A type of two-byte characters cannot be shifted into the payload."""
    assert envelope.pre_authentication("é", b"") == "DSSEv1 2 é 0 ".encode()


@given(
    st.text(max_size=9),
    st.binary(max_size=9),
    st.text(max_size=9),
    st.binary(max_size=9),
)
@example("a 1 b", b"", "a", b"b")
def test_no_two_documents_are_signed_as_the_same_bytes(kind, body, other, content):
    """Type and payload cannot be traded against each other."""
    same = (kind, body) == (other, content)
    first = envelope.pre_authentication(kind, body)
    assert (first == envelope.pre_authentication(other, content)) == same


def test_the_digest_is_of_what_was_signed():
    """Signatures are no part of a document's identity."""
    expected = hashlib.sha256(envelope.pre_authentication(KIND, BODY)).hexdigest()
    assert envelope.decode(SIGNED).digest == f"sha256:{expected}"
    alone = envelope.sign(KIND, BODY, [a.STRANGER])
    assert envelope.decode(alone).digest == envelope.decode(SIGNED).digest


@given(st.binary(max_size=500))
def test_an_envelope_is_read_back(body):
    """Type, bytes and signers."""
    read = envelope.decode(envelope.sign(KIND, body, [a.ROOT]))
    assert (read.payload_type, read.body) == (KIND, body)
    assert envelope.signers(read) == {a.ROOT.public}


def test_signers_are_the_keys_that_hold():
    """A key id is a hint: under another key the signature does not hold."""
    signatures = json.loads(SIGNED)["signatures"]
    signatures[0]["keyid"] = a.STRANGER.public
    read = envelope.decode(told(signatures=signatures))
    assert envelope.signers(read) == {a.OPERATOR.public}


def test_one_key_counts_once():
    """Signing twice does not make two signers."""
    read = envelope.decode(envelope.sign(KIND, BODY, [a.ROOT, a.ROOT]))
    assert len(read.signatures) == 2
    assert len(envelope.signers(read)) == 1


@given(st.data())
def test_a_bent_byte_loses_a_signer_or_the_envelope(data):
    """No single byte can change and leave the same signers behind."""
    place = data.draw(st.integers(0, len(SIGNED) - 1))
    bent = bytearray(SIGNED)
    bent[place] ^= data.draw(st.integers(1, 255))
    try:
        read = envelope.decode(bytes(bent))
    except WireError:
        return
    assert len(envelope.signers(read)) < 2


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    """Nothing else is raised."""
    for reader in (envelope.decode, envelope.unbundle):
        with contextlib.suppress(WireError):
            reader(data)


@pytest.mark.parametrize(
    "data",
    [
        b" " + SIGNED,
        SIGNED + b"\n",
        SIGNED.replace(b'","payload"', b'", "payload"'),
        SIGNED.replace(b"{", b'{"payloadType":"x",', 1),
        SIGNED.replace(b"application/", b"application\\/"),
        SIGNED.replace(b"vnd", b"\\u0076nd"),
        told(extra=1),
        told(payload=base64.b64encode(BODY).decode()),
        told(payload="AB"),
        told(payload="é"),
        told(payload=1),
        told(signatures=None),
        told(signatures=[{"sig": "AA", "keyid": "x"}]),
        b"[" * 100_000,
        b'{"payload":' * 20_000,
        b"\xff\xfe",
        b'{"payloadType":"\\ud800","payload":"","signatures":[]}',
        b"",
    ],
)
def test_an_envelope_has_one_spelling(data):
    """White space, repeats, escapes, other orders, other base64, depth, half a pair."""
    with pytest.raises(WireError):
        envelope.decode(data)


def test_an_envelope_without_signatures_is_one_nobody_signed():
    """Reading it is no error; trusting it would be."""
    assert envelope.signers(envelope.decode(told(signatures=[]))) == frozenset()


def test_an_envelope_is_capped_before_it_is_read():
    """The cap is on the bytes, whatever they are."""
    with pytest.raises(WireError, match="too large"):
        envelope.decode(b"[" * (envelope.ENVELOPE_MAX + 1))


def test_the_largest_payload_fits_with_all_signatures():
    """The two caps agree."""
    keys = [a.signing_key(str(i)) for i in range(envelope.SIGNATURES_MAX)]
    whole = envelope.sign(KIND, bytes(envelope.PAYLOAD_MAX), keys)
    assert len(envelope.signers(envelope.decode(whole))) == envelope.SIGNATURES_MAX


@pytest.mark.parametrize(
    ("size", "count"),
    [(envelope.PAYLOAD_MAX + 1, 1), (1, envelope.SIGNATURES_MAX + 1)],
)
def test_more_than_the_caps_is_refused(size, count):
    """Both bound the work a forger can cause."""
    keys = [a.signing_key(str(i)) for i in range(count)]
    with pytest.raises(WireError):
        envelope.decode(envelope.sign(KIND, bytes(size), keys))


def test_a_peers_words_do_not_reach_the_terminal():
    """An unknown field's name is a forger's to choose: no escapes, no megabytes."""
    name = b"\\u001b[2J\\n" * 30_000
    with pytest.raises(WireError) as caught:
        envelope.decode(b'{"' + name + b'":1}')
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 10 * envelope.EXCERPT_MAX


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_a_bundle_keeps_order_and_bytes(bodies):
    """Each envelope comes out exactly as it went in."""
    envelopes = tuple(envelope.sign(KIND, body, [a.ROOT]) for body in bodies)
    assert envelope.unbundle(envelope.bundle(envelopes)) == envelopes


def test_a_bundle_does_not_judge_what_is_inside():
    """One bad envelope must not hide the good ones beside it."""
    assert envelope.unbundle(b'{"documents":[1,{"a":[[]]},null]}') == (
        b"1",
        b'{"a":[[]]}',
        b"null",
    )


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b'{"documents":{}}',
        b'{"documents":[],"more":1}',
        b'{"documents":[1,]}',
        b'{"documents":[' + b"[" * 100_000,
        b'{"documents":[NaN]}',
    ],
)
def test_what_is_no_bundle_is_refused(data):
    """The same strictness, without the one spelling: it carries no meaning itself."""
    with pytest.raises(WireError):
        envelope.unbundle(data)


def test_a_bundle_is_capped_in_bytes_and_in_number():
    """One message of MQTT, and a bounded number of signatures to check."""
    with pytest.raises(WireError, match="too large"):
        envelope.unbundle(b" " * (envelope.BUNDLE_MAX + 1))
    many = envelope.bundle([b"1"] * (envelope.BUNDLE_COUNT_MAX + 1))
    with pytest.raises(WireError, match="too many"):
        envelope.unbundle(many)


def test_a_bundle_is_capped_in_signatures():
    """Members have two; eight on each would keep a small board busy for seconds."""
    two = envelope.sign(KIND, b"", [a.JOIN, a.STRANGER])
    members = [two] * envelope.BUNDLE_COUNT_MAX
    assert len(envelope.unbundle(envelope.bundle(members))) == len(members)
    eight = envelope.sign(KIND, b"", [a.JOIN] * envelope.SIGNATURES_MAX)
    with pytest.raises(WireError, match="signatures: too many"):
        envelope.unbundle(envelope.bundle([eight] * 129))


def test_the_shape_is_dsses():
    """Names as other tools write them."""
    whole = Envelope(
        payload_type="t", payload="", signatures=(Signature(keyid="k", sig="s"),)
    )
    assert json.loads(envelope.encode(whole)) == {
        "payloadType": "t",
        "payload": "",
        "signatures": [{"keyid": "k", "sig": "s"}],
    }
    assert msgspec.json.decode(envelope.encode(whole), type=Envelope) == whole
    assert sealing.to_text(b"") == ""
