"""A device whose containers are only a picture, planned turn by turn."""

from hypothesis import strategies as st

from node import reconcile
from node.reconcile import Observed
from node.replica import Container, Replica
from tests.support.replicas import (
    HOST,
    PodmanModel,
    image_id,
)

SLOTS = ("web/web.1", "web/web.2", "db/db.1", "db/agent@n1")
ROUNDS = 40  # far more than the longest way to converge: pull, swap ports, tidy


class Device:
    """A model, a clock and a history, driven by plans."""

    def __init__(self, model: PodmanModel) -> None:
        self.model = model
        self.now = 1000.0
        self.history: reconcile.History = {}

    def plan(self, wanted, **observed) -> reconcile.Plan:
        seen = Observed(
            sighting=self.model.sighting, provided=dict(self.model.provided), **observed
        )
        plan = reconcile.plan(wanted, seen, self.history, HOST, self.now)
        self.history = plan.history
        return plan

    def settle(self, wanted, order=None) -> reconcile.Plan:
        """Perform plans until one is empty; chains in a drawn interleaving."""
        for _ in range(ROUNDS):
            plan = self.plan(wanted)
            if not plan.actions and plan.wake_at is None:
                return plan
            if not plan.actions:
                self.now = plan.wake_at or self.now
            for action in interleaved(plan, order):
                before = self._counts()
                self.model.perform(action)
                for slot, count in self._counts().items():
                    # Two that run since a switch may; no action makes them two.
                    assert count <= max(at_once(slot, wanted), before[slot])
        raise AssertionError(
            f"did not converge: {[a.describe() for a in plan.actions]}"
        )

    def _counts(self):
        """Return how many of each slot run."""
        return {slot: len(self.model.running(slot)) for slot in SLOTS}


def at_once(slot, wanted):
    """Return how many of a slot may run: two where one is beside the other."""
    mine = [each for each in wanted if each.slot == slot]
    return 2 if any(each.starts_first or each.is_elder for each in mine) else 1


def interleaved(plan, order):
    """Yield the actions of all chains, each chain's in order, chains mixed by draws."""
    waiting = [list(chain.actions) for chain in plan.chains]
    while waiting:
        index = order.draw(st.integers(0, len(waiting) - 1)) if order else 0
        yield waiting[index].pop(0)
        waiting = [chain for chain in waiting if chain]


def running(model: PodmanModel, wanted: Replica) -> Container:
    """Return the one running container of a replica's slot."""
    (one,) = model.running(wanted.slot)
    return one


def ready(*wanted: Replica) -> Device:
    """Return a device on which everything wanted runs already."""
    model = PodmanModel()
    model.images = {image_id(1), image_id(2)}
    device = Device(model)
    device.settle(wanted)
    return device


def kinds(plan: reconcile.Plan) -> list[type]:
    """Return what a plan does, by the words."""
    return [type(action) for action in plan.actions]
