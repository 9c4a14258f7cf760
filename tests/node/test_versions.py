"""Which version a slot may run here: whatever a hub says, the signature decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.staging.shapes import Window
from node import versions
from node.proofs import Proofs
from node.versions import LATER, NOW, Staging
from tests.support import builders as a

NEWEST = a.deployment(version=3, rollout=a.rollout(), fallback=2)
CANARY, LATECOMER = "n1", "n2"
SLOT = "web/web.1"
DAILY = Window(opens="0 3 * * *", lasts=3_600.0)
OPEN_AT = a.NOW - a.NOW % a.DAY + 3.5 * 3_600


def place(version: int) -> a.model.ReplicaPlace:
    """Return the slot in a version."""
    return a.place(SLOT, version)


def reports(*devices: str, is_bad: bool = False) -> Proofs:
    """Return what these devices say of version 3."""
    failure = a.model.Failure(slot=SLOT, deployment="web", version=3)
    known = Proofs()
    said = {
        "failures": (failure,) if is_bad else (),
        "replicas": () if is_bad else (a.status(SLOT, 3, proved=True),),
    }
    known.take([a.report(a.Device(each), **said) for each in devices], {"web": NEWEST})
    return known


def word(action: str, **changes: object) -> dict[str, a.Control]:
    """Return the operator's newest word on version 3."""
    said = a.control(action=action, target=3, **changes)
    return {"web": said}


def ask(wanted, held, staging=Staging(), node=LATECOMER, newest=NEWEST):  # noqa: B008
    """Return the ruling on a version; ``held`` 0 for a slot that is not here."""
    before = place(held) if held else None
    return versions.rule(place(wanted), before, newest, staging, node)


def test_the_first_wave_may_change_at_once():
    """The operator named it."""
    assert ask(3, 2, node=CANARY) == NOW


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_later_wave_is_closed_until_it_is_opened(held):
    """A hub that names every device in wave 1 is refused, for a new slot as well."""
    problem = ask(3, held).problem
    assert "for wave 2 of 2 here" in problem
    assert "fewer than 1 devices" in problem


def test_proof_of_the_wave_before_opens_it():
    """Signed by a device that this one knows."""
    assert ask(3, 2, Staging(proofs=reports(CANARY))) == NOW
    assert ask(3, 2, Staging(proofs=reports("n9"))).problem


@pytest.mark.parametrize(("wave", "opens"), [(0, False), (1, True), (2, True)])
def test_a_promote_opens_the_waves_up_to_its_own(wave, opens):
    """So does every word after it that carries it on; an earlier wave is used up."""
    for action in ("promote", "pause", "resume"):
        said = Staging(controls=word(action, wave=wave))
        assert (ask(3, 2, said) == NOW) is opens


def test_a_word_on_another_version_has_no_effect():
    """Neither a promote nor an abort."""
    for action in ("promote", "abort"):
        said = Staging(controls={"web": a.control(action=action, target=2, wave=9)})
        assert ask(3, 2, said).problem
        assert ask(3, 2, said, node=CANARY) == NOW


def test_what_is_bad_here_does_not_come_back():
    """Whoever proved it elsewhere."""
    known = Staging(proofs=reports(CANARY), bad=frozenset({("web", 3)}))
    assert "failed its trial here" in ask(3, 2, known).problem
    assert "failed its trial here" in ask(3, 0, known, node=CANARY).problem


def test_what_was_aborted_does_not_go_on():
    """Not in the first wave either."""
    said = Staging(proofs=reports(CANARY), controls=word("abort"))
    assert "the operator aborted" in ask(3, 2, said).problem
    assert "the operator aborted" in ask(3, 2, said, node=CANARY).problem


def test_a_slot_whose_place_was_lost_is_let_in_as_before():
    """What runs does not stop for want of proof."""
    before = Staging(entered=frozenset({(SLOT, 3)}))
    assert ask(3, 0, before) == NOW
    assert ask(3, 2, before).problem


def test_a_hub_that_did_not_hear_of_a_failure_says_nothing_wrong():
    """What runs instead of it is settled where trials are."""
    failed = Staging(bad=frozenset({("web", 3)}), given_up=frozenset({(SLOT, 3)}))
    assert ask(3, 2, failed) == NOW
    assert ask(3, 0, failed) == NOW


def test_without_a_rollout_everybody_changes_at_once():
    """As it always was; so where there is nothing to go back to."""
    assert ask(3, 2, newest=a.deployment(version=3)) == NOW
    first = a.deployment(version=3, rollout=a.rollout())
    assert ask(3, 2, newest=first) == NOW
    assert ask(3, 0, newest=first) == NOW


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_what_is_here_may_stay(version):
    """Whatever was said meanwhile."""
    said = Staging(controls=word("abort"), bad=frozenset({("web", 3)}))
    assert ask(version, version, said) == NOW


