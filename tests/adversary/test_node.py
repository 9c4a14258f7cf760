"""The real agent of a device, with broker and hub in the enemy's hands.

No message has an effect the operator did not sign for, none crashes it, and every
refusal is counted under a name. When root has thrown the enemy's hub out, everything
the operator says is heard again: no number was burnt, no name taken, no key locked out.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from edge import envelope
from edge.trust.verdict import Reason
from node.agent import Agent
from tests.adversary import attack, victim, watch, world
from tests.adversary.enemy import WAYS, Enemy
from tests.adversary.watch import DeviceWatch, Watch
from tests.adversary.world import NOW, VICTIM, VICTIM_ID, Fleet
from tests.support import builders as a

PART = 0.45
REASONS = frozenset(Reason.__args__)  # type: ignore[attr-defined]
VOTERS = (VICTIM, world.THIRD)
CLOCKS = (NOW, NOW, NOW + 3600.0, 0.0)


def message(enemy: Enemy) -> tuple[bytes, list[bytes]]:
    """Return a message and the documents in it: mostly one, now and then many."""
    chance = enemy.rng.random()
    if chance < 0.02:
        return enemy.frame(), []
    count = enemy.rng.randint(2, 8) if chance < 0.12 else 1
    documents = [enemy.document() for _ in range(count)]
    return envelope.bundle(documents), documents


def sent(agent: Agent, payload: bytes, documents: Sequence[bytes]) -> None:
    """Deliver a message; what it did not move must have been counted."""
    before = agent.intake.refusals.total()
    agent.receive(payload)
    refused = agent.intake.refusals.total() - before
    held = {head.digest for head in agent.ledger.heads.values()}
    if len(documents) == 1 and not watch.found_in(held, documents):
        assert refused, "a refusal was not counted"
    if not documents and payload:
        assert refused == 1, "a broken message was not counted once"


def beliefs(agent: Agent) -> tuple[object, ...]:
    """Return all that must survive a restart."""
    ledger = agent.ledger
    return (
        ledger.heads,
        ledger.floor,
        ledger.trust,
        ledger.nodes,
        ledger.deployments,
        ledger.revocation,
        ledger.secrets,
        ledger.plans,
        ledger.voters,
        agent.places,
        agent.replicas(),
    )


def attacked(fleet: Fleet, folder: Path, rng: Random, count: int) -> Agent:
    """Attack a device that runs on ``folder``; return it as it stands then."""
    clock = rng.choice(CLOCKS)
    agent = victim.started(folder, clock)
    look = DeviceWatch(fleet=fleet, trust=device_watch(fleet))
    look.look(agent, [victim.honest_assignment(1)])
    corpus = [*world.foreign(), *(data for _, data in fleet.said.values())]
    corpus += [victim.honest_plan(each) for each in (1, 2, 3)]
    enemy = Enemy(rng=rng, corpus=[*corpus, victim.honest_assignment(1)])
    while count > 0:
        payload, documents = message(enemy)
        sent(agent, payload, documents)
        look.look(agent, documents)
        count -= max(1, len(documents))
        if rng.random() < 0.005:
            before = beliefs(agent)
            agent = victim.started(folder, clock)
            assert beliefs(agent) == before, "a restart changed what is believed"
    named = {key.partition(": ")[2] for key in agent.intake.refusals}
    assert named <= REASONS, f"counted under no name: {named - REASONS}"
    return agent


def device_watch(fleet: Fleet) -> Watch:
    """A device knows no windows: a leaked seed makes neighbours, until a plan says."""
    return Watch(fleet=fleet, me=VICTIM_ID, lets_in=frozenset({"leaked"}))


def heard_again(fleet: Fleet, agent: Agent) -> None:
    """Root ends it: the operator's next words are all taken, and run."""
    heads = agent.ledger.heads

    def after(stream: str) -> int:
        return heads[stream].counter[0] + 1 if stream in heads else 1

    token = f"secret/web/token/{VICTIM_ID}"
    revoked = agent.ledger.revocation.devices if agent.ledger.revocation else ()
    words = [
        world.recovered(fleet),
        fleet.say(world.web(after("deployment/web"))),
        fleet.say(world.sensor(after("deployment/sensor"))),
        fleet.say(a.deployment("new", after("deployment/new"))),
        fleet.say(
            world.node(VICTIM, after(f"node/{VICTIM_ID}"), labels={"role": "sensor"})
        ),
        fleet.say(a.revocation(after("revocation"), devices=revoked)),
        fleet.say(a.voters(*VOTERS, version=after("voters/home"))),
    ]
    versions = {"web": after("deployment/web"), "sensor": after("deployment/sensor")}
    fleet.tell("web/token", after(token), {VICTIM_ID: VICTIM.seal.public})
    words += fleet.envelopes(token)[-1:]
    agent.receive(envelope.bundle(words))
    taken = {world.digest(each) for each in words}
    assert taken <= {head.digest for head in heads.values()}, "a word was not heard"
    assignment = a.assignment(
        VICTIM,
        1,
        generation=world.GENERATION + 1,
        replicas=(
            a.place("web/web.1", versions["web"]),
            a.place("sensor/reader@n1", versions["sensor"]),
        ),
    )
    plan = a.plan(VICTIM, generation=world.GENERATION + 1)
    last = [a.signed(each, world.NEW_HUB) for each in (assignment, plan)]
    agent.receive(envelope.bundle(last))
    assert agent.ledger.plan == plan, "the hub's plan was not heard"
    running = {each.slot: each.version for each in agent.replicas()}
    assert (
        running.items()
        >= {
            "web/web.1": versions["web"],
            "sensor/reader@n1": versions["sensor"],
        }.items()
    )


@pytest.mark.timeout(600)
def test_a_device_does_only_what_the_operator_signed(seed):
    """Whatever arrives, in whatever order, at whatever o'clock, restarts included."""
    fleet = world.founded()
    with victim.scratch() as scratch:
        victim.enrolled(fleet, scratch / "template")
        world.later(fleet)
        for number, (rng, count) in enumerate(attack.episodes(seed, "node", PART)):
            folder = victim.copied(scratch / "template", scratch / str(number))
            known = dict(fleet.said)
            heard_again(fleet, attacked(fleet, folder, rng, count))
            fleet.said.clear()
            fleet.said.update(known)


def test_every_way_of_attack_is_taken(seed):
    """A way that is never taken proves nothing."""
    fleet = world.founded()
    corpus = [*world.foreign(), *(data for _, data in fleet.said.values())]
    enemy = Enemy(rng=Random(seed), corpus=corpus)
    for _ in range(2_000):
        enemy.document()
    assert set(enemy.kinds) == {way.__name__ for way in WAYS}
