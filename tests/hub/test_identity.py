import ssl
from pathlib import Path

import pytest

from edge import tls
from edge.errors import ConfigError
from hub import authority, identity
from hub.identity import Identity
from tests.support import desks
from tests.support.builders import DAY, NOW, Device

N1 = Device("n1")


@pytest.fixture
def me(tmp_path: Path) -> Identity:
    """A new hub."""
    return desks.make(tmp_path)


def test_a_hub_is_the_same_after_a_restart(me: Identity) -> None:
    """Key, CA and certificate come from its folder."""
    again = identity.load(me.folder)
    assert again.key.public == me.key.public
    assert identity.fingerprint(again) == identity.fingerprint(me)


def test_a_hub_is_not_made_over_another(me: Identity) -> None:
    """Its fleet would be lost."""
    with pytest.raises(ConfigError, match="there is one already"):
        identity.prepare(me.folder, desks.HOSTS, NOW)


def test_a_hub_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    """The power went during `edge-hub init`."""
    identity.prepare(tmp_path, desks.HOSTS, NOW)
    assert not identity.exists(tmp_path)
    identity.prepare(tmp_path, desks.HOSTS, NOW)
    identity.finish(tmp_path)
    assert identity.exists(tmp_path)


@pytest.mark.parametrize("name", [identity.KEY, identity.CA_KEY, identity.SERVER])
def test_a_missing_file_is_named(me: Identity, name: str) -> None:
    """A hub that made itself new keys would be another hub."""
    (me.folder / name).unlink()
    with pytest.raises(ConfigError, match=name):
        identity.load(me.folder)


def test_a_damaged_key_is_named(me: Identity) -> None:
    """Restore it from a backup."""
    (me.folder / identity.KEY).write_text("x")
    with pytest.raises(ConfigError, match=r"hub\.key: it is damaged"):
        identity.load(me.folder)


def test_nobody_else_reads_the_keys(me: Identity) -> None:
    """0600, every one."""
    modes = {path.stat().st_mode & 0o777 for path in me.folder.glob("*.key")}
    assert modes == {0o600}


def test_the_server_certificate_stays_while_it_holds(me: Identity) -> None:
    """An operator compared its fingerprint."""
    same = identity.with_server(me, desks.HOSTS[:1], NOW + DAY)
    assert same is me


def test_a_new_host_needs_a_new_certificate_for_the_same_key(me: Identity) -> None:
    """The machine got another address."""
    other = identity.with_server(me, (*desks.HOSTS, "10.0.0.7"), NOW)
    assert other.server != me.server
    assert authority.key_fingerprint(other.server) == authority.key_fingerprint(
        me.server
    )
    assert identity.with_server(other, (*desks.HOSTS, "10.0.0.7"), NOW) is other


def test_in_its_last_third_it_is_issued_anew(me: Identity) -> None:
    """Long before devices would refuse it."""
    late = NOW + identity.SERVER_FOR * 2 / 3 + DAY
    assert identity.with_server(me, desks.HOSTS, late).server != me.server


def test_a_board_that_boots_in_the_past_believes_the_server(me: Identity) -> None:
    """Its floor may be years old."""
    held = tls.validity(me.server)
    assert held.not_before == authority.EPOCH
    assert held.not_after > NOW + 4 * authority.YEAR


def test_a_device_gets_a_certificate_for_its_key(me: Identity) -> None:
    """By the fleet's CA, under its own name, for so long."""
    made = identity.issue(me, "n1", N1.tls.public, NOW, 90 * DAY)
    assert authority.common_name(made.pem) == "n1"
    assert authority.is_issued_by(me.ca, made.pem)
    assert made.serial == authority.serial(made.pem)
    assert tls.validity(made.pem).not_after == made.not_after == NOW + 90 * DAY


def test_a_dashboard_keeps_its_prefix(me: Identity) -> None:
    """So that it is never mistaken for a device."""
    made = identity.issue(me, "view.wall", N1.tls.public, NOW, DAY)
    assert authority.common_name(made.pem) == "view.wall"


def test_the_api_and_the_broker_see_tls_contexts(me: Identity) -> None:
    """TLS 1.3 or nothing; the hub's own key at the broker never is on disk."""
    assert identity.server_context(me).minimum_version == ssl.TLSVersion.TLSv1_3
    before = set(me.folder.iterdir())
    assert identity.broker_context(me, NOW).verify_mode == ssl.CERT_REQUIRED
    assert set(me.folder.iterdir()) == before


def test_an_unusable_server_key_is_named(me: Identity) -> None:
    """Before the API listens."""
    (me.folder / identity.SERVER_KEY).write_text("x")
    with pytest.raises(ConfigError, match=r"server\.pem: it is damaged"):
        identity.server_context(me)
