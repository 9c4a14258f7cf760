"""TLS for devices: contexts, key files and whose clock decides.

Rules:

- TLS 1.3 or nothing. OpenSSL checks the chain and the host name (an address must be
  an IP SAN), in strict mode, so the certificate of a device cannot pose as a server.
- OpenSSL does not look at the time: boards without a clock boot in 1970.
  `check_validity` judges against max(clock, floor) instead; callers run it on every
  connection before they send a byte.
- A device keeps an Ed25519 seed, never a key file: PEM reaches OpenSSL through an
  anonymous file in memory.

Nothing here imports ``cryptography``, which costs a device 10 MiB. What a device
must know of its own certificate is read from the DER by hand (`validity`).
"""

import base64
import hashlib
import hmac
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.errors import ConfigError, TrustError, Unreachable, WireError

SEED_BYTES = 32
# RFC 8410 section 7: PKCS#8 version 0, algorithm 1.3.101.112 (Ed25519), 32 bytes.
ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
# X509_V_FLAG_NO_CHECK_TIME in OpenSSL's x509_vfy.h; Python has no name for it.
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
CERTIFICATE_MAX = 16 * 1024  # bytes of PEM; ours have about 700
SEQUENCE, INTEGER, VERSION = 0x30, 0x02, 0xA0
# RFC 5280 section 4.1.2.5: two-digit years up to 2049, four digits from then on.
TIME_FORMATS = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
CENTURY_TURN = 2050
LONG_LENGTH = 0x80  # X.690 section 8.1.3.5: the length follows in so many bytes
LENGTH_BYTES_MAX = 2  # enough for CERTIFICATE_MAX


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """When a certificate holds, in seconds since 1970."""

    not_before: float
    not_after: float


def ed25519_private_pem(seed: bytes) -> bytes:
    """Return the PKCS#8 PEM of the Ed25519 key with this 32-byte seed."""
    if len(seed) != SEED_BYTES:
        raise ConfigError(f"cannot make a key of {len(seed)} bytes: a seed has 32")
    body = base64.encodebytes(ED25519_PKCS8 + seed)
    return b"-----BEGIN PRIVATE KEY-----\n%s-----END PRIVATE KEY-----\n" % body


