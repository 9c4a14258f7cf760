"""A claim survives the wire, and nothing else becomes one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.names import Slot
from node import claims
from node.claims import Claim

CLAIM = Claim(slot=Slot("web/web.1"), device="d-a", term=3, version=2, state="running")


def test_claim_comes_back_from_the_wire() -> None:
    """What a neighbour reads is what was said."""
    body = claims.encode(CLAIM)
    assert claims.decode("d-a", "web/web.1", body) == CLAIM
    assert len(body) <= claims.CLAIM_MAX


@pytest.mark.parametrize("slot", ["web", "sensor/reader@", "web/web.0", "../x.1"])
def test_claim_to_no_slot_is_none(slot: str) -> None:
    """Keys come from peers as well."""
    assert claims.decode("d-a", slot, claims.encode(CLAIM)) is None


@given(st.binary(max_size=80))
def test_random_bytes_are_no_claim_or_a_small_one(body: bytes) -> None:
    """No bytes raise; withdrawn claims are empty."""
    found = claims.decode("d-a", "web/web.1", body)
    assert found is None or found.device == "d-a"


def test_prepared_claim_does_not_hold() -> None:
    """Whoever waits for a lease runs nothing."""
    waiting = Claim(slot=CLAIM.slot, device="d-a", term=1, version=1, state="prepared")
    assert not waiting.is_holding
    assert CLAIM.is_holding
