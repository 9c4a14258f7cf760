"""What gets on a card was read by the code that reads it on the device."""

import tomllib

import pytest

from edge import joinfile
from edge.errors import ConfigError
from edge.image import card
from edge.image.card import Card
from tests.support import images

WIFI = '[[wifi]]\nssid = "shop"\npassword = "12345678"\n'


def test_a_good_join_file_passes_unchanged():
    """With the lines that tell a person what it is worth."""
    text = images.join_text()
    assert card.join_text(text, (), now=1.0) == text


def test_other_hubs_replace_those_of_the_join_file():
    """The address that devices see is not the one the operator sees."""
    text = card.join_text(images.join_text(), ("https://10.0.0.1:8443",), now=1.0)
    assert joinfile.parse(text).hubs == ("https://10.0.0.1:8443",)


def test_an_expired_voucher_does_not_get_on_cards():
    """It would be noticed in the field otherwise."""
    with pytest.raises(ConfigError, match=r"closed at 2001-09-09 01:46 UTC; make a"):
        card.join_text(images.join_text(), (), now=images.CLOSES_AT)


def test_a_damaged_join_file_is_refused():
    """With the reason the device would give."""
    with pytest.raises(ConfigError, match="cannot use the join file: it is damaged"):
        card.join_text("fleet = ", (), now=1.0)


def test_wifi_is_added_to_the_network():
    """The password may live in a file of its own, and comments stay."""
    text = card.network_text(card.NO_NETWORK, WIFI)
    assert tomllib.loads(text) == tomllib.loads(WIFI)
    assert text.startswith(card.NO_NETWORK.rstrip())


@pytest.mark.parametrize(
    ("network", "wifi", "problem"),
    [
        ("hostname = ", "", "damaged"),
        ("host = 'x'", "", "host"),
        ("", "hostname = 'x'", "not made of"),
        ("", "[[wifi", "damaged"),
        (WIFI, WIFI, "names some already"),
    ],
)
def test_a_network_that_no_device_reads_is_refused(network, wifi, problem):
    """A device with a wrong network file cannot even complain."""
    with pytest.raises(ConfigError, match=problem):
        card.network_text(network, wifi)


def test_the_example_can_be_used():
    """Once its marks are removed, it is a network file."""
    lines = card.NO_NETWORK.split("start. Take away the marks of the lines you need:")
    text = "\n".join(
        line.removeprefix("# ").rstrip("#") for line in lines[1].split("\n")
    )
    assert tomllib.loads(text)["hostname"] == "till-7"
    assert card.network_text(text) == text


def test_a_card_without_a_key_has_no_join_file():
    """Somebody puts it there later."""
    assert sorted(Card().files) == ["README.txt", "network.toml"]
    assert Card().terms is None


def test_a_card_knows_its_terms():
    """Shown while building."""
    terms = Card(join=images.join_text()).terms
    assert terms is not None
    assert (terms.site, terms.uses) == ("store-7", 20)
