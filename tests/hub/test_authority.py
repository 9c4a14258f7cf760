"""What the fleet's CA signs, and what it refuses to."""

import ssl

import nacl.signing
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from edge import tls
from edge.errors import ConfigError
from edge.tls import Validity
from hub import authority

NOW = 1_790_000_000.0
DAY = 24 * 3600.0
WINDOW = Validity(not_before=authority.EPOCH, not_after=NOW + 90 * DAY)
CA_KEY = authority.generate_key()
CA_PEM = authority.create(CA_KEY, "shop", NOW)
CA = authority.load(CA_PEM, CA_KEY)
SERVER_KEY = authority.generate_key()
PUBLIC = bytes(nacl.signing.SigningKey(bytes(32)).verify_key)
DEVICE = authority.issue_client(CA, "n1", PUBLIC, WINDOW)


def extension(pem: bytes, kind):
    """One extension of a certificate."""
    return x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(kind)


def listed(pem: bytes) -> set[int]:
    """The serial numbers on a revocation list."""
    return {entry.serial_number for entry in x509.load_pem_x509_crl(pem)}


def test_the_ca_outlives_its_devices():
    """A CA that ends takes every device with it."""
    found = tls.validity(CA_PEM)
    assert found.not_before == authority.EPOCH
    assert found.not_after - NOW >= 20 * authority.YEAR


def test_a_ca_made_with_the_clock_at_1970_holds_all_the_same():
    """`edge-hub init` on a board without a clock must not make a dead CA."""
    found = tls.validity(authority.create(CA_KEY, "shop", 0.0))
    assert found.not_after >= authority.EPOCH + 20 * authority.YEAR


def test_the_ca_signs_leaves_only():
    """No certificate it issues can issue another."""
    constraints = extension(CA_PEM, x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, True)
    assert constraints.value.path_length == 0
    assert extension(CA_PEM, x509.KeyUsage).value.key_cert_sign
    assert not extension(DEVICE, x509.BasicConstraints).value.ca
    assert not extension(DEVICE, x509.KeyUsage).value.key_cert_sign


def test_the_key_of_another_ca_is_refused():
    """A restore that mixed two backups is named at the start."""
    with pytest.raises(ConfigError, match="belongs to another key"):
        authority.load(CA_PEM, authority.generate_key())


@pytest.mark.parametrize("key", [b"", b"junk", tls.ed25519_private_pem(bytes(32))])
def test_a_key_that_is_not_p256_is_refused(key):
    """A truncated or exchanged key file is named, not used."""
    with pytest.raises(ConfigError, match="private key"):
        authority.load(CA_PEM, key)


def test_a_device_certificate_names_the_device_and_its_key():
    """CN = MQTT user name = client id = node name."""
    assert authority.common_name(DEVICE) == "n1"
    key = x509.load_pem_x509_certificate(DEVICE).public_key()
    assert isinstance(key, Ed25519PublicKey)
    assert key.public_bytes_raw() == PUBLIC
    assert tls.validity(DEVICE) == WINDOW


NOT_DEVICES = ["", "Hub", "view.grafana", "n1\n", "n 1", "a+b", "a/b", "#", "x" * 64]


@pytest.mark.parametrize("name", NOT_DEVICES)
def test_a_device_gets_no_other_identity(name):
    """No device is the hub, a dashboard, or a wildcard in an ACL."""
    with pytest.raises(ConfigError, match="cannot issue for device"):
        authority.issue_client(CA, name, PUBLIC, WINDOW)


@given(st.text(max_size=70))
def test_every_device_name_is_one_mqtt_level(name):
    """Whatever is asked for, what is issued is a plain topic level."""
    try:
        pem = authority.issue_client(CA, name, PUBLIC, WINDOW)
    except ConfigError:
        return
    assert set(authority.common_name(pem)) <= set(
        "abcdefghijklmnopqrstuvwxyz0123456789-"
    )


def test_the_hub_and_dashboards_have_names_of_their_own():
    """Their alphabets and the devices' do not meet."""
    hub = authority.issue_hub(CA, PUBLIC, WINDOW)
    viewer = authority.issue_viewer(CA, "grafana", PUBLIC, WINDOW)
    names = authority.common_name(hub), authority.common_name(viewer)
    assert names == ("Hub", "view.grafana")


