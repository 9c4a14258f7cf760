"""Who holds a slot: the highest term wins and nothing goes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import WireError
from edge.names import Slot
from node import tenure
from node.tenure import Owner, Saved, Tenure

SLOT = Slot("web/web.1")


def test_higher_term_is_believed_and_lower_is_not() -> None:
    """Whoever says it."""
    held = Tenure()
    assert held.learn(SLOT, "d-a", 2)
    assert not held.learn(SLOT, "d-b", 2)
    assert not held.learn(SLOT, "d-b", 1)
    assert held.holder(SLOT) == "d-a"


def test_a_leap_is_not_believed() -> None:
    """Terms go up by one; one word would use up all of them."""
    tenure = Tenure()
    assert not tenure.learn(SLOT, "d-2", 10**6 + 1)
    assert tenure.learn(SLOT, "d-2", 10**6)
    assert tenure.learn(SLOT, "d-3", 2 * 10**6)


def test_taker_remembers_whom_it_took_it_from() -> None:
    """keep_original asks for that, also after a second takeover."""
    held = Tenure()
    held.learn(SLOT, "d-a", 1)
    assert held.take(SLOT, "d-b", 10.0) == 2
    assert held.owners[SLOT].original == "d-a"
    assert held.since[SLOT] == 10.0
    held.raise_term(SLOT, 5)
    assert held.owners[SLOT] == Owner(device="d-b", term=5, original="d-a")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=20))
def test_terms_never_go_down(said: list[tuple[str, int]]) -> None:
    """In whatever order words arrive."""
    held, before = Tenure(), 0
    for device, term in said:
        held.learn(SLOT, device, term)
        assert held.term(SLOT) >= before
        before = held.term(SLOT)


def test_slots_without_a_deployment_are_forgotten() -> None:
    """What is remembered stays as small as what is deployed."""
    held = Tenure()
    held.take(SLOT, "d-a", 1.0)
    held.keep_only(())
    assert not held.owners
    assert not held.since


def test_memory_comes_back_from_disk() -> None:
    """Byte for byte, or not at all."""
    saved = Saved(owners={SLOT: Owner(device="d-a", term=1)}, longest=8.0)
    assert tenure.decode(tenure.encode(saved)) == saved
    with pytest.raises(WireError, match="cannot read who holds what"):
        tenure.decode(b'{"owners": 3}')
    with pytest.raises(WireError, match="larger than"):
        tenure.decode(b" " * (tenure.MEMORY_MAX + 1))
