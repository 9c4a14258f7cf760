"""What follows from documents alone: read once, and again when one of them changed."""

from edge import trust
from node.papers import Papers
from tests.support import builders as a

N1, N2 = a.Device("n1"), a.Device("n2")
WEB = a.workload(failover="available", replicas=2)


def papers() -> Papers:
    """Return those of n1, in a site of two with a deployment that may move."""
    documents = (a.signed(a.deployment(workloads=(WEB,))), a.signed(a.node(N2)))
    ledger = a.ledger_of([*a.enrolled(N1, N2), *documents], me=N1.id)
    return Papers(ledger=ledger, port=8445)


def learn(ledger: trust.Ledger, document: a.Document) -> None:
    """Let the ledger accept one more document."""
    verdict = trust.judge(a.signed(document), ledger, a.NOW)
    assert isinstance(verdict, trust.Accepted), verdict
    ledger.record(verdict)


def test_what_was_found_is_kept_while_nothing_changes() -> None:
    """The very same object: whoever compares by it sees that nothing changed."""
    found = papers()
    slots = ("web/web.1", "web/web.3")
    once = found.movable(slots)
    assert list(once) == ["web/web.1"]
    assert found.movable(slots) is once


def test_another_question_gets_another_answer() -> None:
    """Slots come and go while the documents stay."""
    found = papers()
    found.movable(("web/web.1",))
    assert list(found.movable(("web/web.2", "web/web.1"))) == ["web/web.1", "web/web.2"]
    assert found.movable(()) == {}


def test_a_newer_document_is_taken_in() -> None:
    """Whatever was kept of the older one is gone."""
    found = papers()
    assert found.one("web/web.2") is not None
    one = a.workload(failover="available", replicas=1)
    learn(found.ledger, a.deployment(version=2, workloads=(one,)))
    moves = found.one("web/web.1")
    assert moves is not None
    assert moves.version == 2
    assert found.one("web/web.2") is None


def test_what_does_not_move_is_remembered_as_that() -> None:
    """Asked every turn, looked up once."""
    found = papers()
    assert found.one("db/db.1") is None
    assert found.one("db/db.1") is None


def test_a_plan_brings_the_site() -> None:
    """Before it there is nobody."""
    found = papers()
    found.read()
    assert not found.roster.members
    learn(found.ledger, a.plan(N1, N2))
    found.read()
    assert set(found.roster.members) == {N1.id, N2.id} == set(found.nodes)
