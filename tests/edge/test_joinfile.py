"""The join file: read back what was written, refuse what was bent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import documents, joinfile, sealing
from edge.documents import Voucher
from edge.errors import ConfigError
from edge.joinfile import JoinFile

OPERATOR = sealing.SigningKey(b"o" * 32)
SEED = b"j" * 32


def a_voucher(fleet="shop", seed=SEED):
    """Return a voucher for twenty sensors of one site."""
    return Voucher(
        fleet=fleet,
        id="v1",
        key=sealing.SigningKey(seed).public,
        site="store-7",
        uses=20,
        opens_at=0.0,
        closes_at=1e9,
        issued_at=0.0,
        labels={"role": "sensor"},
    )


def a_join(**changes):
    """Return a join file that holds together, but for ``changes``."""
    parts = {
        "fleet": "shop",
        "root": "sha256:" + "a" * 64,
        "hubs": ("https://hub:8443",),
        "seed": SEED,
        "voucher": documents.sign(a_voucher(), OPERATOR),
        "floors": {"trust": 3},
    }
    return JoinFile(**{**parts, **changes})


def test_what_was_rendered_is_read_back():
    """A device gets exactly what the operator's machine wrote."""
    assert joinfile.parse(joinfile.render(a_join())) == a_join()


def test_no_hub_and_no_floor_are_read_back():
    """Without an address the device asks mDNS."""
    join = a_join(hubs=(), floors={})
    assert joinfile.parse(joinfile.render(join)) == join


def test_the_text_says_what_it_is_worth():
    """A person who finds the file learns site, uses and end."""
    text = joinfile.render(a_join())
    assert "# Site store-7, 20 devices, until 2001-09-09 01:46 UTC." in text


def test_the_seed_is_not_shown_by_repr():
    """A traceback must not print a key."""
    assert "jjjj" not in repr(a_join())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('fleet = "shop"', "", "fleet"),
        ('fleet = "shop"', 'fleet = "shop"\nextra = 1', "extra"),
        ('fleet = "shop"', 'fleet = "other"', "of fleet 'shop', not 'other'"),
        ('fleet = "shop"', 'fleet = "Shop"', "no name"),
        ('fleet = "shop"', "fleet = 7", "no text"),
        ('root = "sha256:aa', 'root = "md5:aa', "no fingerprint"),
        ("https://hub:8443", "http://hub:8443", "no https:// address"),
        ("https://hub:8443", "https://hub:99999999", "no https:// address"),
        ("https://hub:8443", "https://hub x", "no https:// address"),
        ('["https://hub:8443"]', '"https://hub"', "no list"),
        ('seed = "', 'seed = "!', "seed is damaged"),
        ('seed = "ampqampq', 'seed = "', "seed has 26 bytes"),
        ('seed = "ampq', 'seed = "aaaa', "another seed"),
        ("vnd.tutti.voucher", "vnd.tutti.member", "voucher is damaged"),
        ('{"payloadType"', '{"payload', "voucher is damaged"),
        ('"trust" = 3', '"trust" = -3', "no counter"),
        ('"trust" = 3', '"trust" = true', "no counter"),
        ('"trust" = 3', '"tr ust" = 3', "no stream"),
        ('{ "trust" = 3 }', "[]", "no table"),
        ("# Whoever", "x" * joinfile.JOIN_MAX, "larger than"),
        ("# Whoever", "Whoever", "it is damaged"),
    ],
)
def test_a_bent_file_is_refused_with_the_place(old, new, problem):
    """Damaged, foreign or edited: one sentence says which part."""
    text = joinfile.render(a_join())
    assert old in text
    with pytest.raises(ConfigError, match="cannot use the join file") as caught:
        joinfile.parse(text.replace(old, new))
    assert problem in str(caught.value)


def test_nothing_unreadable_is_written():
    """What would be refused on the device is refused where it is made."""
    with pytest.raises(ConfigError, match="no https"):
        joinfile.render(a_join(hubs=("http://hub",)))


def test_another_kind_of_document_is_no_voucher():
    """An envelope that holds, but says something else, lets nobody in."""
    other = documents.Beacon(fleet="shop", generation=1, term=1, seq=1, at=0.0)
    with pytest.raises(ConfigError, match="carries no voucher"):
        joinfile.render(a_join(voucher=documents.sign(other, OPERATOR)))


@given(st.text(max_size=300))
def test_any_text_is_refused_or_read(text):
    """No text makes the reader fail in a way nobody planned."""
    with pytest.raises(ConfigError):
        joinfile.parse(text)
