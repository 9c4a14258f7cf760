"""The fleet's certificate authority: who may speak TLS under which name.

The only import of ``cryptography``. Everything is PEM bytes in and out; callers
write the files. Rules:

- The CA key is EC P-256; a device's key is the raw Ed25519 key of its member document.
- A CN is the MQTT username and client id. `issue_client` gives only the names of
  devices; the hub's and the dashboards' have functions and an alphabet of their own.
- A client certificate cannot serve and a server certificate cannot log in (extended
  key usage), so a stolen device never poses as the broker.
- The CA and its revocation list begin at `EPOCH`, long ago, and end decades and years
  ahead: a wrong clock must not lock a fleet out.

Keys and serial numbers come from the system's generator; the time is an argument.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge import names
from edge.errors import ConfigError
from edge.tls import Validity
from edge.trust.devices import VIEWER_PREFIX

EPOCH = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
YEAR = 365.25 * 24 * 3600.0
CA_FOR = 30 * YEAR  # outlives the devices; a new CA comes in a `trust` document
# An expired list refuses every device, so it is renewed daily and lasts for years.
CRL_FOR = 10 * YEAR
EVICTION_FOR = 300.0  # seconds; one connection is all it is for
EVICTION_BACKDATED = 24 * 3600.0  # the broker's clock may be behind the hub's
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A CA certificate and its private key, checked to belong together."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate with the only copy of its private key, both PEM."""

    certificate: bytes
    key: bytes


def generate_key() -> bytes:
    """Return a new P-256 private key as unencrypted PKCS#8 PEM."""
    return _private_pem(ec.generate_private_key(ec.SECP256R1()))


