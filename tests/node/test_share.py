"""The share of a device: the operator's word and the hub's, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from node import share
from node.share import Standing
from tests.support import builders as a

N1 = a.Device("n1")
HERE = Standing(name="n1", site="home", labels={"role": "sensor"})
WEB = {"web": a.deployment("web", workloads=(a.workload("web", replicas=3),))}
WEB2 = {"web": a.deployment("web", 2, workloads=(a.workload("web", replicas=3),))}


def assigned(*places: object) -> a.Assignment:
    """Return an assignment of these places to n1."""
    return a.assignment(N1, replicas=tuple(places))


def reasons(result: share.Share) -> list[str]:
    """Return the names of the refusals."""
    return [refused.reason for refused in result.refused]


def test_both_words_together_start_a_replica():
    """A place in a held deployment, assigned by the hub, is run."""
    result = share.share({}, assigned(a.place("web/web.1")), WEB, HERE)
    assert result.places == {"web/web.1": a.place("web/web.1")}
    assert not result.refused


def test_a_place_without_the_operators_deployment_is_refused():
    """The hub alone starts nothing."""
    result = share.share({}, assigned(a.place("web/web.1")), {}, HERE)
    assert (dict(result.places), reasons(result)) == ({}, ["out-of-limits"])


def test_more_replicas_than_signed_are_refused():
    """The fourth of three is the hub's invention."""
    result = share.share({}, assigned(a.place("web/web.4")), WEB, HERE)
    assert (dict(result.places), reasons(result)) == ({}, ["out-of-limits"])


def test_a_slot_of_another_workload_is_refused():
    """The slot's name and the workload must agree."""
    wrong = a.place("web/web.1", workload="other")
    result = share.share({}, assigned(wrong), WEB, HERE)
    assert reasons(result) == ["out-of-limits"]


def test_a_required_label_this_node_lacks_is_refused():
    """Labels are the operator's: the hub cannot place around them."""
    limited = {"web": a.deployment(workloads=(a.workload(require={"gpu": "yes"}),))}
    result = share.share({}, assigned(a.place("web/web.1")), limited, HERE)
    assert reasons(result) == ["out-of-limits"]


def test_a_site_beyond_the_signed_ones_is_refused():
    """Sites limit as labels do."""
    limited = {"web": a.deployment(workloads=(a.workload(sites=("lab",)),))}
    result = share.share({}, assigned(a.place("web/web.1")), limited, HERE)
    assert reasons(result) == ["out-of-limits"]


def test_an_every_slot_is_for_the_node_it_names():
    """The slot of another node is refused, our own is run."""
    every = {"web": a.deployment(workloads=(a.workload(every="role=sensor"),))}
    places = (a.place("web/web@n1"), a.place("web/web@n2"))
    result = share.share({}, assigned(*places), every, HERE)
    assert list(result.places) == ["web/web@n1"]
    assert reasons(result) == ["out-of-limits"]


def test_a_relabelled_node_ends_an_older_revision_too():
    """A hub that hands out nothing new cannot keep it running against its limits."""
    workload = a.workload(every="role=sensor")
    old, new = (a.deployment("web", each, workloads=(workload,)) for each in (1, 2))
    held = {"web/web@n1": a.place("web/web@n1")}
    revisions = {("web", 1): old, ("web", 2): new}
    bare = Standing(name="n1", site="home", labels={})
    assert not share.share(held, None, {"web": new}, bare, revisions).places
    assert share.share(held, None, {"web": new}, HERE, revisions).places == held
    assert share.share(held, None, {"web": new}, bare).places == held


def test_an_emptied_assignment_takes_nothing_away():
    """The hub cannot stop a replica by forgetting it."""
    held = {"web/web.1": a.place("web/web.1")}
    result = share.share(held, assigned(), WEB, HERE)
    assert (result.places, reasons(result)) == (held, ["takes-away"])


def test_a_tombstone_ends_a_replica_without_any_assignment():
    """The operator's end needs no hub."""
    held = {"web/web.1": a.place("web/web.1")}
    assert not share.share(held, None, {}, HERE).places


def test_a_newer_deployment_lets_the_hub_move_a_replica():
    """With a newer revision the hub may say where it goes."""
    held = {"web/web.1": a.place("web/web.1")}
    result = share.share(held, assigned(), WEB2, HERE)
    assert not result.places
    assert not result.refused


def test_a_newer_deployment_alone_changes_nothing():
    """Until the hub assigns the newer revision, the old one runs on."""
    held = {"web/web.1": a.place("web/web.1")}
    assert share.share(held, None, WEB2, HERE).places == held


def test_an_older_revision_is_never_started():
    """Assigning what was replaced is refused; what runs stays."""
    held = {"web/web.1": a.place("web/web.1", 2)}
    result = share.share(held, assigned(a.place("web/web.1", 1)), WEB2, HERE)
    assert (result.places, reasons(result)) == (held, ["out-of-limits"])


def test_a_drained_node_gives_up_what_is_assigned_elsewhere():
    """Draining is the operator's cause."""
    held = {"web/web.1": a.place("web/web.1")}
    drained = Standing(name="n1", site="home", labels={}, scheduling="drained")
    assert not share.share(held, assigned(), WEB, drained).places


def test_a_revoked_device_runs_nothing():
    """A revocation ends everything on the device it names."""
    held = {"web/web.1": a.place("web/web.1")}
    revoked = Standing(name="n1", site="home", labels={}, is_revoked=True)
    assert not share.share(held, assigned(a.place("web/web.1")), WEB, revoked).places


def test_a_device_that_waits_for_approval_runs_nothing():
    """A voucher with approval holds everything back."""
    waiting = Standing(name="n1", site="home", labels={}, is_ready=False)
    assert not share.share({}, assigned(a.place("web/web.1")), WEB, waiting).places


def test_without_the_hub_the_share_stays():
    """An offline boot runs what ran."""
    held = {"web/web.1": a.place("web/web.1")}
    assert share.share(held, None, WEB, HERE).places == held


slots = st.sampled_from(["web/web.1", "web/web.2", "web/web.3", "web/web.4"])
places = st.builds(a.place, slots, st.integers(1, 3))


@given(st.lists(places, max_size=4), st.lists(places, max_size=4))
def test_a_hub_alone_neither_starts_nor_stops_beyond_limits(before, offered):
    """Whatever the hub says: what runs was signed, what ran at the newest stays."""
    held = {each.slot: each for each in before if each.version == 2}
    result = share.share(held, assigned(*offered), WEB2, HERE)
    allowed = {"web/web.1", "web/web.2", "web/web.3"}
    assert all(each.version == 2 for each in result.places.values())
    assert set(result.places) <= allowed
    assert {slot for slot in held if slot in allowed} <= set(result.places)


@given(st.lists(places, max_size=4), st.lists(places, max_size=4))
def test_a_share_computed_twice_is_the_same(before, offered):
    """The second run finds nothing to change."""
    held = {each.slot: each for each in before}
    once = share.share(held, assigned(*offered), WEB2, HERE)
    assert share.share(once.places, assigned(*offered), WEB2, HERE).places == (
        once.places
    )
