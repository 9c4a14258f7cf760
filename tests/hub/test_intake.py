import pytest

from edge.documents import CertificateRequest
from edge.model import Held
from edge.trust import Accepted, Known, Refused
from hub import intake
from hub.intake import Taken
from hub.registry import CERTIFICATES_MAX, Issued
from hub.state import State
from tests.support import builders
from tests.support.builders import (
    DAY,
    HUB,
    NOW,
    STRANGER,
    Device,
    empty_ledger,
    enrolled,
    signed,
)
from tests.support.fleets import heard

N1, N2 = Device("n1"), Device("n2")


@pytest.fixture
def state() -> State:
    """A hub that knows n1 and n2."""
    made = State(hub=HUB.public, ledger=empty_ledger())
    assert intake.take(made, enrolled(N1, N2), NOW).refused is None
    return made


def kinds(taken: Taken) -> list[type]:
    """What became of each document."""
    return [type(each) for each in taken.verdicts]


def test_documents_are_believed_in_their_order(state: State) -> None:
    """A later one may depend on an earlier one."""
    documents = (signed(builders.node(N1)), signed(builders.deployment()))
    taken = intake.take(state, documents, NOW)
    assert kinds(taken) == [Accepted, Accepted]
    assert state.ledger.deployments["web"].version == 1
    assert state.shelf.get(f"node/{N1.id}") is not None


def test_it_stops_at_the_first_refusal(state: State) -> None:
    """What came before counts, what comes after was not looked at."""
    forged = signed(builders.deployment("x"), STRANGER)
    documents = (signed(builders.deployment()), forged, signed(builders.node(N1)))
    taken = intake.take(state, documents, NOW)
    assert kinds(taken) == [Accepted, Refused]
    assert taken.refused is not None
    assert state.ledger.nodes == {}


def test_handing_in_the_same_again_is_fine(state: State) -> None:
    """An answer that got lost is asked for again."""
    taken = intake.take(state, enrolled(N1), NOW)
    assert kinds(taken) == [Known, Known, Known]
    assert taken.accepted == ()


def test_a_report_counts_on_its_topic_only(state: State) -> None:
    """Over HTTPS nobody says whose connection it came by."""
    refused = intake.take(state, [signed(builders.report(N1))], NOW).refused
    assert refused is not None
    assert refused.reason == "wrong-kind"


def held(count: int) -> list[Issued]:
    """So many certificates of n1, for other keys."""
    return [
        Issued(
            serial=n,
            subject="n1",
            key=f"k{n}",
            issued_at=NOW,
            not_after=NOW + DAY,
            pem=b"",
        )
        for n in range(count)
    ]


def test_nobody_gets_more_certificates_than_the_list_can_bear(state: State) -> None:
    """A stolen device key cannot mint without end."""
    state.issued["n1"] = held(CERTIFICATES_MAX)
    request = signed(builders.certificate_request(N1))
    refused = intake.take(state, [request], NOW).refused
    assert refused is not None
    assert (refused.reason, intake.status(refused)) == ("out-of-limits", 429)
    assert state.ledger.head("certificate/n1") is None


def test_a_certificate_that_is_there_is_not_refused(state: State) -> None:
    """The limit is on new ones."""
    fresh = held(CERTIFICATES_MAX - 1)
    fresh.append(
        Issued(
            serial=99,
            subject="n1",
            key=N1.tls.public,
            issued_at=NOW,
            not_after=NOW + DAY,
            pem=b"",
        )
    )
    state.issued["n1"] = fresh
    request = signed(builders.certificate_request(N1))
    assert intake.take(state, [request], NOW).refused is None


def test_members_and_requests_get_certificates() -> None:
    """For the TLS key they name; nothing else does."""
    wants = intake.certified(builders.member(N1))
    assert wants == intake.Certified(subject="n1", key=N1.tls.public)
    assert intake.certified(builders.certificate_request(N1)) == wants
    assert intake.certified(builders.deployment()) is None


@pytest.mark.parametrize(
    ("document", "traits"),
    [
        (builders.deployment(), {"is_moving"}),
        (builders.node(N1), {"is_moving"}),
        (builders.revocation(), {"is_moving", "is_revoking"}),
        (builders.trusted(2), {"is_moving", "is_founding"}),
        (builders.member(Device("n3")), {"is_joining"}),
        (builders.voucher("v2"), set()),
    ],
)
def test_what_follows_depends_on_the_kind(
    state: State, document: object, traits: set[str]
) -> None:
    """Places, the broker's door, the whole fleet."""
    taken = intake.take(state, [signed(document)], NOW)
    every = ("is_moving", "is_revoking", "is_founding", "is_joining", "is_viewing")
    assert {name for name in every if getattr(taken, name)} == traits


