"""Who a site's devices are, by documents this device judged itself."""

from edge import trust
from node import neighbours
from tests.support import builders as a

N1, N2, N3 = a.Device("n1"), a.Device("n2"), a.Device("n3")
WEB = a.workload(failover="available", replicas=2)


def ledger(**changes: object) -> trust.Ledger:
    """Return what n1 believes of a site of two, with a deployment that may move."""
    documents = (a.signed(a.deployment(workloads=(WEB,))), a.signed(a.node(N2)))
    return a.ledger_of([*a.enrolled(N1, N2), *documents], me=N1.id, **changes)


def test_only_members_by_their_own_chain_belong_to_the_mesh() -> None:
    """The hub may name anyone in its plan: without a member document it is nobody."""
    plan = a.plan(N1, N2, N3)
    found = neighbours.roster(ledger(), plan, "home", 8445)
    assert set(found.members) == {N1.id, N2.id}
    assert found.members[N2.id].mesh == N2.keys.mesh


def test_site_and_labels_are_the_operators_word() -> None:
    """The plan says nothing of them."""
    views = neighbours.nodes(ledger(), a.plan(N1, N2))
    assert views[N2.id].site == a.node(N2).site
    assert a.node(N2).labels.items() <= dict(views[N2.id].labels).items()
    assert views[N2.id].labels["fact.arch"] == "amd64"


def test_memory_of_what_never_moves_is_not_free() -> None:
    """Or a taker would be chosen that has no room."""
    member = a.site_member(N2, reserved=100)
    plan = a.plan(members=(member,))
    facts = member.facts
    assert facts is not None
    assert neighbours.nodes(ledger(), plan)[N2.id].memory == facts.memory - 100


def test_only_numbered_slots_within_the_signed_count_move() -> None:
    """The operator signed two replicas."""
    slots = ("web/web.1", "web/web.3", "web/web@n1", "db/db.1", "web/other.1")
    assert list(neighbours.movable(ledger(), slots)) == ["web/web.1"]


def test_without_a_plan_there_is_nobody() -> None:
    """A device that never heard of a plan runs what it was given."""
    assert not neighbours.roster(ledger(), None, "home", 8445).members
    assert not neighbours.planned(None)