def test_clients_and_servers_cannot_change_places():
    """Each certificate has exactly one purpose, and says so critically."""
    server = authority.issue_server(CA, ["hub"], SERVER_KEY, WINDOW)
    for pem, purpose in ((DEVICE, authority.CLIENT), (server, authority.SERVER)):
        usage = extension(pem, x509.ExtendedKeyUsage)
        assert (usage.critical, list(usage.value)) == (True, [purpose])


def test_a_server_certificate_lists_names_and_addresses():
    """Devices dial addresses; people type names."""
    pem = authority.issue_server(
        CA, ["hub.local", "10.0.0.1", "::1"], SERVER_KEY, WINDOW
    )
    found = extension(pem, x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["hub.local"]
    addresses = found.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["10.0.0.1", "::1"]


@pytest.mark.parametrize("hosts", [[], ["hüb"]])
def test_a_server_certificate_for_nobody_is_refused(hosts):
    """No host, or one that DNS cannot carry."""
    with pytest.raises(ConfigError, match="cannot"):
        authority.issue_server(CA, hosts, SERVER_KEY, WINDOW)


def test_a_window_that_ends_before_it_begins_is_refused():
    """A clock that jumped while issuing."""
    backwards = Validity(not_before=NOW, not_after=NOW - 1)
    with pytest.raises(ConfigError, match="ends before it begins"):
        authority.issue_client(CA, "n1", PUBLIC, backwards)


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)])
def test_a_key_of_the_wrong_size_is_refused(raw):
    """A device that sends something else gets no certificate."""
    with pytest.raises(ConfigError, match=f"key of {len(raw)} bytes"):
        authority.issue_client(CA, "n1", raw, WINDOW)


def test_a_revocation_list_names_its_serials_and_its_number():
    """Order and repetition do not matter; the number grows with the caller."""
    serial = authority.serial(DEVICE)
    pem = authority.crl(CA, [serial, 7, serial], NOW, number=3)
    assert listed(pem) == {serial, 7}
    found = x509.load_pem_x509_crl(pem)
    assert (
        found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    )
    assert found.is_signature_valid(CA.key.public_key())


@pytest.mark.parametrize("now", [0.0, NOW])
def test_a_revocation_list_holds_for_years_from_long_ago(now):
    """An expired list, or one of the future, refuses every device."""
    found = x509.load_pem_x509_crl(authority.crl(CA, [], now, number=1))
    assert found.last_update_utc.timestamp() == authority.EPOCH
    assert found.next_update_utc is not None
    left = found.next_update_utc.timestamp() - max(now, authority.EPOCH)
    assert left == pytest.approx(authority.CRL_FOR, abs=1)


def test_an_eviction_is_another_certificate_of_the_same_name_for_minutes():
    """It must pass a list that names the old one, and be worth nothing tomorrow."""
    evicting = authority.issue_eviction(CA, "n1", NOW)
    assert authority.common_name(evicting.certificate) == "n1"
    assert authority.serial(evicting.certificate) != authority.serial(DEVICE)
    assert tls.validity(evicting.certificate).not_after == NOW + 300


def test_an_eviction_is_ready_for_tls():
    """The key that comes with it belongs to it."""
    evicting = authority.issue_eviction(CA, "view.grafana", NOW)
    context = tls.identified_context(CA_PEM, evicting.certificate, evicting.key)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert authority.common_name(evicting.certificate) == "view.grafana"


def test_the_hub_is_never_evicted():
    """A slip must not cut the hub off its own broker."""
    with pytest.raises(ConfigError, match="cannot issue"):
        authority.issue_eviction(CA, "Hub", NOW)


def test_a_certificate_knows_its_issuer():
    """The hub renews only what it issued."""
    key = authority.generate_key()
    foreign = authority.load(authority.create(key, "shop", NOW), key)
    assert authority.is_issued_by(CA, DEVICE)
    assert not authority.is_issued_by(foreign, DEVICE)


def test_the_fingerprint_of_a_key_survives_a_renewal():
    """Two certificates, one key, one fingerprint."""
    again = authority.issue_client(CA, "n1", PUBLIC, WINDOW)
    assert again != DEVICE
    assert authority.key_fingerprint(again) == authority.key_fingerprint(DEVICE)
    assert authority.key_fingerprint(CA_PEM) != authority.key_fingerprint(DEVICE)


def test_a_certificate_that_is_not_one_is_refused():
    """Whoever posts garbage to the API hears so."""
    with pytest.raises(ConfigError, match="cannot read a certificate"):
        authority.serial(b"garbage")
