"""The share of a device: the operator's word and the hub's, and no more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from edge.staging.shapes import Window
from node import share
from node.share import Settled, Standing
from node.versions import Staging
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


def test_a_numbered_slot_is_none_of_a_workload_of_every_device():
    """It would be one too many."""
    everywhere = {"web": a.deployment(workloads=(a.workload(every="*"),))}
    result = share.share({}, assigned(a.place("web/web.1")), everywhere, HERE)
    assert (result.places, reasons(result)) == ({}, ["out-of-limits"])


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


STAGED = a.deployment(
    "web",
    2,
    workloads=(a.workload("web", replicas=3),),
    rollout=a.rollout(),
    fallback=1,
)
STAGED2 = {"web": STAGED}
BOTH = {("web", 1): WEB["web"], ("web", 2): STAGED}
LATER_WAVE = Standing(name="n9", site="home", labels={})
HELD = {"web/web.1": a.place("web/web.1")}


def staged(here: Standing, **known: object) -> Standing:
    """Return a device that knows more of the rollout."""
    return replace(here, staging=Staging(**known))


def test_the_first_wave_takes_the_newest_version():
    """The operator named this device."""
    offered = assigned(a.place("web/web.1", 2))
    result = share.share(HELD, offered, STAGED2, HERE, BOTH)
    assert result.places == {"web/web.1": a.place("web/web.1", 2)}


def test_a_later_wave_keeps_what_it_has_until_there_is_proof():
    """A hub that names everybody is refused, and nothing stops."""
    offered = assigned(a.place("web/web.1", 2), a.place("web/web.2", 2))
    result = share.share(HELD, offered, STAGED2, LATER_WAVE, BOTH)
    assert (result.places, reasons(result)) == (HELD, ["out-of-limits"] * 2)


def test_the_version_before_is_placed_while_its_document_is_here():
    """A newcomer whose wave is closed runs what the others have."""
    offered = assigned(a.place("web/web.1", 1))
    result = share.share({}, offered, STAGED2, LATER_WAVE, BOTH)
    assert result.places == HELD
    result = share.share({}, offered, STAGED2, LATER_WAVE, {("web", 2): STAGED})
    assert (dict(result.places), reasons(result)) == ({}, ["out-of-limits"])


def test_the_hub_may_name_what_is_here_already():
    """Nothing changes, and nothing is refused; the term is the hub's to say."""
    offered = assigned(a.place("web/web.1", 1, term=4))
    result = share.share(HELD, offered, STAGED2, LATER_WAVE, BOTH)
    assert result.places["web/web.1"].term == 4
    assert not result.refused
    lost = share.share(HELD, offered, STAGED2, LATER_WAVE)
    assert lost.places["web/web.1"].version == 1


def test_going_back_needs_a_cause_and_a_bad_version_is_one():
    """What is refused runs on."""
    held = {"web/web.1": a.place("web/web.1", 2)}
    offered = assigned(a.place("web/web.1", 1))
    result = share.share(held, offered, STAGED2, HERE, BOTH)
    assert (result.places, reasons(result)) == (held, ["out-of-limits"])
    known = staged(HERE, bad=frozenset({("web", 2)}))
    assert share.share(held, offered, STAGED2, known, BOTH).places == HELD


def test_a_slot_that_the_version_before_had_not_may_go_with_the_bad_one():
    """All go back; there is nothing to go back to in this slot."""
    one = {("web", 1): a.deployment(), ("web", 2): STAGED}
    held = {slot: a.place(slot, 2) for slot in ("web/web.1", "web/web.2")}
    offered = assigned(a.place("web/web.1", 1))
    result = share.share(held, offered, STAGED2, HERE, one)
    assert set(result.places) == set(held)
    known = staged(HERE, bad=frozenset({("web", 2)}))
    assert share.share(held, offered, STAGED2, known, one).places == HELD


def test_a_slot_that_the_version_before_has_elsewhere_may_go_with_the_bad_one():
    """Its labels or sites are not this device's."""
    gpu = a.workload("web", replicas=3, require={"gpu": "yes"})
    narrow = {("web", 1): a.deployment(workloads=(gpu,)), ("web", 2): STAGED}
    held = {"web/web.1": a.place("web/web.1", 2)}
    result = share.share(held, assigned(), STAGED2, HERE, narrow)
    assert (result.places, reasons(result)) == (held, ["takes-away"])
    known = staged(HERE, bad=frozenset({("web", 2)}))
    assert share.share(held, assigned(), STAGED2, known, narrow).places == {}


def test_a_switch_that_waits_for_its_window_is_told_apart():
    """What runs stays, nothing is refused, and its image can be fetched."""
    rollout = a.rollout(window=Window(opens="0 3 * * *", lasts=3_600.0))
    newest = structs.replace(STAGED, rollout=rollout)
    wanted = a.place("web/web.1", 2)
    result = share.share(HELD, assigned(wanted), {"web": newest}, HERE, BOTH)
    assert (result.places, result.refused) == (HELD, ())
    assert result.later == {"web/web.1": wanted}
    moved = share.moved(result, HELD, {"web": newest}, HERE, BOTH)
    assert moved.later == result.later


def test_a_taker_runs_the_version_its_neighbour_had():
    """Within its own wave; so does what is fetched ahead."""
    slot = "web/web.1"
    settled = Settled(ours={slot: 3}, versions={slot: 1})
    taker = replace(HERE, settled=settled)
    result = share.moved(share.Share(places={}), {}, STAGED2, taker, BOTH)
    assert result.places == {slot: a.place(slot, 1, term=3)}
    (ahead,) = share.taken_over([slot], STAGED2, taker, BOTH)
    assert ahead.version == 1
    (newest,) = share.taken_over([slot], STAGED2, HERE, BOTH)
    assert newest.version == 2
    (nothing,) = share.taken_over([slot], {}, HERE)
    assert nothing.version == 0


def test_a_place_is_within_the_limits_of_its_own_version():
    """Its document must be here, and allow it."""
    old = a.place("web/web.1", 1)
    assert share.is_within(old, STAGED2, HERE, BOTH)
    assert not share.is_within(old, STAGED2, HERE, {})
    gpu = a.workload("web", replicas=3, require={"gpu": "yes"})
    limited = {("web", 1): a.deployment(workloads=(gpu,))}
    assert not share.is_within(old, STAGED2, HERE, limited)


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


@given(st.lists(places, max_size=4), st.lists(places, max_size=4), st.booleans())
def test_a_staged_share_computed_twice_is_the_same(before, offered, first):
    """And a later wave never gets the newest from a hub alone."""
    here = HERE if first else LATER_WAVE
    held = {each.slot: each for each in before}
    once = share.share(held, assigned(*offered), STAGED2, here, BOTH)
    again = share.share(once.places, assigned(*offered), STAGED2, here, BOTH)
    assert again.places == once.places
    if not first:
        had = {slot for slot, each in held.items() if each.version == 2}
        assert {s for s, each in once.places.items() if each.version == 2} <= had