def create(key_pem: bytes, fleet: str, now: float) -> bytes:
    """Return a self-signed CA certificate for a fleet."""
    key = _p256(key_pem)
    subject = _common_name(f"Tutti CA {_checked(fleet, 'fleet')}")
    builder = _builder(subject, subject, key.public_key(), _ca_validity(now))
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return _pem(
        builder.add_extension(constraints, critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(_key_id(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def load(certificate_pem: bytes, key_pem: bytes) -> Authority:
    """Return the CA kept in these files; raise `ConfigError` if they do not fit."""
    certificate, key = _certificate(certificate_pem), _p256(key_pem)
    if certificate.public_key() != key.public_key():
        problem = "cannot use the CA: its certificate belongs to another key"
        raise ConfigError(f"{problem}; restore both from the same backup")
    return Authority(certificate=certificate, key=key)


def issue_server(
    ca: Authority, hosts: Sequence[str], key_pem: bytes, validity: Validity
) -> bytes:
    """Return a certificate for the broker and the API under names and IP addresses."""
    if not hosts:
        raise ConfigError("cannot issue a server certificate without a host or address")
    key = _p256(key_pem).public_key()
    names_of_server = x509.SubjectAlternativeName([_general_name(h) for h in hosts])
    builder = _leaf(ca, "Hub server", key, validity, SERVER)
    return _signed(ca, builder.add_extension(names_of_server, critical=False))


def issue_client(
    ca: Authority, name: str, public_key: bytes, validity: Validity
) -> bytes:
    """Return a device's certificate for its raw 32-byte Ed25519 public key."""
    return _client(ca, _checked(name, "device"), _ed25519(public_key), validity)


def issue_hub(ca: Authority, public_key: bytes, validity: Validity) -> bytes:
    """Return the hub's own certificate as a client of the broker (raw Ed25519 key)."""
    return _client(ca, names.HUB_IDENTITY, _ed25519(public_key), validity)


def issue_viewer(
    ca: Authority, name: str, public_key: bytes, validity: Validity
) -> bytes:
    """Return a dashboard's certificate, named ``view.<name>`` (raw Ed25519 key)."""
    cn = VIEWER_PREFIX + _checked(name, "dashboard")
    return _client(ca, cn, _ed25519(public_key), validity)


def issue_eviction(ca: Authority, name: str, now: float) -> Identity:
    """Return a certificate of minutes under the name of a revoked client.

    A broker closes the connection of whoever has the same name when the hub connects
    with it (`hub.mosquitto.evict`); drop it right after.
    """
    key = ed25519.Ed25519PrivateKey.generate()
    window = Validity(not_before=now - EVICTION_BACKDATED, not_after=now + EVICTION_FOR)
    bare = name.removeprefix(VIEWER_PREFIX)
    prefix = name[: len(name) - len(bare)]
    cn = prefix + _checked(bare, "device")
    certificate = _client(ca, cn, key.public_key(), window)
    return Identity(certificate=certificate, key=_private_pem(key))


def crl(ca: Authority, revoked: Iterable[int], now: float, *, number: int) -> bytes:
    """Return the revocation list (PEM) of these serial numbers.

    ``number`` grows with every list (RFC 5280 section 5.2.3).
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(_moment(EPOCH))
        .next_update(_moment(max(now, EPOCH) + CRL_FOR))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_issuer_id(ca), critical=False)
    )
    for entry in sorted(set(revoked)):
        builder = builder.add_revoked_certificate(_revoked(entry))
    signed = builder.sign(ca.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def serial(certificate_pem: bytes) -> int:
    """Return the serial number that a revocation list would name."""
    return _certificate(certificate_pem).serial_number


def common_name(certificate_pem: bytes) -> str:
    """Return the one CN of a certificate; raise `ConfigError` unless there is one."""
    found = _certificate(certificate_pem).subject.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )
    if len(found) != 1:
        raise ConfigError(f"cannot name a certificate with {len(found)} common names")
    return str(found[0].value)


def is_issued_by(ca: Authority, certificate_pem: bytes) -> bool:
    """Return whether the CA signed this certificate, whatever its dates."""
    try:
        _certificate(certificate_pem).verify_directly_issued_by(ca.certificate)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def key_fingerprint(certificate_pem: bytes) -> str:
    """Return the SHA-256 of the public key (SubjectPublicKeyInfo), as hex.

    It survives a renewal with the same key, unlike `edge.tls.fingerprint`.
    """
    return hashlib.sha256(_public_der(_certificate(certificate_pem))).hexdigest()


def _client(ca: Authority, cn: str, key: PublicKey, validity: Validity) -> bytes:
    return _signed(ca, _leaf(ca, cn, key, validity, CLIENT))


def _leaf(
    ca: Authority,
    cn: str,
    key: PublicKey,
    validity: Validity,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    subject, issuer = _common_name(cn), ca.certificate.subject
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    return (
        _builder(subject, issuer, key, validity)
        .add_extension(constraints, critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        .add_extension(_key_id(key), critical=False)
        .add_extension(_issuer_id(ca), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, validity: Validity
) -> x509.CertificateBuilder:
    if validity.not_before >= validity.not_after:
        raise ConfigError("cannot issue a certificate that ends before it begins")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(validity.not_before))
        .not_valid_after(_moment(validity.not_after))
    )


def _signed(ca: Authority, builder: x509.CertificateBuilder) -> bytes:
    return _pem(builder.sign(ca.key, hashes.SHA256()))


def _ca_validity(now: float) -> Validity:
    return Validity(not_before=EPOCH, not_after=max(now, EPOCH) + CA_FOR)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_id(key: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key)


def _issuer_id(ca: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())


def _revoked(number: int) -> x509.RevokedCertificate:
    # The date is not read by anyone; a fixed one keeps equal lists equal.
    builder = x509.RevokedCertificateBuilder().serial_number(number)
    return builder.revocation_date(_moment(EPOCH)).build()


def _common_name(cn: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise ConfigError(
            f"cannot put {host!r} into a certificate: not ASCII"
        ) from error


def _checked(name: str, kind: str) -> str:
    if not names.is_name(name):
        raise ConfigError(f"cannot issue for {kind} {name!r}: use {names.NAME_RULE}")
    return name


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _ed25519(raw: bytes) -> ed25519.Ed25519PublicKey:
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise ConfigError(f"cannot certify a key of {len(raw)} bytes") from error


def _p256(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("cannot read a private key: not unencrypted PEM") from error
    match key:
        case ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
            return key
        case _:
            raise ConfigError("cannot use a private key: it is not of curve P-256")


def _certificate(certificate_pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate_pem)
    except ValueError as error:
        raise ConfigError("cannot read a certificate: it is not PEM") from error


def _public_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