@pytest.mark.parametrize("held", [0, 1])
def test_the_version_to_go_back_to_may_be_placed(held):
    """A newcomer whose wave is closed runs it; one that was away catches up."""
    assert ask(2, held) == NOW


def test_going_back_needs_a_cause():
    """The hub's word alone takes nothing back."""
    assert "nobody says that revision 3 failed" in ask(2, 3).problem
    causes = (
        Staging(bad=frozenset({("web", 3)})),
        Staging(proofs=reports("n7", is_bad=True)),
        Staging(controls=word("abort")),
    )
    for staging in causes:
        assert ask(2, 3, staging) == NOW


def test_where_a_failure_only_pauses_others_stay():
    """A device goes back for its own trial, and for the operator's word."""
    newest = a.deployment(version=3, rollout=a.rollout(on_failure="pause"), fallback=2)
    elsewhere = Staging(proofs=reports("n7", is_bad=True))
    assert ask(2, 3, elsewhere, newest=newest).problem
    assert ask(2, 3, Staging(controls=word("abort")), newest=newest) == NOW


@pytest.mark.parametrize("version", [1, 4, 99])
def test_everything_else_is_refused(version):
    """Neither older ones nor invented ones."""
    assert f"revision {version} of it, 3 is held" in ask(version, 2).problem


def test_a_switch_waits_for_its_window_and_a_new_slot_does_not():
    """What runs is not disturbed by day; what is missing is not missed until night."""
    newest = a.deployment(version=3, rollout=a.rollout(window=DAILY), fallback=2)
    by_day = Staging(at=OPEN_AT + 6 * 3_600)
    assert ask(3, 2, by_day, node=CANARY, newest=newest) == LATER
    assert ask(3, 0, by_day, node=CANARY, newest=newest) == NOW
    assert ask(3, 2, Staging(at=OPEN_AT), node=CANARY, newest=newest) == NOW


def test_who_does_not_know_the_time_or_the_window_waits():
    """A board that boots in 1970 is not in any window."""
    newest = a.deployment(version=3, rollout=a.rollout(window=DAILY), fallback=2)
    assert ask(3, 2, Staging(at=None), node=CANARY, newest=newest) == LATER
    odd = Window(opens="whenever", lasts=3_600.0)
    assert not versions.is_open(odd, OPEN_AT, CANARY)


HELD = {("web", 2): a.deployment(version=2), ("web", 3): NEWEST}


@pytest.mark.parametrize(
    ("had", "node", "staging", "version"),
    [
        (3, CANARY, Staging(), 3),
        (2, CANARY, Staging(), 2),
        (0, CANARY, Staging(), 3),
        (3, LATECOMER, Staging(), 2),
        (0, LATECOMER, Staging(), 2),
        (3, LATECOMER, Staging(proofs=reports(CANARY)), 3),
        (3, CANARY, Staging(bad=frozenset({("web", 3)})), 2),
    ],
)
def test_a_taker_runs_what_its_neighbour_had(had, node, staging, version):
    """Unless that is not for it yet: a bad version must not pass from hand to hand."""
    assert versions.taken_up(NEWEST, had, HELD, staging, node) == version


def test_a_taker_without_the_version_before_runs_the_newest():
    """Service comes first."""
    only = {("web", 3): NEWEST}
    assert versions.taken_up(NEWEST, 2, only, Staging(), LATECOMER) == 3
    plain = a.deployment(version=3)
    assert versions.taken_up(plain, 2, HELD, Staging(), LATECOMER) == 3


stagings = st.builds(
    Staging,
    proofs=st.sampled_from([Proofs(), reports("n9"), reports("n7", is_bad=True)]),
    controls=st.sampled_from([{}, word("pause"), word("resume"), word("abort")]),
    bad=st.sampled_from([frozenset(), frozenset({("web", 3)})]),
    at=st.none() | st.floats(0, 1e10),
)


@given(st.integers(0, 5), st.integers(0, 5), stagings)
def test_no_hub_gets_a_later_wave_to_change(wanted, held, staging):
    """Without proof or promote the newest version reaches no slot that lacks it."""
    ruling = ask(wanted, held, staging)
    if wanted == NEWEST.version and held != wanted:
        assert ruling.problem
    if wanted not in {held, NEWEST.version, NEWEST.fallback}:
        assert ruling.problem
