import pytest

from edge import documents
from edge.documents import Session
from edge.sealing import SigningKey
from edge.trust import Ledger
from hub.sessions import NONCE_FOR, TOKEN_FOR, TOKENS_MAX, Sessions
from tests.support import builders
from tests.support.builders import HUB, NOW, OPERATOR, STRANGER, ledger_of, signed

RANDOM = b"r" * 16


@pytest.fixture
def ledger() -> Ledger:
    """What the hub believes: one operator."""
    return ledger_of([signed(builders.trusted())])


@pytest.fixture
def sessions() -> Sessions:
    """The sessions of one start of the hub."""
    return Sessions(secret=b"s" * 32, hub=HUB.public)


def answer(nonce: str, key: SigningKey = OPERATOR, **changes: str) -> bytes:
    """An operator's answer to a challenge."""
    fields = {"fleet": builders.FLEET, "nonce": nonce, "hub": HUB.public, **changes}
    return documents.sign(Session(**fields), key)


def test_an_answered_challenge_lets_the_token_read(
    sessions: Sessions, ledger: Ledger
) -> None:
    """For a quarter of an hour."""
    nonce = sessions.challenge(RANDOM, NOW)
    assert sessions.open(answer(nonce), "token", ledger, NOW + 1) is None
    reader = sessions.reader("token", ledger, NOW + TOKEN_FOR)
    assert reader is not None
    assert reader.key == OPERATOR.public
    assert sessions.reader("token", ledger, NOW + 1 + TOKEN_FOR) is None
    assert sessions.reader("other", ledger, NOW + 1) is None


def test_a_challenge_is_good_once(sessions: Sessions, ledger: Ledger) -> None:
    """Who listens in cannot use the answer again."""
    data = answer(sessions.challenge(RANDOM, NOW))
    assert sessions.open(data, "token", ledger, NOW) is None
    again = sessions.open(data, "stolen", ledger, NOW)
    assert again is not None
    assert again.reason == "expired"
    assert sessions.reader("stolen", ledger, NOW) is None


def test_a_challenge_is_good_for_a_minute(sessions: Sessions, ledger: Ledger) -> None:
    """And not from the future either."""
    nonce = sessions.challenge(RANDOM, NOW)
    late = sessions.open(answer(nonce), "token", ledger, NOW + NONCE_FOR + 1)
    assert late is not None
    ahead = sessions.challenge(RANDOM, NOW + 600)
    assert sessions.open(answer(ahead), "token", ledger, NOW) is not None


@pytest.mark.parametrize("nonce", ["", "x", "A" * 54, "not base64!"])
def test_a_challenge_of_someone_else_is_refused(
    sessions: Sessions, ledger: Ledger, nonce: str
) -> None:
    """Only this start of this hub made it."""
    refused = sessions.open(answer(nonce), "token", ledger, NOW)
    assert refused is not None
    assert refused.reason == "expired"
    theirs = Sessions(secret=b"t" * 32, hub=HUB.public).challenge(RANDOM, NOW)
    assert sessions.open(answer(theirs), "token", ledger, NOW) is not None


def test_an_answer_for_another_hub_is_refused(
    sessions: Sessions, ledger: Ledger
) -> None:
    """A hub in the middle cannot pass it on."""
    data = answer(sessions.challenge(RANDOM, NOW), hub=STRANGER.public)
    refused = sessions.open(data, "token", ledger, NOW)
    assert refused is not None
    assert refused.reason == "wrong-recipient"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", "malformed"),
        (answer("x", STRANGER), "not-authorised"),
        (answer("x", fleet="other"), "wrong-fleet"),
        (signed(builders.deployment()), "wrong-kind"),
    ],
)
def test_what_is_no_operators_answer_is_refused(
    sessions: Sessions, ledger: Ledger, data: bytes, reason: str
) -> None:
    """Each under its own name."""
    refused = sessions.open(data, "token", ledger, NOW)
    assert refused is not None
    assert refused.reason == reason


def test_a_token_ends_with_its_operator(sessions: Sessions, ledger: Ledger) -> None:
    """Root took the key away: so is what it reads."""
    sessions.open(answer(sessions.challenge(RANDOM, NOW)), "token", ledger, NOW)
    other = builders.operator("other")
    trust = builders.trusted(2, operators=(other,))
    after = ledger_of([signed(builders.trusted()), signed(trust)])
    assert sessions.reader("token", after, NOW) is None


def test_tokens_are_bounded(sessions: Sessions, ledger: Ledger) -> None:
    """The oldest ends first."""
    for number in range(TOKENS_MAX + 1):
        nonce = sessions.challenge(number.to_bytes(16), NOW)
        assert sessions.open(answer(nonce), f"t{number}", ledger, NOW) is None
    assert len(sessions.readers) == TOKENS_MAX
    assert sessions.reader("t0", ledger, NOW) is None
