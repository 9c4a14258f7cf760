"""Documents of version 1 are judged as they were on the day they were written."""

import copy
import typing
from pathlib import Path

import pytest

from edge import documents, envelope, sealing, trust
from edge.documents import Secret
from edge.errors import TrustError, WireError
from edge.trust import Accepted, Ledger, Refused
from edge.trust.verdict import Reason

FOLDER = Path(__file__).parent / "v1"
FLEET = "shop"
ANCHOR = "sha256:075d034361787d7b5bf999f635d736469e583b70f85ae4d31c8a50e12f5e88c1"
NOW = 1_800_000_000.0
N1 = "d-1df2c9be58fcb69b1104d08b"
N1_OPENS = bytes.fromhex(
    "7f68f9525e2129827c7c76e20a1563537cbe6d55e68a94e91fef30be272bb435"
)
ACCEPTED = sorted(FOLDER.glob("[0-9]*.json"))
REFUSED = sorted(FOLDER.glob("refused-*.json"))
UNOPENED = sorted(FOLDER.glob("unopened-*.json"))
REASONS = typing.get_args(Reason)
# Decided elsewhere than in `judge`: when a secret is opened, and on the device.
ELSEWHERE = {
    "not-sealed-to-us",
    "re-wrapped",
    "takes-away",
    "out-of-limits",
    "not-stored",
}


def story() -> Ledger:
    """Return a ledger that took every accepted sample, in order."""
    ledger = Ledger(fleet=FLEET, anchor=ANCHOR, counts_uses=True)
    for path in ACCEPTED:
        verdict = trust.judge(path.read_bytes(), ledger, NOW)
        assert isinstance(verdict, Accepted), (path.name, verdict)
        ledger.record(verdict)
    return ledger


TOLD = story()


def reason_of(path: Path) -> str:
    """Return the reason a file's name begins with."""
    said = path.stem.partition("-")[2]
    return next(each for each in REASONS if said.startswith(f"{each}-"))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_accepted_sample_is_known_or_overtaken(path):
    """The newest of its stream is known, an older one rolled back."""
    verdict = trust.judge(path.read_bytes(), TOLD, NOW)
    assert getattr(verdict, "reason", "known") in {"known", "rolled-back"}


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_accepted_sample_is_spelled_as_we_would(path):
    """Today's writer gives the same bytes and the same digest."""
    sealed = envelope.decode(path.read_bytes())
    document = documents.parse(sealed.payload_type, sealed.body)
    assert documents.encode(document) == sealed.body
    assert envelope.encode(sealed) == path.read_bytes()


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_refused_sample_is_refused_by_its_name(path):
    """For exactly that reason."""
    ledger = copy.copy(TOLD)
    if path.stem == "refused-wrong-recipient-assignment":
        ledger.me = N1
    verdict = trust.judge(path.read_bytes(), ledger, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason_of(path)


@pytest.mark.parametrize("path", UNOPENED, ids=lambda path: path.stem)
def test_a_secret_that_does_not_open_says_why(path):
    """An operator signed the outside; what counts is inside."""
    verdict = trust.judge(path.read_bytes(), TOLD, NOW)
    assert isinstance(verdict, Accepted)
    assert isinstance(verdict.document, Secret)
    with pytest.raises(TrustError) as caught:
        trust.open_secret(verdict.document, sealing.OpeningKey(N1_OPENS), TOLD)
    assert caught.value.reason == reason_of(path)


def test_the_secret_still_opens():
    """With the key that belongs to the device of that day."""
    sealed = envelope.decode((FOLDER / "11-secret.json").read_bytes())
    secret = documents.parse(sealed.payload_type, sealed.body)
    assert isinstance(secret, Secret)
    key = sealing.OpeningKey(N1_OPENS)
    assert trust.open_secret(secret, key, TOLD) == b"hunter2"


def test_there_is_a_sample_of_every_kind():
    """Alone, or refused because it never stands alone."""
    kinds = set()
    for path in (*ACCEPTED, *REFUSED):
        try:
            kinds.add(envelope.decode(path.read_bytes()).payload_type)
        except WireError:
            continue
    assert kinds >= set(documents.SHAPES)


def test_there_is_a_sample_of_every_reason():
    """A new reason comes with one."""
    found = {reason_of(path) for path in (*REFUSED, *UNOPENED)}
    assert found >= set(REASONS) - ELSEWHERE


def test_every_file_is_read():
    """A name that fits no pattern would be forgotten."""
    assert set(FOLDER.iterdir()) == {*ACCEPTED, *REFUSED, *UNOPENED}