def test_a_dashboard_is_let_in(state: State) -> None:
    """An operator signs for it; the broker's list of dashboards changes."""
    request = CertificateRequest(
        fleet=builders.FLEET, subject="view.wall", key=N1.tls.public, serial=1
    )
    assert intake.take(state, [signed(request, builders.OPERATOR)], NOW).is_viewing


def test_who_is_touched_is_told(state: State) -> None:
    """The device itself; for a deployment whoever holds an older one."""
    older = Held(stream="deployment/web", version=0, digest=builders.INDEX)
    state.heard[N2.id] = heard(N2, held=(older,))
    documents = (
        signed(builders.node(N1)),
        signed(builders.deployment()),
    )
    taken = intake.take(state, documents, NOW)
    assert intake.touched(taken, state) == {"n1", "n2"}


def test_the_recipient_of_a_secret_is_told(state: State) -> None:
    """And everyone who was revoked."""
    taken = intake.take(state, [signed(builders.secret("web/token", N2))], NOW)
    assert intake.touched(taken, state) == {"n2"}
    gone = signed(builders.revocation(devices=(N1.id,)))
    assert intake.touched(intake.take(state, [gone], NOW), state) == {"n1"}


def test_what_is_handed_in_is_judged_one_by_one(state: State) -> None:
    """A refusal in the middle costs only itself; a report is not for this way."""
    given = (
        signed(builders.deployment(), builders.STRANGER),
        signed(builders.report(N1)),
        signed(builders.beacon(4)),
        signed(builders.deployment()),
    )
    taken = intake.take_back(state, given, NOW)
    assert [each.document.stream for each in taken.accepted] == [
        "beacon",
        "deployment/web",
    ]
    assert intake.numbers(given) == {
        "deployment/web": 1,
        f"report/{N1.id}": 1,
        "beacon": 4,
    }
    assert intake.numbers([b"{}", b"\xff"]) == {}


@pytest.mark.parametrize(
    ("reason", "status"),
    [("malformed", 400), ("rolled-back", 409), ("conflict", 409), ("revoked", 403)],
)
def test_a_refusal_has_a_status(reason: str, status: int) -> None:
    """The exit code of `edgectl` follows from it."""
    assert intake.status(Refused(reason=reason, problem="")) == status
    assert intake.status(None) == 200


def test_a_result_says_what_became_of_a_document(state: State) -> None:
    """With the certificate, where there is one."""
    (verdict,) = intake.take(state, [signed(builders.deployment())], NOW).verdicts
    result = intake.result(verdict, b"pem")
    assert (result.kind, result.stream) == ("deployment", "deployment/web")
    assert (result.result, result.certificate) == ("accepted", "pem")
    refused = intake.result(Refused(reason="expired", problem="late", kind="node"))
    assert (refused.result, refused.reason, refused.kind) == (
        "refused",
        "expired",
        "node",
    )


def test_nothing_is_said_of_what_was_aborted(state: State) -> None:
    """Devices go back by the abort; a newer word would take it from them."""
    deployed = (builders.deployment(), builders.deployment(version=2, fallback=1))
    abort = builders.control(target=2, action="abort")
    intake.take(state, [signed(each) for each in (*deployed, abort)], NOW)
    resume = builders.control(version=2, target=2, action="resume")
    refused = intake.take(state, [signed(resume)], NOW).refused
    assert refused is not None
    assert (refused.reason, intake.status(refused)) == ("conflict", 409)
    again = builders.control(version=2, target=2, action="abort")
    assert intake.take(state, [signed(again)], NOW).refused is None
    newer = builders.control(version=3, target=3)
    assert intake.take(state, [signed(newer)], NOW).refused is None


def test_a_word_on_a_rollout_is_decided_upon_at_once(state: State) -> None:
    """Whoever pauses it wants it paused."""
    word = signed(builders.control())
    taken = intake.take(state, [signed(builders.deployment()), word], NOW)
    assert taken.is_moving
    assert intake.take(state, [word], NOW).is_moving is False
