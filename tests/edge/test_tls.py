"""Who a device believes over TLS, and by whose clock."""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import tls
from edge.errors import ConfigError, TrustError, Unreachable, WireError
from edge.tls import Validity
from hub import authority

NOW = 1_790_000_000.0
YEAR = 365 * 24 * 3600.0
ONE_YEAR = Validity(not_before=NOW - YEAR, not_after=NOW + YEAR)
CA_KEY = authority.generate_key()
CA_PEM = authority.create(CA_KEY, "shop", NOW)
CA = authority.load(CA_PEM, CA_KEY)
SERVER_KEY = authority.generate_key()
SEED = bytes(range(32))
PUBLIC = bytes(nacl.signing.SigningKey(SEED).verify_key)
DEVICE = authority.issue_client(CA, "n1", PUBLIC, ONE_YEAR)

Peers = tuple[ssl.SSLObject, ssl.SSLObject]


def server(validity: Validity = ONE_YEAR, hosts: tuple[str, ...] = ("10.1.2.3",)):
    """A server context that asks every client for a certificate of our CA."""
    certificate = authority.issue_server(CA, hosts, SERVER_KEY, validity)
    return serving(certificate, SERVER_KEY)


def serving(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A server context for this certificate, loaded from an anonymous file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=CA_PEM.decode())
    descriptor = os.memfd_create("server")
    os.write(descriptor, certificate + key)
    context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)
    return context


def shake_hands(ours: ssl.SSLContext, theirs: ssl.SSLContext, host: str) -> Peers:
    """Two real TLS peers joined by memory; raises what our side raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ours.wrap_bio(down, up, server_hostname=host)
    peer = theirs.wrap_bio(up, down, server_side=True)
    for side in (client, peer, client, peer):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client, peer


def shown(side: ssl.SSLObject) -> Mapping[str, object]:
    """The certificate this side was shown."""
    return side.getpeercert() or {}


def device() -> ssl.SSLContext:
    """The context of device n1."""
    return tls.device_context(CA_PEM, DEVICE, SEED)


def test_a_seed_makes_the_key_that_signs_for_its_public_half():
    """OpenSSL accepts the certificate of the public key with the PEM of the seed."""
    client, peer = shake_hands(device(), server(), "10.1.2.3")
    assert client.version() == "TLSv1.3"
    assert shown(peer)["subject"] == ((("commonName", "n1"),),)


def test_a_short_seed_makes_no_key():
    """A truncated file must not become a weak key."""
    with pytest.raises(ConfigError, match="31 bytes"):
        tls.ed25519_private_pem(bytes(31))


def test_the_seed_of_another_device_is_refused():
    """A certificate and a key that do not belong together are named at the start."""
    with pytest.raises(ConfigError, match="cannot use a TLS certificate"):
        tls.device_context(CA_PEM, DEVICE, bytes(32))


def test_a_ca_that_is_not_pem_is_refused():
    """Garbage in the trust document must not open the door to every CA."""
    with pytest.raises(ConfigError, match="cannot use a TLS certificate"):
        tls.client_context(b"garbage")


def test_another_address_is_refused():
    """A server is who its certificate says, address by address."""
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        shake_hands(device(), server(), "10.1.2.4")


def test_another_ca_is_refused():
    """Only the CA of the trust document counts, not this machine's."""
    key = authority.generate_key()
    foreign = authority.create(key, "shop", NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls.client_context(foreign), server(), "10.1.2.3")


def test_a_stolen_device_cannot_pose_as_the_broker():
    """A client certificate is none of a server's, whoever holds its key."""
    thief = serving(DEVICE, tls.ed25519_private_pem(SEED))
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate"):
        shake_hands(device(), thief, "10.1.2.3")


def test_tls_1_2_is_refused():
    """A downgrade ends the handshake."""
    old = server()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake_hands(device(), old, "10.1.2.3")


@pytest.mark.parametrize("ended", [True, False])
def test_the_handshake_ignores_the_clock(ended: bool):
    """In 1970 a certificate of 2025 looks like one that has not begun."""
    years = 3 if ended else -3
    middle = NOW - years * YEAR
    window = Validity(not_before=middle - YEAR, not_after=middle + YEAR)
    client, _ = shake_hands(device(), server(window), "10.1.2.3")
    assert client.getpeercert()


