from pathlib import Path

import pytest

from edge.trust import Refused
from hub import intake
from hub.certification import Office
from hub.intake import Taken
from hub.state import State
from tests.support import builders, desks
from tests.support.builders import DAY, HUB, NOW, Device, empty_ledger, enrolled, signed

N1 = Device("n1")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A CA that issues for ninety days."""
    return Office(identity=desks.make(tmp_path), life=90 * DAY)


@pytest.fixture
def state() -> State:
    """A hub nobody joined yet."""
    return State(hub=HUB.public, ledger=empty_ledger())


def test_who_joins_gets_a_certificate(office: Office, state: State) -> None:
    """In the answer to its member document, and in the batch."""
    taken = intake.take(state, enrolled(N1), NOW)
    results, made = office.certify(state, taken, NOW)
    assert [bool(each.certificate) for each in results] == [False, False, True]
    assert results[2].certificate.encode() == made[0].pem
    assert state.issued["n1"] == [*made]


def test_who_asks_again_gets_the_same(office: Office, state: State) -> None:
    """The answer got lost; nothing new is made."""
    first = office.certify(state, intake.take(state, enrolled(N1), NOW), NOW)
    again = office.certify(state, intake.take(state, enrolled(N1), NOW), NOW + DAY)
    assert again[0][2].certificate == first[0][2].certificate
    assert again[1] == ()


def test_late_in_its_life_a_new_one_is_made(office: Office, state: State) -> None:
    """Even years after it ended."""
    office.certify(state, intake.take(state, enrolled(N1), NOW), NOW)
    request = signed(builders.certificate_request(N1))
    taken = intake.take(state, [request], NOW + 900 * DAY)
    results, made = office.certify(state, taken, NOW + 900 * DAY)
    assert len(made) == 1
    assert results[0].certificate.encode() == made[0].pem


def test_a_refusal_gets_none(office: Office, state: State) -> None:
    """And says why."""
    refused = Refused(reason="revoked", problem="gone", kind="member")
    (result,), made = office.certify(state, Taken(verdicts=(refused,)), NOW)
    assert (result.reason, result.certificate, made) == ("revoked", "", ())
