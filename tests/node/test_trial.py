"""A version on trial: what proves it, what makes it bad, what a restart leaves."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import WireError
from node import health, trial
from node.backoff import Trail
from node.failures import LOGS_MAX, LastWords
from node.trial import NO_TERMS, Book, Look, Terms, Trials
from tests.support import builders as a
from tests.support.replicas import HEALTH

SLOT = "web/web.1"
TERMS = Terms(version=2, healthy_for=10.0, deadline=60.0, has_way_back=True)
NO_WAY_BACK = replace(TERMS, has_way_back=False)
WELL = Look(
    slot=SLOT,
    version=2,
    has_begun=True,
    is_healthy=True,
    is_unhealthy=False,
    failures=0,
    reason="",
)
STARTING = replace(WELL, is_healthy=False)
PULLING = replace(STARTING, has_begun=False)
SICK = replace(STARTING, is_unhealthy=True, reason="answered 500")
ENDED = replace(STARTING, failures=2, reason="ended with exit code 1")


def entered(terms: Terms = TERMS, book: Book | None = None) -> Trials:
    """Return the trials of a device that just got version 2."""
    made = Trials(book=book or Book())
    made.enter({SLOT: terms}, {"web": 2})
    return made


def condemned(terms: Terms = TERMS, **changes: Any) -> Trials:
    """Return them after the version failed."""
    made = entered(terms)
    made.look([SICK], 0.0)
    made.condemn(SLOT, "unhealthy: answered 500", a.NOW, **changes)
    made.enter({SLOT: terms}, {"web": 2})
    return made


def restarted(trials: Trials, terms: Terms = TERMS) -> Trials:
    """Return what the next daemon makes of the book on the disk."""
    made = Trials(book=trial.decode(trial.encode(trials.book)))
    made.restarted(a.NOW)
    made.enter({SLOT: terms}, {"web": 2})
    return made


def test_a_stretch_of_health_proves_a_version():
    """As long as the rollout asks, without a break."""
    trials = entered()
    assert not trials.look([WELL], 100.0).proved
    assert trials.wake_at() == 110.0
    assert trials.look([WELL], 110.0).proved == (SLOT,)
    assert trials.is_proved(SLOT, 2)
    assert not trials.is_watching


def test_a_break_begins_the_stretch_anew():
    """Two halves are no whole."""
    trials = entered()
    for at, look in ((0.0, WELL), (6.0, STARTING), (7.0, WELL), (12.0, WELL)):
        assert not trials.look([look], at).proved
    assert trials.look([WELL], 17.0).proved


def test_what_is_not_looked_at_has_a_break():
    """Its lease was over, or it waited: nobody saw it well."""
    trials = entered()
    trials.look([WELL], 0.0)
    trials.look([], 5.0)
    trials.look([WELL], 6.0)
    assert not trials.look([WELL], 11.0).proved


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (SICK, "unhealthy: answered 500"),
        (ENDED, "failed 2 times: ended with exit code 1"),
        (replace(ENDED, failures=1), ""),
        (STARTING, ""),
    ],
)
def test_what_fails_is_bad_at_once_and_what_starts_is_waited_for(look, reason):
    """One end may be chance, the second is none."""
    assert entered().look([look], 0.0).failing.get(SLOT, "") == reason


def test_what_is_not_healthy_at_the_deadline_is_bad():
    """Counted from the first start of its container."""
    trials = entered()
    trials.look([STARTING], 100.0)
    assert trials.wake_at() == 160.0
    assert not trials.look([STARTING], 159.0).failing
    assert trials.look([STARTING], 160.0).failing == {SLOT: "not healthy within 60 s"}


def test_fetching_an_image_is_no_fault_of_the_version():
    """A slow uplink, or a registry that is down: nothing was switched yet."""
    trials = entered()
    for at in (0.0, 1_000.0):
        assert not trials.look([PULLING], at).failing
    assert trials.wake_at() is None
    trials.look([STARTING], 2_000.0)
    assert trials.wake_at() == 2_060.0


def test_how_the_version_before_does_says_nothing():
    """It runs until the switch."""
    trials = entered()
    old = replace(SICK, version=1)
    assert not trials.look([old, replace(old, slot="web/web.2")], 0.0).failing


def test_a_bad_version_is_told_with_its_reason_and_its_last_lines():
    """Advice for the hub and the operator."""
    sealed = a.model.SealedText(box="box", keys={})
    trials = condemned(words=LastWords(plain="boom", sealed=sealed))
    assert trials.bad == {("web", 2)}
    assert trials.is_bad(SLOT, 2)
    assert trials.given_up == {(SLOT, 2)}
    assert not trials.entered
    (failure,) = trials.failures()
    assert (failure.version, failure.at, failure.sealed_log) == (2, a.NOW, sealed)
    assert trials.last_lines(failure) == "boom"
    assert failure.reason == "unhealthy: answered 500"
    assert not trials.is_watching


def test_what_is_not_on_trial_cannot_be_condemned():
    """A newer version came while its log was read."""
    trials = entered(replace(TERMS, version=3))
    trials.look([replace(WELL, version=3)], 0.0)
    trials.look([replace(WELL, version=3)], 10.0)
    assert trials.condemn(SLOT, "too late", a.NOW) is None


def test_without_a_way_back_a_bad_version_may_still_prove_itself():
    """It is told, tried on, and forgiven."""
    trials = condemned(NO_WAY_BACK)
    assert trials.is_watching
    assert not trials.look([SICK], 100.0).failing
    assert trials.wake_at() is None
    trials.look([WELL], 200.0)
    trials.look([WELL], 210.0)
    assert trials.is_proved(SLOT, 2)
    assert not trials.failures()


def test_a_failure_is_told_until_a_newer_version_proved_itself():
    """Going back to the one before is no proof of the next."""
    trials = condemned()
    trials.enter({SLOT: NO_TERMS}, {"web": 2})
    assert trials.failures()
    newer = replace(TERMS, version=3)
    trials.enter({SLOT: newer}, {"web": 3})
    look = replace(WELL, version=3)
    trials.look([look], 0.0)
    assert trials.failures()
    trials.look([look], 10.0)
    assert not trials.failures()


@pytest.mark.parametrize(
    ("heads", "is_told"), [({"web": 2}, True), ({"web": 3}, False), ({}, False)]
)
def test_a_slot_that_went_elsewhere_is_told_while_its_version_is_the_newest(
    heads, is_told
):
    """It must not come back here in that version."""
    trials = condemned()
    trials.enter({}, heads)
    assert bool(trials.failures()) is is_told


def test_what_proved_itself_stays_proved_over_going_back():
    """The version before is known to be good."""
    trials = Trials(book=Book(proved={SLOT: 1}))
    trials.enter({SLOT: TERMS}, {"web": 2})
    assert trials.is_watching
    assert trials.is_proved(SLOT, 1)
    trials.enter({}, {"web": 2})
    assert trials.book == Book()


def test_what_ran_before_a_trial_is_known_until_it_is_over():
    """Over a restart, too; a step back is no such thing."""
    trials = Trials()
    trials.enter({SLOT: TERMS}, {"web": 2}, {SLOT: 1})
    assert trials.entered == {(SLOT, 2)}
    after = restarted(trials)
    assert after.book.before == {SLOT: 1}
    after.look([WELL], 0.0)
    after.look([WELL], 10.0)
    assert not after.book.before
    after.enter({SLOT: TERMS}, {"web": 2}, {SLOT: 3})
    assert not after.book.before


def test_several_bad_versions_of_a_slot_are_told():
    """Until a newer one proves itself; only so many are kept."""
    trials = Trials()
    for version in range(1, 7):
        trials.enter({SLOT: replace(TERMS, version=version)}, {"web": version})
        trials.condemn(SLOT, "no", a.NOW)
    assert [each.version for each in trials.failures()] == [3, 4, 5, 6]
    trials.enter({SLOT: replace(TERMS, version=7)}, {"web": 7})
    for at in (0.0, 10.0):
        trials.look([replace(WELL, version=7)], at)
    assert not trials.failures()


def test_a_restart_watches_on_and_begins_the_stretch_anew():
    """Nobody saw it meanwhile."""
    trials = entered()
    trials.look([WELL], 100.0)
    after = restarted(trials)
    assert not after.look([WELL], 109.0).proved
    assert after.look([WELL], 119.0).proved


def test_starts_before_it_has_begun_are_not_held_against_it():
    """It is still being fetched; and who begins beside it, in another version."""
    trials = entered()
    trials.begin(SLOT, 1)
    trials.begin("web/other.1", 2)
    for _ in range(trial.STARTS_MAX):
        trials = restarted(trials)
    assert trials.is_watching
    assert not trials.failures()


def test_the_third_start_makes_it_bad():
    """It may be what takes the device down; nobody waits for a look."""
    trials = entered()
    trials.begin(SLOT, 2)
    for _ in range(trial.STARTS_MAX - 1):
        trials = restarted(trials)
        assert trials.is_watching
    trials = restarted(trials)
    assert trials.is_bad(SLOT, 2)
    assert "started 3 times" in trials.failures()[0].reason


def test_a_verdict_survives_a_restart():
    """Or the device would try a bad version after each power cut."""
    after = restarted(condemned())
    assert after.is_bad(SLOT, 2)
    assert not after.is_watching


def test_only_the_newest_failures_keep_their_lines():
    """All of them must fit into one report."""
    terms = {f"web/web.{n}": TERMS for n in range(1, 12)}
    trials = Trials()
    trials.enter(terms, {"web": 2})
    for number, slot in enumerate(terms):
        words = LastWords(plain="boom", sealed=a.model.SealedText(box="", keys={}))
        trials.condemn(slot, "no", a.NOW + number, words)
    told = trials.failures()
    logged = [each.slot for each in told if each.sealed_log]
    assert logged == [each.slot for each in told if trials.last_lines(each)]
    assert logged == sorted(list(terms)[-LOGS_MAX:])


def test_a_damaged_book_is_named():
    """Whoever reads it decides what nothing means."""
    with pytest.raises(WireError, match="on trial"):
        trial.decode(b'{"watched": 1}')


def test_a_look_is_read_from_status_past_and_probes():
    """What a probe said comes before what the back-off counted."""
    status = a.status(SLOT, 2, healthy=False)
    assert not trial.look_at(status, Trail(), None).has_begun
    pulse = replace(
        health.begin(0.0, HEALTH), verdict="unhealthy", reason="answered 500"
    )
    trail = Trail(life="x", failures=1, restarts=3, problem="ended")
    look = trial.look_at(status, trail, pulse)
    assert (look.has_begun, look.is_unhealthy, look.failures) == (True, True, 3)
    assert look.reason == "answered 500"
    assert trial.look_at(status, trail, None).reason == "ended"


def test_a_deployment_without_a_rollout_is_not_watched():
    """It runs everywhere at once, as it always did."""
    assert trial.terms_of(a.deployment(), has_way_back=True) is NO_TERMS
    trials = entered(NO_TERMS)
    assert not trials.is_watching
    made = a.deployment(version=2, rollout=a.rollout(progress_deadline=60.0))
    assert trial.terms_of(made, has_way_back=True) == TERMS


looks = st.sampled_from([WELL, STARTING, PULLING, SICK, ENDED, None])
turns = st.lists(st.tuples(st.floats(0.0, 30.0), looks, st.booleans()), max_size=30)


@given(turns, st.sampled_from([TERMS, NO_WAY_BACK]))
def test_a_version_is_proved_only_by_one_whole_stretch(turns, terms):
    """Whatever happens in between, restarts included; and bad excludes proved."""
    trials, now, well_since = entered(terms), 0.0, None
    for gap, look, is_restart in turns:
        now += gap
        if is_restart:
            trials, well_since = restarted(trials, terms), None
        if not trials.is_watching:
            break
        is_well = look is not None and look.is_healthy
        well_since = (now if well_since is None else well_since) if is_well else None
        found = trials.look([look] if look else [], now)
        is_long = well_since is not None and now >= well_since + terms.healthy_for
        assert (SLOT in found.proved) == is_long
        for slot, reason in found.failing.items():
            assert trials.condemn(slot, reason, a.NOW)
            trials.enter({SLOT: terms}, {"web": 2})
        assert not (trials.is_bad(SLOT, 2) and trials.is_proved(SLOT, 2))


@given(turns)
def test_a_trial_that_began_always_ends(turns):
    """By its deadline, or by the third start: nothing is watched for ever."""
    trials, now, starts = entered(), 0.0, 0
    trials.begin(SLOT, 2)
    for gap, look, is_restart in turns:
        now += gap
        if is_restart and trials.is_watching:
            trials, starts = restarted(trials), starts + 1
        found = trials.look([look] if look else [], now)
        if found.failing or found.proved:
            return
    if trials.is_watching:
        assert starts < trial.STARTS_MAX
        trials.look([STARTING], now)
        assert trials.look([STARTING], now + TERMS.deadline).failing


@given(turns)
def test_a_verdict_is_final_until_a_newer_version(turns):
    """Neither looks nor restarts take it back."""
    trials, now = condemned(), 100.0
    for gap, look, is_restart in turns:
        now += gap
        trials = restarted(trials) if is_restart else trials
        trials.look([look] if look else [], now)
        trials.enter({SLOT: TERMS}, {"web": 2})
        assert trials.is_bad(SLOT, 2)


@given(turns)
def test_what_is_on_disk_is_all_there_is_to_know(turns):
    """A book read back is the book that was written."""
    trials, now = entered(), 0.0
    for gap, look, _ in turns:
        now += gap
        found = trials.look([look] if look else [], now)
        for slot, reason in found.failing.items():
            trials.condemn(slot, reason, a.NOW)
        assert trial.decode(trial.encode(trials.book)) == trials.book