@pytest.mark.parametrize(
    ("now", "floor", "reason"),
    [
        (0.0, NOW, None),
        (NOW, 0.0, None),
        (0.0, 0.0, "certificate-early"),
        (NOW + 2 * YEAR, 0.0, "certificate-late"),
        (0.0, NOW + 2 * YEAR, "certificate-late"),
        (NOW - 2 * YEAR, NOW - 2 * YEAR, "certificate-early"),
    ],
)
def test_the_later_of_clock_and_floor_judges(now, floor, reason):
    """A clock of 1970 is put right by what a signed document proved."""
    client, _ = shake_hands(device(), server(), "10.1.2.3")
    found = None
    try:
        tls.check_validity(shown(client), now, floor)
    except TrustError as error:
        found = error.reason
    assert found == reason


@pytest.mark.parametrize("peer", [{}, {"notBefore": "today", "notAfter": "later"}])
def test_a_certificate_without_dates_is_refused(peer):
    """An unverified peer has no dates; that is not a pass."""
    with pytest.raises(TrustError) as caught:
        tls.check_validity(peer, NOW, NOW)
    assert caught.value.reason == "certificate-unreadable"


@given(
    st.integers(0, 253_402_300_798), st.integers(1, 10**9), st.sampled_from([0, 0.25])
)
def test_a_certificate_tells_its_own_dates(begin, length, fraction):
    """What the authority wrote is what the device reads, before and after 2050."""
    end = min(begin + length, 253_402_300_799)  # the last second of the year 9999
    written = Validity(not_before=begin + fraction, not_after=end + 0.5)
    pem = authority.issue_client(CA, "n1", PUBLIC, written)
    assert tls.validity(pem) == Validity(not_before=begin, not_after=end)


@given(st.data())
def test_a_broken_certificate_is_a_wire_error(data):
    """The hub's bytes may be anything: read or refused, never a crash."""
    body = bytearray(tls.der(DEVICE))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, 120))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    with suppress(WireError):
        read = tls.validity(ssl.DER_cert_to_PEM_cert(bytes(body[:cut])).encode())
        assert isinstance(read, Validity)


@pytest.mark.parametrize("pem", [b"", b"\xff", b"x" * 20_000])
def test_what_is_not_a_certificate_is_a_wire_error(pem):
    """Empty, not ASCII, too large."""
    with pytest.raises(WireError):
        tls.validity(pem)


def as_typed(digits: str) -> str:
    """A fingerprint the way openssl prints it and people copy it."""
    pairs = (digits[i : i + 2] for i in range(0, len(digits), 2))
    return f" {':'.join(pairs).upper()}\n"


@pytest.mark.parametrize("spelling", [str, as_typed])
def test_a_pinned_context_talks_to_that_certificate(spelling: Callable[[str], str]):
    """`hub adopt` needs no CA: the fingerprint a person compared is enough."""
    der = tls.der(authority.issue_server(CA, ["hub"], SERVER_KEY, ONE_YEAR))
    context = tls.pinned_context(der, spelling(tls.fingerprint(der)))
    theirs = serving(ssl.DER_cert_to_PEM_cert(der).encode(), SERVER_KEY)
    theirs.verify_mode = ssl.CERT_NONE
    client, _ = shake_hands(context, theirs, "anything")
    assert client.getpeercert(binary_form=True) == der


def test_a_pinned_context_refuses_the_next_certificate_of_the_same_ca():
    """Whoever sits between shows another certificate, and gets nothing."""
    der = tls.der(authority.issue_server(CA, ["hub"], SERVER_KEY, ONE_YEAR))
    context = tls.pinned_context(der, tls.fingerprint(der))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, server(), "hub")


def test_a_wrong_fingerprint_pins_nothing():
    """The error shows both, so that a person can compare."""
    der = tls.der(DEVICE)
    with pytest.raises(TrustError, match=f"{tls.fingerprint(der)}, not 00ff"):
        tls.pinned_context(der, "00:FF")


def test_the_certificate_of_a_server_is_fetched_unverified():
    """What the operator is asked to compare is what the server shows."""
    context = server()
    context.verify_mode = ssl.CERT_NONE

    def answer(listening: socket.socket) -> None:
        with context.wrap_socket(listening.accept()[0], server_side=True) as peer:
            peer.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=answer, args=(listening,))
        answering.start()
        port = listening.getsockname()[1]
        der = tls.peer_certificate("127.0.0.1", port, timeout=5)
        answering.join()
    assert tls.validity(ssl.DER_cert_to_PEM_cert(der).encode()) == ONE_YEAR


def test_a_server_that_is_not_there_is_unreachable():
    """No traceback for a hub that is down."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match="cannot fetch the certificate"):
        tls.peer_certificate("127.0.0.1", port, timeout=5)


def test_the_unverified_context_believes_anyone():
    """The first trust document proves itself by signature, not by TLS."""
    theirs = server()
    theirs.verify_mode = ssl.CERT_NONE
    client, _ = shake_hands(tls.unverified_context(), theirs, "anything")
    assert client.version() == "TLSv1.3"
