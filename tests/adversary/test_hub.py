"""An honest hub among enemies: what it takes over HTTPS and over MQTT.

Here the enemy is everybody but the hub itself (though he has a key of it): the broker,
stolen devices, removed, expired and scoped operators, the holder of a leaked token.
"""

from collections import Counter
from random import Random

import pytest

from edge.mqtt import Message
from edge.trust import Accepted, Ledger, Refused, judge
from edge.trust.verdict import Reason
from hub import intake
from hub.hearing import Hearing
from hub.state import State
from tests.adversary import attack, world
from tests.adversary.enemy import Enemy
from tests.adversary.watch import Watch
from tests.adversary.world import NOW, Fleet
from tests.support import builders as a

PART = 0.45
REASONS = frozenset(Reason.__args__)  # type: ignore[attr-defined]
LEAVES = ("report", "report", "status", "event", "telemetry/system", "x")


def honest(fleet: Fleet) -> Ledger:
    """Return what a hub holds that was there from the first day."""
    ledger = a.empty_ledger()
    joined = {"n3": NOW - 8.5 * a.DAY}
    for document, data in list(fleet.said.values()):
        now = joined.get(getattr(document, "name", ""), NOW)
        verdict = judge(data, ledger, now)
        assert not isinstance(verdict, Refused), verdict
        if isinstance(verdict, Accepted):
            ledger.record(verdict)
    return ledger


def handed_in(state: State, data: bytes) -> None:
    """Hand a document in over HTTPS; a refusal has a name and a short sentence."""
    refused = intake.take(state, [data], NOW).refused
    if refused is not None:
        assert refused.reason in REASONS
        assert refused.problem.isprintable()
        assert len(refused.problem) < 500


def published(state: State, hearing: Hearing, rng: Random, data: bytes) -> None:
    """Publish a document on a node's topic, as the owner of the broker may."""
    node = rng.choice(("n1", "n2", "n3", "n7", "rogue", "+", "../n1"))
    topic = f"edge/v1/shop/nodes/{node}/{rng.choice(LEAVES)}"
    message = Message(topic=topic, payload=data, retain=rng.random() < 0.5)
    hearing.receive(state, message, NOW)


def attacked(fleet: Fleet, rng: Random, count: int) -> None:
    """Attack a hub from both sides."""
    state = State(hub=a.HUB.public, ledger=honest(fleet))
    hearing = Hearing(counters=Counter())
    look = Watch(fleet=fleet)
    look.look(state.ledger, [])
    corpus = [*world.foreign(), *(data for _, data in fleet.said.values())]
    enemy = Enemy(rng=rng, corpus=corpus)
    for _ in range(count):
        data = enemy.document()
        if rng.random() < 0.8:
            handed_in(state, data)
        else:
            published(state, hearing, rng, data)
        look.look(state.ledger, [data])
    named = {key.partition(": ")[2] for key in hearing.counters}
    assert named <= REASONS | {"wrong-topic", "too-many"}


@pytest.mark.timeout(600)
def test_a_hub_holds_only_what_somebody_had_the_right_to_say(seed):
    """No head moves back, and none moves by a key that has no say."""
    fleet = world.founded()
    honest(fleet)
    for rng, count in attack.episodes(seed, "hub", PART):
        attacked(fleet, rng, count)
