"""How voters stand at a site, and when they may change again."""

from edge.ctl import voting
from edge.ctl.shapes import NodeRow, ReplicaRow
from edge.documents import Scope
from tests.support import builders as a

N1, N2, N3 = a.Device("n1"), a.Device("n2"), a.Device("n3")


def ledger(*documents):
    """Return what is believed of a site of three."""
    more = (a.signed(each) for each in documents)
    return a.ledger_of((*a.enrolled(N1, N2, N3), *more), counts_uses=False)


def row(device, version):
    """Return a device that reports this version of the voters."""
    fields = {"site": "home", "labels": {}, "state": "ready"}
    held = {"voters/home": version}
    return NodeRow(name=device.name, id=device.id, held=held, **fields)


def standing(*named, held=()):
    """Return how these voters are, their version held by some of them."""
    known = ledger(a.voters(*named)) if named else ledger()
    return voting.standing(known, "home", [row(each, 1) for each in held])


def test_nobody_named_is_version_nought():
    """And means that nothing strict runs."""
    found = standing()
    assert (found.version, found.voters) == (0, ())
    assert "no strict replica can run" in voting.meaning(found)


def test_two_voters_are_explained():
    """The word witness says what would help."""
    said = voting.meaning(standing(N1, N2))
    assert said.startswith("a majority of 2 is 2: while n1 or n2 is lost")
    assert "witness" in said


def test_three_voters_say_how_many_may_be_lost():
    """In names and numbers."""
    said = voting.meaning(standing(N1, N2, N3))
    assert said == "2 of n1, n2, n3 make a lease: 1 may be lost"


def test_one_voter_is_told_to_be_the_only_one():
    """What is lost with it."""
    assert voting.meaning(standing(N1)).startswith("n1 alone grants leases")


def test_next_version_waits_for_a_majority_that_holds_this_one():
    """Otherwise the version before could still make a majority."""
    early = standing(N1, N2, N3, held=(N1,))
    assert "1 of 3 voters and 2 must hold it" in voting.unfinished(early)
    assert voting.unfinished(standing(N1, N2, N3, held=(N1, N3))) == ""


def test_first_version_waits_for_nobody():
    """There is none before it."""
    assert voting.unfinished(standing()) == ""


def test_report_of_an_older_version_does_not_count():
    """The newest is what a majority must hold."""
    known = ledger(a.voters(N1), a.voters(N1, N2, version=2))
    found = voting.standing(known, "home", [row(N1, 1), row(N2, 2)])
    assert found.held_by == ("n2",)


def test_voter_that_left_the_site_is_shown_by_its_id():
    """Its name may be another's by now."""
    known = ledger(a.voters(N1, N2, N3), a.node(N3, site="away"))
    assert voting.standing(known, "home").gone == (N3.id,)


def test_difference_is_told_in_names():
    """Who votes, who does no more."""
    one, two = standing(N1, N2), standing(N2, N3)
    assert voting.difference(standing(), one) == "site home: n1, n2 vote"
    assert voting.difference(one, two) == "site home: n3 votes, n1 votes no more"


def first(known, *sites, **scope):
    """Return whom a deploy names, signed by an operator of that scope."""
    operator = a.operator(scope=Scope(**scope))
    return voting.first(known, operator, sites)


def test_a_site_without_voters_gets_its_devices():
    """Another site has nobody to name."""
    assert first(ledger(), "home", "away") == {"home": (N1.id, N2.id, N3.id)}


def test_voters_that_are_there_are_left_alone():
    """A deploy changes none."""
    assert first(ledger(a.voters(N1)), "home") == {}


def test_operator_names_voters_only_where_it_may():
    """What every device would refuse is not signed."""
    assert first(ledger(), "home", name="x", sites=("away",)) == {}
    assert first(ledger(), "home", name="x", labels={"role": "x"}) == {}
    assert first(ledger(), "home", name="x", sites=("home",))


def test_names_are_those_held_or_about_to_be():
    """Where nobody votes, a site is left out."""
    begun = {"away": (N3.id,), "home": (N2.id,)}
    found = voting.names(ledger(a.voters(N1)), ("home", "away", "moon"), begun)
    assert found == {"away": ("n3",), "home": ("n1",)}


def test_sites_of_strict_work_should_have_voters():
    """Those that have some are looked at as well."""
    strict = a.deployment(workloads=(a.workload("web", failover="strict"),))
    fields = {"replica": "web.1", "revision": 1, "node": "n1", "state": "running"}
    rows = [
        ReplicaRow(deployment=name, workload="web", site=name, healthy=True, **fields)
        for name in ("web", "other")
    ]
    known = ledger(a.voters(N1), strict)
    assert voting.concerned(known, rows) == ("home", "web")
