"""`edge.trust.judge` alone, as an honest hub holds it: all devices, uses counted.

Here the enemy is everybody but the hub: the broker, a stolen device, removed, expired
and scoped operators, the holder of a leaked token.
"""

from random import Random

import pytest

from edge.trust import Accepted, Known, Ledger, Refused, judge
from edge.trust.verdict import Reason
from tests.adversary import attack, world
from tests.adversary.enemy import Enemy
from tests.adversary.watch import Watch
from tests.adversary.world import NOW, Fleet
from tests.support import builders as a

PART = 0.45
REASONS = frozenset(Reason.__args__)  # type: ignore[attr-defined]


def honest(fleet: Fleet) -> Ledger:
    """Return what a hub holds that was there from the first day."""
    ledger = a.empty_ledger()
    closed = {"n3": NOW - 8.5 * a.DAY}
    for document, data in list(fleet.said.values()):
        now = closed.get(getattr(document, "name", ""), NOW)
        verdict = judge(data, ledger, now)
        assert not isinstance(verdict, Refused), verdict
        if isinstance(verdict, Accepted):
            ledger.record(verdict)
    return ledger


def attacked(fleet: Fleet, rng: Random, count: int) -> None:
    """Attack a ledger; everything that arrives gets a verdict with a name."""
    ledger, look = honest(fleet), Watch(fleet=fleet)
    look.look(ledger, [])
    enemy = Enemy(
        rng=rng, corpus=[*world.foreign(), *(data for _, data in fleet.said.values())]
    )
    for _ in range(count):
        data = enemy.document()
        match judge(data, ledger, NOW):
            case Accepted() as accepted:
                ledger.record(accepted)
            case Refused() as refused:
                assert refused.reason in REASONS
                assert refused.problem.isprintable()
                assert len(refused.problem) < 500
            case Known() as known:
                assert ledger.heads[known.document.stream].digest == known.digest
        look.look(ledger, [data])


@pytest.mark.timeout(600)
def test_a_ledger_holds_only_what_somebody_had_the_right_to_say(seed):
    """No head moves back, and none moves by a key that has no say."""
    fleet = world.founded()
    honest(fleet)
    for rng, count in attack.episodes(seed, "judge", PART):
        attacked(fleet, rng, count)
