"""What others say of a version: newest words count, a bad one for ever."""

from node import proofs
from node.proofs import Proofs
from tests.support import builders as a

N1, N2 = a.Device("n1"), a.Device("n2")
STAGED = {"web": a.deployment(version=2, rollout=a.rollout(), fallback=1)}
GOOD = a.report(N1, replicas=(a.status("web/web.1", 2, proved=True),))
BAD = a.report(
    N1,
    2,
    failures=(a.model.Failure(slot="web/web.1", deployment="web", version=2),),
)


def test_what_a_device_proved_is_remembered():
    """Once; the same word again is no news."""
    known = Proofs()
    assert known.take([GOOD], STAGED)
    assert not known.take([GOOD], STAGED)
    assert [each.node for each in known.about("web", 2)] == ["n1"]
    assert not known.is_bad("web", 2)


def test_a_bad_word_is_not_undone_by_an_older_one():
    """A hub may show any report it ever had."""
    known = Proofs()
    assert known.take([GOOD, BAD], STAGED)
    assert not known.take([GOOD], STAGED)
    assert known.is_bad("web", 2)


def test_a_report_that_says_nothing_of_it_is_none():
    """Healthy is not proved."""
    healthy = a.report(N1, replicas=(a.status("web/web.1", 2),))
    assert not Proofs().take([healthy], STAGED)


def test_only_the_newest_version_of_a_rollout_is_asked_about():
    """What was said of the one before is forgotten with it."""
    known = Proofs()
    known.take([GOOD], STAGED)
    known.take([], {"web": a.deployment(version=3, rollout=a.rollout(), fallback=2)})
    assert not known.kept
    assert not known.take([GOOD], {"web": a.deployment(version=2)})


def test_memory_is_bounded():
    """Whatever a hub sends."""
    known = Proofs()
    many = [
        a.report(a.Device(f"n{each}"), replicas=GOOD.replicas) for each in range(60)
    ]
    assert known.take(many, STAGED)
    assert len(known.about("web", 2)) == proofs.DEVICES_MAX
    names = [f"d{each}" for each in range(100)]
    works = {
        name: a.deployment(name, 2, rollout=a.rollout(), fallback=1) for name in names
    }
    slots = tuple(a.status(f"{name}/{name}.1", 2, proved=True) for name in names)
    assert known.take([a.report(N2, replicas=slots)], works)
    assert len(known.kept) == proofs.DEPLOYMENTS_MAX
