from hypothesis import given
from hypothesis import strategies as st

from netmesh import wire
from netmesh.wire import Ack, Header, Hello, News, Ping, Plain, Rumour, Suspicion, Tell

HINT = wire.hint("d-1")
RUMOUR = Rumour(HINT, "web/web.1", 7, b"body", b"s" * 64)
BODIES = (Hello(), Ping(1, 2), Ack(1, 2), Tell(b"x"), News())


@given(st.sampled_from(BODIES), st.integers(0, 255), st.booleans())
def test_what_is_written_is_read(body, flags, has_news):
    """What is written is read."""
    gossip = (RUMOUR, Suspicion(HINT, 3)) if has_news else ()
    plain = Plain(b"12345678", flags, 9, body, gossip)
    assert wire.decode(wire.encode(plain)) == plain


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1))
def test_a_header_is_read_back(session, count):
    """A header is read back."""
    header = Header(hint=HINT, session=session, count=count)
    datagram = wire.write_header(header) + b"\0" * 40
    assert wire.read_header(datagram) == header


@given(st.binary(max_size=1300))
def test_nothing_random_is_a_message(content):
    """Whatever it is, it is read as a whole or not at all."""
    found = wire.decode(content)
    assert found is None or wire.decode(wire.encode(found)) == found


def test_what_is_too_long_or_of_another_version_has_no_header():
    """What is too long or of another version has no header."""
    good = wire.write_header(Header(hint=HINT, session=b"s" * 8, count=1))
    assert wire.read_header(good + b"\0" * (wire.DATAGRAM_MAX - len(good))) is not None
    assert wire.read_header(good + b"\0" * wire.DATAGRAM_MAX) is None
    assert wire.read_header(b"\x02" + good[1:] + b"\0" * 40) is None
    assert wire.read_header(good + b"\0" * wire.SEAL_BYTES) is None


def test_what_is_larger_than_its_limit_is_refused():
    """What is larger than its limit is refused."""
    for body in (Tell(b"x" * (wire.BODY_MAX + 1)), News()):
        long = Rumour(HINT, "k" * (wire.KEY_MAX + 1), 1, b"", b"s" * 64)
        gossip = (long,) if isinstance(body, News) else ()
        assert wire.decode(wire.encode(Plain(b"", 0, 0, body, gossip))) is None


def test_a_rumour_travels_alone_too():
    """A rumour travels alone too."""
    assert wire.read_rumour(wire.write_rumour(RUMOUR)) == RUMOUR
    assert wire.read_rumour(b"\x90") is None


def test_a_ping_is_small():
    """Five a second, with their answers, must fit into a kilobyte."""
    ping = wire.encode(Plain(b"12345678", 1, 1, Ping(2**31, 2**31)))
    assert wire.HEADER_BYTES + wire.SEAL_BYTES + len(ping) <= 72
