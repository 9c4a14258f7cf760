"""What root says next is the document before with one thing changed."""

import pytest

from edge.ctl import root
from edge.documents import Scope
from edge.errors import ConfigError
from tests.support import builders as a
from tests.support.trials import reason

OTHER = a.operator("anna")


def test_the_first_document_names_one_operator_and_no_hub():
    """And everyone accepts it."""
    made = root.first(a.FLEET, a.ROOT.public, a.operator(), a.NOW)
    assert (made.version, made.hubs) == (1, ())
    assert reason(made, a.empty_ledger()) == "accepted"


def test_a_hub_takes_the_place_of_the_one_before():
    """With its certificate authority."""
    other = a.hub_site(url="https://other:8443")
    made = root.with_hub(a.trusted(), other, "PEM", 2, a.NOW)
    assert (made.version, made.hubs, made.ca) == (2, (other,), "PEM")
    assert made.operators == a.trusted().operators


def test_an_operator_is_added():
    """The others stay."""
    made = root.with_operator(a.trusted(), OTHER, 2, a.NOW)
    assert [each.name for each in made.operators] == ["anna", "operator"]
    assert reason(made, a.ledger_of([a.signed(a.trusted())])) == "accepted"


def test_an_operator_of_the_same_name_is_renewed():
    """A later end, a narrower scope, another key."""
    limited = a.operator("operator", scope=Scope(name="north", sites=("north",)))
    made = root.with_operator(a.trusted(), limited, 2, a.NOW)
    assert made.operators == (limited,)


def test_a_key_has_one_name():
    """A second name would hide who signed."""
    twin = a.operator("anna", key=a.OPERATOR.public)
    with pytest.raises(ConfigError, match="its key is 'operator''s"):
        root.with_operator(a.trusted(), twin, 2, a.NOW)


def test_an_operator_is_removed():
    """By name."""
    two = root.with_operator(a.trusted(), OTHER, 2, a.NOW)
    assert root.without_operator(two, "anna", 3, a.NOW).operators == (a.operator(),)


@pytest.mark.parametrize("name", ["nobody", "operator"])
def test_the_last_one_stays_and_a_stranger_is_not_there(name):
    """A fleet without operators could never be changed again but by root."""
    with pytest.raises(ConfigError, match="cannot remove operator"):
        root.without_operator(a.trusted(), name, 2, a.NOW)
