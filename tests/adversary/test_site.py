"""A device that takes over for its neighbours, with the enemy's hub signing its plans.

A plan only says whose a slot is: what may be in it is the operator's word. The enemy's
plans start nothing that was not signed, and take nothing away that runs here.
"""

from pathlib import Path

import pytest

from edge import envelope
from node.agent import Agent
from node.guard import Leases
from node.memory import Memory
from node.site import Site
from tests.adversary import attack, victim, world
from tests.adversary.enemy import Enemy
from tests.adversary.watch import DeviceWatch, Watch
from tests.adversary.world import STOLEN, THIRD, VICTIM, VICTIM_ID, Fleet
from tests.node.test_site import FakeMesh, FakeWork
from tests.support import builders as a

PART = 0.1
OURS = ("shop/shop.1", "shop/till.1")
STANDING = {"web/web.1": 2, "sensor/reader@n1": 1, "db/db.1": 1}


class Clock:
    """Seconds since boot, a second further each turn."""

    now = 100.0

    def __call__(self) -> float:
        """Return what time it is."""
        return self.now


class Victim:
    """A device with failover: two replicas of one movable workload, one here."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        """Let the operator deploy, and the honest hub assign."""
        self.clock, run = Clock(), folder / "run"
        self.agent: Agent = victim.enrolled(fleet, folder / "state")
        run.mkdir()
        self.site = Site(
            agent=self.agent,
            mesh=FakeMesh(),
            leases=Leases(run),
            memory=Memory(self.agent.device.store.folder, run),
            port=8445,
            clock=self.clock,
            bell=lambda: None,
            told=lambda: None,
            learned=lambda: None,
        )
        self.site.running = work = FakeWork()
        work.busy.update(OURS)
        self.agent.receive(envelope.bundle([deployed(fleet), assigned()]))
        self.turn(20)

    def turn(self, count: int = 1) -> None:
        """Let the device decide."""
        for _ in range(count):
            self.clock.now += 1.0
            self.site.turn()

    def runs(self) -> dict[str, int]:
        """Slot → revision of what should run, held back or not."""
        return {str(slot): each.version for slot, each in self.agent.places.items()}


def deployed(fleet: Fleet) -> bytes:
    """The operator's word: a shop twice, a till under a lease."""
    shop = a.workload("shop", replicas=2, failover="available")
    till = a.workload("till", replicas=1, failover="strict")
    return fleet.say(a.deployment("shop", 1, workloads=(shop, till)))


def assigned() -> bytes:
    """The honest hub's word."""
    slots = {**STANDING, **dict.fromkeys(OURS, 1)}
    places = tuple(a.place(slot, version) for slot, version in slots.items())
    return victim.honest_assignment(2, replicas=places)


@pytest.fixture
def fleet() -> Fleet:
    """Everything the operator said."""
    return world.founded()


@pytest.fixture
def device(fleet: Fleet, tmp_path: Path) -> Victim:
    """A device that holds two slots that may move."""
    made = Victim(fleet, tmp_path)
    assert made.runs() == {**STANDING, **dict.fromkeys(OURS, 1)}
    return made


def plan(**holders: a.Device) -> bytes:
    """The enemy's plan, in a term as high as he likes; ``shop_shop_2`` for a slot."""
    slots = (
        a.plan_slot(f"{one}/{two}.{three}", each, term=999)
        for name, each in holders.items()
        for one, two, three in [name.split("_")]
    )
    return victim.honest_plan(7, slots=tuple(slots))


def test_a_plan_takes_nothing_away(device):
    """Whoever it says holds our slots: we have not lost them to anybody we heard."""
    before = device.runs()
    word = plan(shop_shop_1=THIRD, shop_till_1=STOLEN, web_web_1=THIRD, db_db_1=THIRD)
    assert device.agent.receive(envelope.bundle([word]))
    device.turn(60)
    assert device.runs() == before


def test_a_plan_starts_nothing_that_was_not_signed(device):
    """No third of two, nothing ended, invented or immovable; a second of two may."""
    before = device.runs()
    slots = ("shop_shop_3", "web_web_2", "old_old_1", "evil_evil_1", "shop_shop_2")
    word = plan(**dict.fromkeys(slots, VICTIM))
    assert device.agent.receive(envelope.bundle([word]))
    device.turn(60)
    assert device.runs() == {**before, "shop/shop.2": 1}


@pytest.mark.timeout(600)
def test_a_device_that_takes_over_does_only_what_was_signed(seed):
    """The law of `test_node`, for a device that decides what it takes over."""
    for rng, count in attack.episodes(seed, "site", PART):
        with victim.scratch() as scratch:
            fleet = world.founded()
            device = Victim(fleet, scratch)
            corpus = [data for _, data in fleet.said.values()]
            corpus += [victim.honest_plan(each) for each in (1, 2, 3)]
            enemy = Enemy(rng=rng, corpus=corpus)
            trust = Watch(fleet=fleet, me=VICTIM_ID, lets_in=frozenset({"leaked"}))
            look = DeviceWatch(fleet=fleet, trust=trust)
            look.look(device.agent, [*corpus, assigned()])
            for _ in range(count):
                word = enemy.document() if rng.random() < 0.5 else enemy.planned()
                device.agent.receive(envelope.bundle([word]))
                device.turn()
                look.look(device.agent, [word])
