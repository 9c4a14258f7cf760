import pytest

from edge.documents import KeySet
from edge.trust import Refused
from edge.trust.ledger import fingerprint
from hub import adoption
from hub.adoption import CODE, ROOT, Adopted, Hub, Offer
from tests.support import builders
from tests.support.builders import HUB, NOW, STRANGER, signed
from tests.support.desks import root_fingerprint

CA = "-----BEGIN CERTIFICATE-----\n"
BY_CODE = {CODE: "secret", ROOT: ""}
BY_ROOT = {CODE: "", ROOT: root_fingerprint()}


def trust(version: int = 1, **changes: object) -> bytes:
    """A trust document that names this hub and carries its CA."""
    return signed(builders.trusted(version, **{"ca": CA, **changes}))


def adopt(
    *envelopes: bytes, code: str = "secret", meta: dict[str, str] = BY_CODE
) -> Adopted | Refused:
    """Offer documents to a hub that belongs to nobody."""
    offer = Offer(envelopes=envelopes, code=code, now=NOW)
    return adoption.adopt(offer, Hub(key=HUB.public, ca=CA, meta=meta))


def problem(result: Adopted | Refused) -> str:
    """Why it was refused."""
    assert isinstance(result, Refused)
    assert result.reason in {"not-authorised", "malformed"}
    return result.problem


def test_whoever_has_the_code_adopts_the_hub() -> None:
    """From then on the fleet's name and root are known, and the code is used up."""
    adopted = adopt(trust())
    assert isinstance(adopted, Adopted)
    assert adopted.meta == {"fleet": "shop", "anchor": root_fingerprint(), CODE: ""}


def test_the_expected_root_needs_no_code() -> None:
    """`edge-hub init --root` compared it beforehand."""
    assert isinstance(adopt(trust(), code="", meta=BY_ROOT), Adopted)


@pytest.mark.parametrize("code", ["", "Secret", "secret "])
def test_a_wrong_code_adopts_nothing(code: str) -> None:
    """Not even nearly."""
    assert "one-time code is wrong" in problem(adopt(trust(), code=code))


def test_a_used_code_is_wrong() -> None:
    """An empty one is no code."""
    meta = {CODE: "", ROOT: ""}
    assert "one-time code is wrong" in problem(adopt(trust(), code="", meta=meta))


def test_another_root_is_refused_even_with_the_code() -> None:
    """A hub that waits for one root takes no other."""
    other = KeySet(keys=(STRANGER.public,))
    document = builders.trusted(root=other, ca=CA)
    meta = {CODE: "secret", ROOT: root_fingerprint()}
    refused = adopt(signed(document, STRANGER), meta=meta)
    assert f"its root is {fingerprint(other)}" in problem(refused)


def test_a_chain_may_come_whole_and_ends_with_this_hub() -> None:
    """A fleet that had another hub brings its history."""
    chain = (trust(1, hubs=()), trust(2))
    adopted = adopt(*chain)
    assert isinstance(adopted, Adopted)
    assert [each.document.counter for each in adopted.chain] == [(1,), (2,)]


def test_a_chain_that_does_not_name_this_hub_is_refused() -> None:
    """It adopts some other hub."""
    stranger = builders.hub_site(key=STRANGER.public)
    assert "does not name this hub" in problem(adopt(trust(hubs=(stranger,))))
    assert "does not name this hub" in problem(adopt(trust(1), trust(2, hubs=())))


def test_the_chain_carries_this_hubs_ca() -> None:
    """Devices could not verify it otherwise."""
    assert "this hub's CA" in problem(adopt(trust(ca="other")))


def test_a_chain_with_a_break_is_refused() -> None:
    """Version 2 must carry the signatures of version 1's root."""
    other = KeySet(keys=(STRANGER.public,))
    second = builders.trusted(2, root=other, ca=CA)
    refused = adopt(trust(1), signed(second, STRANGER))
    assert isinstance(refused, Refused)


def test_only_trust_adopts() -> None:
    """Everything else has to wait."""
    assert "edgectl hub adopt" in problem(adopt(signed(builders.deployment())))
    mixed = adopt(trust(), signed(builders.voucher()))
    assert "trust documents alone" in problem(mixed)


@pytest.mark.parametrize("envelopes", [(), (b"",), (b"{}",)])
def test_nonsense_adopts_nothing(envelopes: tuple[bytes, ...]) -> None:
    """It has a name all the same."""
    result = adopt(*envelopes)
    assert isinstance(result, Refused)
    assert result.reason == "malformed"


def test_a_forged_root_signature_adopts_nothing() -> None:
    """The fingerprint alone proves nothing."""
    forged = signed(builders.trusted(ca=CA), STRANGER)
    assert isinstance(adopt(forged), Refused)
