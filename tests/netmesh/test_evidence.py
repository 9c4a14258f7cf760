from hypothesis import given
from hypothesis import strategies as st

from netmesh import evidence
from netmesh.evidence import Estimate, Trial


def trial(loss: float = evidence.LOSS_FLOOR, **unanswered: int) -> Trial:
    """A trial that began at 0, with so many questions in vain."""
    made = Trial(began_at=0.0, asked_since=0.0, loss=loss, gap=0.06)
    for via, count in unanswered.items():
        made.unanswered[via] = count  # type: ignore[index]
    return made


@given(st.floats(0.05, 0.75), st.integers(0, 40), st.integers(0, 40))
def test_a_lossy_network_needs_more_questions(loss, direct, peer):
    """Law: the more is lost, the less each silence says; more silence says more."""
    here = trial(loss, direct=direct, peer=peer).score
    assert here <= trial(evidence.LOSS_FLOOR, direct=direct, peer=peer).score + 1e-9
    assert here <= trial(loss, direct=direct + 1, peer=peer).score


def test_silence_alone_is_no_death():
    """Without questions in vain, hours prove nothing: perhaps we slept."""
    assert not evidence.is_dead(trial(), 1e6, 1e6, 0.0)
    assert evidence.is_dead(trial(direct=10), 1.3, 1.3, 0.0)


def test_questions_alone_are_no_death():
    """A busy device answers late: there is a time that nothing shortens."""
    hasty = trial(direct=100)
    hasty.confirmed_by.update({"a", "b", "c", "d"})
    assert not evidence.is_dead(hasty, evidence.SHORTEST_SILENCE - 0.01, 2.0, 0.0)
    assert not evidence.is_dead(hasty, 2.0, evidence.TRIAL_FOR - 0.01, 0.0)


def test_others_shorten_the_wait_but_not_below_its_end():
    """Others shorten the wait but not below its end."""
    waits = [evidence.silence(count) for count in range(20)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] == evidence.LONGEST_SILENCE
    assert waits[-1] == evidence.SHORTEST_SILENCE


def test_an_estimate_learns_times_and_losses():
    """An estimate learns times and losses."""
    estimate = Estimate()
    assert estimate.wait() == evidence.FIRST_WAIT
    for _ in range(100):
        estimate.answered(0.001)
    assert estimate.wait() == evidence.SHORTEST_WAIT
    for number in range(400):
        if number % 2:
            estimate.unanswered()
        else:
            estimate.answered(0.2 if number % 4 else 0.4)
    assert 0.35 < estimate.loss < 0.65
    assert 0.5 < estimate.wait() < 1.2


def test_hearing_begins_anew():
    """Hearing begins anew."""
    heard = trial(direct=9, peer=9)
    heard.heard(5.0)
    assert heard.score == 0.0
    assert not evidence.is_dead(heard, 0.0, 5.1, 0.0)


def test_every_path_there_is_must_be_silent():
    """Every path there is must be silent."""
    asked = trial(direct=9)
    assert evidence.is_asked(asked, frozenset({"direct"}))
    assert not evidence.is_asked(asked, frozenset({"direct", "broker"}))
    assert "9 directly" in evidence.describe(asked, 1.0)