def client_context(
    ca_pem: bytes, cert_file: Path | str | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Return a context that trusts ``ca_pem`` alone and never looks at the clock.

    ``cert_file`` may hold the key as well. Raises `ConfigError` for unusable files.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= NO_CHECK_TIME | ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
        if cert_file is not None:
            context.load_cert_chain(cert_file, key_file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use a TLS certificate or key: {error}") from error
    return context


def identified_context(ca_pem: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """Return a `client_context` whose PEM certificate and key were never a file."""
    with _in_memory(certificate + b"\n" + key) as path:
        return client_context(ca_pem, path)


def device_context(ca_pem: bytes, certificate: bytes, seed: bytes) -> ssl.SSLContext:
    """Return an `identified_context` for the Ed25519 key with this 32-byte seed."""
    return identified_context(ca_pem, certificate, ed25519_private_pem(seed))


def unverified_context() -> ssl.SSLContext:
    """Return a context that believes anyone, to fetch what proves itself by signature.

    Only for the first trust document; send nothing secret through it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pinned_context(certificate: bytes, expected: str) -> ssl.SSLContext:
    """Return a context that trusts exactly this server certificate (DER), whatever CA.

    Raises `TrustError` unless `fingerprint` of it is ``expected`` (hex, colons and
    capitals allowed): what a person compared, as in ``edgectl hub adopt``.
    """
    actual = fingerprint(certificate)
    wanted = expected.replace(":", "").strip().lower()
    if not hmac.compare_digest(actual.encode(), wanted.encode()):
        problem = f"cannot trust the hub: its fingerprint is {actual}, not {wanted}"
        raise TrustError("fingerprint", f"{problem}; compare with what the hub shows")
    context = unverified_context()
    context.verify_mode = ssl.CERT_REQUIRED
    # The certificate is its own anchor, although another key signed it.
    context.verify_flags |= NO_CHECK_TIME | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate in DER, as 64 hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def peer_certificate(host: str, port: int, *, timeout: float) -> bytes:
    """Return what a server shows, unverified, as DER; blocks up to ``timeout`` s.

    Raises `Unreachable`. Give it to `pinned_context` with a fingerprint.
    """
    try:
        return der(
            ssl.get_server_certificate((host, port), timeout=timeout).encode("ascii")
        )
    except OSError as error:
        problem = f"cannot fetch the certificate of {host}:{port}: {error}"
        raise Unreachable(problem) from error


def check_validity(peercert: Mapping[str, object], now: float, floor: float) -> None:
    """Refuse a peer whose certificate does not hold at max(``now``, ``floor``).

    ``peercert`` is what `ssl.SSLSocket.getpeercert` returns; ``floor`` the instant,
    in seconds since 1970, that a signed document proved to have passed.
    Raises `TrustError`, counted as certificate-early, -late or -unreadable.
    """
    moment = max(now, floor)
    try:
        not_before = ssl.cert_time_to_seconds(str(peercert["notBefore"]))
        not_after = ssl.cert_time_to_seconds(str(peercert["notAfter"]))
    except (KeyError, ValueError) as error:
        problem = "cannot trust the server: its certificate has no readable dates"
        raise TrustError("certificate-unreadable", problem) from error
    if moment < not_before:
        raise _outside("early", "begins", not_before, moment)
    if moment > not_after:
        raise _outside("late", "ended", not_after, moment)


def validity(certificate: bytes) -> Validity:
    """Return the dates in a PEM certificate; raise `WireError` if there are none.

    RFC 5280 section 4.1: the fifth field of the signed part, after version, serial
    number, algorithm and issuer. The signature is not looked at.
    """
    if len(certificate) > CERTIFICATE_MAX:
        raise WireError(f"cannot read a certificate: over {CERTIFICATE_MAX} bytes")
    body = _read(_read(der(certificate), SEQUENCE).value, SEQUENCE).value
    for tag in (VERSION, INTEGER, SEQUENCE, SEQUENCE):
        body = _read(body, tag).rest
    first = _read(_read(body, SEQUENCE).value, *TIME_FORMATS)
    last = _read(first.rest, *TIME_FORMATS)
    return Validity(not_before=_instant(first), not_after=_instant(last))


def der(certificate: bytes) -> bytes:
    """Return the DER inside a PEM certificate; raise `WireError` for anything else."""
    try:
        return ssl.PEM_cert_to_DER_cert(certificate.decode("ascii"))
    except ValueError as error:
        raise WireError("cannot read a certificate: it is not PEM") from error


class _Element(NamedTuple):
    """One tag-length-value of DER, and what follows it."""

    tag: int
    value: bytes
    rest: bytes


def _read(body: bytes, *tags: int) -> _Element:
    if len(body) < 2 or body[0] not in tags:  # noqa: PLR2004 - a tag and a length
        raise WireError("cannot read a certificate: not the DER of RFC 5280")
    start, length = 2, body[1]
    if length >= LONG_LENGTH:
        start += min(length - LONG_LENGTH, LENGTH_BYTES_MAX)
        length = int.from_bytes(body[2:start])
    end = start + length
    if end > len(body):
        raise WireError("cannot read a certificate: it is cut off")
    return _Element(body[0], body[start:end], body[end:])


def _instant(element: _Element) -> float:
    try:
        text = element.value.decode("ascii")
        moment = datetime.strptime(text, TIME_FORMATS[element.tag]).replace(tzinfo=UTC)
    except ValueError as error:
        raise WireError("cannot read the dates of a certificate") from error
    if element.tag == min(TIME_FORMATS) and moment.year >= CENTURY_TURN:
        moment = moment.replace(year=moment.year - 100)
    return moment.timestamp()


def _outside(side: str, verb: str, edge: float, moment: float) -> TrustError:
    limit, clock = (
        datetime.fromtimestamp(at, UTC).isoformat() for at in (edge, moment)
    )
    problem = f"cannot trust the server: its certificate {verb} {limit}, it is {clock}"
    return TrustError(f"certificate-{side}", f"{problem} here; check this clock first")


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("tutti-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
